package import NIOCore
package import StorageModel

/// The body of Set Blob Service Properties. What it leaves out stays as it is; what it holds must be whole.
package enum ServicePropertiesBody {
    package static func parse(_ body: ByteBuffer) throws(AzureError) -> ServiceProperties {
        let root = try XMLElement(reading: body)
        guard root.name == "StorageServiceProperties" else {
            throw .invalidXML(reason: "the root element is not StorageServiceProperties")
        }
        var properties = ServiceProperties()
        var seen: Set<String> = []
        for part in root.children {
            guard seen.insert(part.name).inserted else {
                throw .invalidXML(reason: "\(part.name.prefix(64)) stands twice")
            }
            switch part.name {
            case "Logging": properties.logging = try logging(part)
            // The name that the first versions used.
            case "HourMetrics", "Metrics": properties.hourMetrics = try metrics(part)
            case "MinuteMetrics": properties.minuteMetrics = try metrics(part)
            case "Cors": properties.cors = try CORSRulesBody.parse(part)
            case "DefaultServiceVersion": properties.defaultServiceVersion = try defaultVersion(part)
            case "DeleteRetentionPolicy": properties.deleteRetention = try retention(part)
            case "StaticWebsite": properties.staticWebsite = try website(part)
            default: throw .unsupportedXMLNode(part.name)
            }
        }
        return properties
    }

    private static func logging(_ part: XMLElement) throws(AzureError) -> ServiceProperties.Logging {
        try .init(
            version: analyticsVersion(part), delete: part.requiredFlag("Delete"), read: part.requiredFlag("Read"),
            write: part.requiredFlag("Write"), retention: retention(part.required("RetentionPolicy")))
    }

    private static func metrics(_ part: XMLElement) throws(AzureError) -> ServiceProperties.Metrics {
        let version = try analyticsVersion(part)
        let enabled = try part.requiredFlag("Enabled")
        // Counts only, and is then required, when the metrics are on.
        let includeAPIs = enabled ? try part.requiredFlag("IncludeAPIs") : nil
        return .init(
            version: version, enabled: enabled, includeAPIs: includeAPIs,
            retention: try retention(part.required("RetentionPolicy")))
    }

    private static func analyticsVersion(_ part: XMLElement) throws(AzureError) -> String {
        let version = try part.required("Version").trimmedText
        guard version == "1.0" || version == "2.0" else { throw .invalidXMLNode("Version", version) }
        return version
    }

    private static func retention(_ part: XMLElement) throws(AzureError) -> ServiceProperties.Retention {
        let enabled = try part.requiredFlag("Enabled")
        var days: Int?
        if enabled {
            let text = try part.required("Days").trimmedText
            guard let number = Int(text), (1...365).contains(number) else { throw .invalidXMLNode("Days", text) }
            days = number
        }
        let permanent = part.child("AllowPermanentDelete") == nil ? nil : try part.requiredFlag("AllowPermanentDelete")
        return .init(enabled: enabled, days: days, allowPermanentDelete: permanent)
    }

    private static func defaultVersion(_ part: XMLElement) throws(AzureError) -> String? {
        let text = part.trimmedText
        guard let version = ServiceVersion(text) else { throw .invalidXMLNode("DefaultServiceVersion", text) }
        return version.description
    }

    private static func website(_ part: XMLElement) throws(AzureError) -> ServiceProperties.StaticWebsite {
        func document(_ name: String) throws(AzureError) -> String? {
            guard let text = part.child(name)?.trimmedText, !text.isEmpty else { return nil }
            guard text.utf8.count <= 255 else { throw .invalidXMLNode(name, text) }
            return text
        }
        return try .init(
            enabled: part.requiredFlag("Enabled"), indexDocument: document("IndexDocument"),
            defaultIndexDocumentPath: document("DefaultIndexDocumentPath"),
            errorDocument404Path: document("ErrorDocument404Path"))
    }
}

extension XMLElement {
    func required(_ name: String) throws(AzureError) -> XMLElement {
        guard let child = child(name) else { throw .missingXMLNode(name) }
        return child
    }

    func requiredFlag(_ name: String) throws(AzureError) -> Bool {
        let text = try required(name).trimmedText
        switch text.asciiLowercased {
        case "true": return true
        case "false": return false
        default: throw .invalidXMLNode(name, text)
        }
    }
}
