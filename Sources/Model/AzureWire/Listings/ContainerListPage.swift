package import NIOCore
package import StorageModel

/// One page of List Containers.
package struct ContainerListPage: Sendable {
    package struct Options: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        package static let metadata = Options(rawValue: 1)
    }

    /// `https://ACCOUNT.blob.SUFFIX/`
    package var serviceEndpoint: String
    /// These three come back only when the request had them.
    package var prefix: String?
    package var marker: String?
    package var maxResults: Int?
    package var options: Options
    package var items: [ContainerProperties]
    package var nextMarker: String?

    package init(
        serviceEndpoint: String, prefix: String?, marker: String?, maxResults: Int?, options: Options = [],
        items: [ContainerProperties], nextMarker: String?
    ) {
        self.serviceEndpoint = serviceEndpoint
        self.prefix = prefix
        self.marker = marker
        self.maxResults = maxResults
        self.options = options
        self.items = items
        self.nextMarker = nextMarker
    }

    package func xml(_ version: ServiceVersion) -> ByteBuffer {
        var xml = XMLWriter(capacity: 512 + items.count * 640)
        let endpoint: StaticString = version >= .serviceEndpointInLists ? "ServiceEndpoint" : "AccountName"
        xml.open("EnumerationResults", attributes: [(endpoint, serviceEndpoint)])
        if let prefix { xml.name("Prefix", prefix) }
        if let marker { xml.name("Marker", marker) }
        if let maxResults { xml.element("MaxResults", number: Int64(maxResults)) }
        if items.isEmpty {
            xml.empty("Containers")
        } else {
            xml.open("Containers")
            for item in items { write(item, version, &xml) }
            xml.close("Containers")
        }
        xml.element("NextMarker", nextMarker)
        xml.close("EnumerationResults")
        return xml.buffer
    }

    private func write(_ item: ContainerProperties, _ version: ServiceVersion, _ xml: inout XMLWriter) {
        xml.open("Container")
        xml.element("Name", item.name.value)
        xml.open("Properties")
        xml.element("Last-Modified", date: item.lastModified)
        // Quoted here, unlike in List Blobs: so the service writes it.
        xml.element("Etag", item.version.quotedETagText)
        xml.lease(item.lease)
        if let access = item.publicAccess, version >= .publicAccessInLists {
            xml.element("PublicAccess", access.rawValue)
        }
        xml.element("DefaultEncryptionScope", literal: "$account-encryption-key")
        xml.element("DenyEncryptionScopeOverride", flag: false)
        xml.element("HasImmutabilityPolicy", flag: false)
        xml.element("HasLegalHold", flag: false)
        xml.element("ImmutableStorageWithVersioningEnabled", flag: false)
        xml.close("Properties")
        if options.contains(.metadata) { xml.metadata(item.metadata) }
        xml.close("Container")
    }
}

extension XMLWriter {
    mutating func lease(_ lease: LeaseView) {
        element("LeaseStatus", literal: lease.isLocked ? "locked" : "unlocked")
        element("LeaseState", lease.state.rawValue)
        if lease.state == .leased, let isInfinite = lease.isInfinite {
            element("LeaseDuration", literal: isInfinite ? "infinite" : "fixed")
        }
    }
}
