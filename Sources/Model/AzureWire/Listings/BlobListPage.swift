package import NIOCore
package import StorageModel

/// One entry of List Blobs.
package enum BlobListEntry: Sendable {
    case blob(name: String, BlobProperties)
    /// A name that has staged blocks and no committed blob.
    case uncommitted(name: String)
    /// Names that share what stands before the delimiter, and the delimiter.
    case prefix(String)
}

/// One page of List Blobs.
package struct BlobListPage: Sendable {
    package struct Options: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        package static let metadata = Options(rawValue: 1)
        package static let tags = Options(rawValue: 2)
        package static let copy = Options(rawValue: 4)
    }

    package var serviceEndpoint: String
    package var containerName: String
    /// These four come back only when the request had them.
    package var prefix: String?
    package var marker: String?
    package var maxResults: Int?
    package var delimiter: String?
    package var options: Options
    /// In the order of their names, blobs and prefixes mixed.
    package var entries: [BlobListEntry]
    package var nextMarker: String?

    package init(
        serviceEndpoint: String, containerName: String, prefix: String?, marker: String?, maxResults: Int?,
        delimiter: String?, options: Options = [], entries: [BlobListEntry], nextMarker: String?
    ) {
        self.serviceEndpoint = serviceEndpoint
        self.containerName = containerName
        self.prefix = prefix
        self.marker = marker
        self.maxResults = maxResults
        self.delimiter = delimiter
        self.options = options
        self.entries = entries
        self.nextMarker = nextMarker
    }

    package func xml(_ version: ServiceVersion) -> ByteBuffer {
        var xml = XMLWriter(capacity: 512 + entries.count * 1_024)
        if version >= .serviceEndpointInLists {
            xml.open(
                "EnumerationResults",
                attributes: [("ServiceEndpoint", serviceEndpoint), ("ContainerName", containerName)])
        } else {
            xml.open("EnumerationResults", attributes: [("ContainerName", serviceEndpoint + containerName)])
        }
        if let prefix { xml.name("Prefix", prefix) }
        if let marker { xml.name("Marker", marker) }
        if let maxResults { xml.element("MaxResults", number: Int64(maxResults)) }
        if let delimiter { xml.name("Delimiter", delimiter) }
        if entries.isEmpty {
            xml.empty("Blobs")
        } else {
            xml.open("Blobs")
            for entry in entries { write(entry, version, &xml) }
            xml.close("Blobs")
        }
        xml.element("NextMarker", nextMarker)
        xml.close("EnumerationResults")
        return xml.buffer
    }

    private func write(_ entry: BlobListEntry, _ version: ServiceVersion, _ xml: inout XMLWriter) {
        switch entry {
        case .blob(let name, let properties):
            xml.open("Blob")
            xml.name("Name", name)
            write(properties, version, &xml)
            if options.contains(.metadata) { xml.metadata(properties.metadata) }
            if options.contains(.tags), !properties.tags.isEmpty { xml.tags(properties.tags.entries) }
            if version >= .tags { xml.empty("OrMetadata") }
            xml.close("Blob")
        case .uncommitted(let name):
            xml.open("Blob")
            xml.name("Name", name)
            xml.open("Properties")
            xml.element("Content-Length", number: 0)
            xml.element("BlobType", literal: "BlockBlob")
            xml.lease(.available)
            if version >= .serverEncryptedInLists { xml.element("ServerEncrypted", flag: true) }
            xml.close("Properties")
            xml.close("Blob")
        case .prefix(let name):
            xml.open("BlobPrefix")
            xml.name("Name", name)
            xml.close("BlobPrefix")
        }
    }

    private func write(_ blob: BlobProperties, _ version: ServiceVersion, _ xml: inout XMLWriter) {
        xml.open("Properties")
        if version >= .creationTime { xml.element("Creation-Time", date: blob.createdOn) }
        xml.element("Last-Modified", date: blob.lastModified)
        xml.element("Etag", blob.version.etagText)
        xml.element("Content-Length", number: blob.length)
        xml.element("Content-Type", blob.headers.contentType)
        xml.element("Content-Encoding", blob.headers.contentEncoding)
        xml.element("Content-Language", blob.headers.contentLanguage)
        if version >= .contentCRC64 { xml.empty("Content-CRC64") }
        xml.element("Content-MD5", base64: blob.headers.contentMD5)
        xml.element("Cache-Control", blob.headers.cacheControl)
        if version >= .serviceEndpointInLists { xml.element("Content-Disposition", blob.headers.contentDisposition) }
        xml.element("BlobType", literal: "BlockBlob")
        if version >= .accessTiers { writeTier(blob, &xml) }
        xml.lease(blob.lease)
        if options.contains(.copy), let copy = blob.copy { write(copy, &xml) }
        if version >= .serverEncryptedInLists { xml.element("ServerEncrypted", flag: true) }
        if options.contains(.tags), !blob.tags.isEmpty { xml.element("TagCount", number: Int64(blob.tags.count)) }
        xml.close("Properties")
    }

    private func writeTier(_ blob: BlobProperties, _ xml: inout XMLWriter) {
        xml.element("AccessTier", (blob.tier ?? .hot).rawValue)
        if blob.tier == nil { xml.element("AccessTierInferred", flag: true) }
        if let changed = blob.tierChangedOn { xml.element("AccessTierChangeTime", date: changed) }
        if let rehydration = blob.rehydration {
            xml.element("ArchiveStatus", rehydration.archiveStatus)
            xml.element("RehydratePriority", rehydration.priority.rawValue)
        }
    }

    private func write(_ copy: CopyRecord, _ xml: inout XMLWriter) {
        xml.element("CopyId", copy.id)
        xml.element("CopyStatus", copy.status.rawValue)
        xml.element("CopySource", copy.source)
        xml.element("CopyProgress", copy.progressText)
        if let completed = copy.completedOn { xml.element("CopyCompletionTime", date: completed) }
        if let description = copy.statusDescription { xml.element("CopyStatusDescription", description) }
    }
}

extension Rehydration {
    /// `rehydrate-pending-to-hot` and its like, as headers and lists show it.
    package var archiveStatus: String { "rehydrate-pending-to-\(target.rawValue.asciiLowercased)" }
}

extension CopyRecord {
    /// `done/total`
    package var progressText: String { "\(bytesDone)/\(bytesTotal)" }
}
