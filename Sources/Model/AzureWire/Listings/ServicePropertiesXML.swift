package import NIOCore
package import StorageModel

extension ServicePropertiesBody {
    /// The answer to Get Blob Service Properties.
    package static func xml(_ properties: ServiceProperties) -> ByteBuffer {
        var xml = XMLWriter()
        xml.open("StorageServiceProperties")
        if let logging = properties.logging {
            xml.open("Logging")
            xml.element("Version", logging.version)
            xml.element("Delete", flag: logging.delete)
            xml.element("Read", flag: logging.read)
            xml.element("Write", flag: logging.write)
            write("RetentionPolicy", logging.retention, &xml)
            xml.close("Logging")
        }
        if let metrics = properties.hourMetrics { write("HourMetrics", metrics, &xml) }
        if let metrics = properties.minuteMetrics { write("MinuteMetrics", metrics, &xml) }
        if let rules = properties.cors { write(rules, &xml) }
        if let version = properties.defaultServiceVersion { xml.element("DefaultServiceVersion", version) }
        if let retention = properties.deleteRetention { write("DeleteRetentionPolicy", retention, &xml) }
        if let website = properties.staticWebsite {
            xml.open("StaticWebsite")
            xml.element("Enabled", flag: website.enabled)
            if let document = website.indexDocument { xml.element("IndexDocument", document) }
            if let path = website.defaultIndexDocumentPath { xml.element("DefaultIndexDocumentPath", path) }
            if let path = website.errorDocument404Path { xml.element("ErrorDocument404Path", path) }
            xml.close("StaticWebsite")
        }
        xml.close("StorageServiceProperties")
        return xml.buffer
    }

    private static func write(_ name: StaticString, _ retention: ServiceProperties.Retention, _ xml: inout XMLWriter) {
        xml.open(name)
        xml.element("Enabled", flag: retention.enabled)
        if let days = retention.days { xml.element("Days", number: Int64(days)) }
        if let permanent = retention.allowPermanentDelete { xml.element("AllowPermanentDelete", flag: permanent) }
        xml.close(name)
    }

    private static func write(_ name: StaticString, _ metrics: ServiceProperties.Metrics, _ xml: inout XMLWriter) {
        xml.open(name)
        xml.element("Version", metrics.version)
        xml.element("Enabled", flag: metrics.enabled)
        if metrics.enabled, let include = metrics.includeAPIs { xml.element("IncludeAPIs", flag: include) }
        write("RetentionPolicy", metrics.retention, &xml)
        xml.close(name)
    }

    private static func write(_ rules: [ServiceProperties.CORSRule], _ xml: inout XMLWriter) {
        guard !rules.isEmpty else {
            xml.empty("Cors")
            return
        }
        xml.open("Cors")
        for rule in rules {
            xml.open("CorsRule")
            xml.element("AllowedOrigins", rule.allowedOrigins.joined(separator: ","))
            xml.element("AllowedMethods", rule.allowedMethods.joined(separator: ","))
            xml.element("AllowedHeaders", rule.allowedHeaders.joined(separator: ","))
            xml.element("ExposedHeaders", rule.exposedHeaders.joined(separator: ","))
            xml.element("MaxAgeInSeconds", number: Int64(rule.maxAgeSeconds))
            xml.close("CorsRule")
        }
        xml.close("Cors")
    }
}

/// The answer to Get Blob Service Stats.
package enum ServiceStatsBody {
    package enum Replication: String, Sendable { case live, bootstrap, unavailable }

    package static func xml(_ status: Replication, lastSync: Timestamp?) -> ByteBuffer {
        var xml = XMLWriter()
        xml.open("StorageServiceStats")
        xml.open("GeoReplication")
        xml.element("Status", status.rawValue)
        if let lastSync { xml.element("LastSyncTime", date: lastSync) } else { xml.empty("LastSyncTime") }
        xml.close("GeoReplication")
        xml.close("StorageServiceStats")
        return xml.buffer
    }
}
