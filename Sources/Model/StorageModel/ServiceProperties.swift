/// The properties of an account's Blob service, stored and returned; of these only the CORS rules and the default version act.
package struct ServiceProperties: Hashable, Sendable, Codable {
    package struct Retention: Hashable, Sendable, Codable {
        package var enabled: Bool
        package var days: Int?
        package var allowPermanentDelete: Bool?
        package init(enabled: Bool, days: Int?, allowPermanentDelete: Bool? = nil) {
            self.enabled = enabled
            self.days = days
            self.allowPermanentDelete = allowPermanentDelete
        }
    }
    package struct Logging: Hashable, Sendable, Codable {
        package var version: String
        package var delete: Bool
        package var read: Bool
        package var write: Bool
        package var retention: Retention
        package init(version: String, delete: Bool, read: Bool, write: Bool, retention: Retention) {
            self.version = version
            self.delete = delete
            self.read = read
            self.write = write
            self.retention = retention
        }
    }
    package struct Metrics: Hashable, Sendable, Codable {
        package var version: String
        package var enabled: Bool
        package var includeAPIs: Bool?
        package var retention: Retention
        package init(version: String, enabled: Bool, includeAPIs: Bool?, retention: Retention) {
            self.version = version
            self.enabled = enabled
            self.includeAPIs = includeAPIs
            self.retention = retention
        }
    }
    package struct CORSRule: Hashable, Sendable, Codable {
        package var allowedOrigins: [String]
        package var allowedMethods: [String]
        package var allowedHeaders: [String]
        package var exposedHeaders: [String]
        package var maxAgeSeconds: Int
        package init(
            allowedOrigins: [String], allowedMethods: [String], allowedHeaders: [String], exposedHeaders: [String],
            maxAgeSeconds: Int
        ) {
            self.allowedOrigins = allowedOrigins
            self.allowedMethods = allowedMethods
            self.allowedHeaders = allowedHeaders
            self.exposedHeaders = exposedHeaders
            self.maxAgeSeconds = maxAgeSeconds
        }
    }
    package struct StaticWebsite: Hashable, Sendable, Codable {
        package var enabled: Bool
        package var indexDocument: String?
        package var defaultIndexDocumentPath: String?
        package var errorDocument404Path: String?
        package init(
            enabled: Bool, indexDocument: String?, defaultIndexDocumentPath: String?, errorDocument404Path: String?
        ) {
            self.enabled = enabled
            self.indexDocument = indexDocument
            self.defaultIndexDocumentPath = defaultIndexDocumentPath
            self.errorDocument404Path = errorDocument404Path
        }
    }

    /// Parts that a Set leaves out are `nil` in it and stay as they are.
    package var logging: Logging?
    package var hourMetrics: Metrics?
    package var minuteMetrics: Metrics?
    package var cors: [CORSRule]?
    package var defaultServiceVersion: String?
    package var deleteRetention: Retention?
    package var staticWebsite: StaticWebsite?

    package init() {}

    /// What an account has before anything was set.
    package static let initial: ServiceProperties = {
        let off = Retention(enabled: false, days: nil)
        var properties = ServiceProperties()
        properties.logging = Logging(version: "1.0", delete: false, read: false, write: false, retention: off)
        properties.hourMetrics = Metrics(version: "1.0", enabled: false, includeAPIs: nil, retention: off)
        properties.minuteMetrics = Metrics(version: "1.0", enabled: false, includeAPIs: nil, retention: off)
        properties.cors = []
        properties.deleteRetention = Retention(enabled: false, days: nil, allowPermanentDelete: nil)
        properties.staticWebsite = StaticWebsite(
            enabled: false, indexDocument: nil, defaultIndexDocumentPath: nil, errorDocument404Path: nil)
        return properties
    }()

    /// These properties with the given parts of `change` put in.
    package func merging(_ change: ServiceProperties) -> ServiceProperties {
        var result = self
        if let logging = change.logging { result.logging = logging }
        if let hourMetrics = change.hourMetrics { result.hourMetrics = hourMetrics }
        if let minuteMetrics = change.minuteMetrics { result.minuteMetrics = minuteMetrics }
        if let cors = change.cors { result.cors = cors }
        if let version = change.defaultServiceVersion { result.defaultServiceVersion = version }
        if let deleteRetention = change.deleteRetention { result.deleteRetention = deleteRetention }
        if let staticWebsite = change.staticWebsite { result.staticWebsite = staticWebsite }
        return result
    }
}
