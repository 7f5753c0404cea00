import Extents
import StorageModel

/// Kind `b`: a committed blob.
struct BlobRecord: Sendable {
    static let format: UInt8 = 1
    /// The ETag; filled in by the commit of every write that changes it.
    static let versionOffset = 1
    /// The manifest's identity; filled in by the commit that writes new content.
    static let contentOffset = 9

    var version: Version
    var contentID: ContentID
    var createdOn: Timestamp
    var lastModified: Timestamp
    var length: Int64
    var content: Content
    var headers: ContentHeaders
    var metadata: UserMetadata
    var tags: Tags
    var tier: AccessTier?
    var tierChangedOn: Timestamp?
    var rehydration: PendingRehydration?
    var lease: LeaseRecord?
    var copy: CopyRecord?

    struct PendingRehydration: Hashable, Sendable {
        var rehydration: Rehydration
        var dueOn: Timestamp
    }

    /// Where the manifest is.
    enum Content: Hashable, Sendable {
        case empty
        /// The bytes themselves, in the content page at offset 0.
        case inline
        /// A manifest small enough for the record.
        case pieces([ManifestPiece])
        /// Content pages that begin at these offsets' multiples; see `ManifestPage`.
        case pages(count: Int)
    }

    func encode() -> [UInt8] {
        var writer = RecordWriter(format: Self.format, capacity: 256)
        writer.fixed(version.rawValue)
        writer.fixed(contentID.rawValue)
        writer.time(createdOn)
        writer.time(lastModified)
        writer.unsigned(UInt64(length))
        encodeContent(to: &writer)
        writer.text(headers.contentType)
        for header in [
            headers.contentEncoding, headers.contentLanguage, headers.contentDisposition, headers.cacheControl,
        ] {
            writer.optional(header) { $0.text($1) }
        }
        writer.optional(headers.contentMD5) { $0.blob($1) }
        metadata.write(to: &writer)
        writer.unsigned(UInt64(tags.count))
        for tag in tags.entries {
            writer.text(tag.key)
            writer.text(tag.value)
        }
        writer.byte(Self.tierCode(tier))
        writer.optional(tierChangedOn) { $0.time($1) }
        writer.optional(rehydration) { writer, pending in
            writer.byte(Self.tierCode(pending.rehydration.target))
            writer.byte(pending.rehydration.priority == .high ? 1 : 0)
            writer.time(pending.dueOn)
        }
        writer.optional(lease) { $1.write(to: &$0) }
        writer.optional(copy) { $1.write(to: &$0) }
        return writer.bytes
    }

    private func encodeContent(to writer: inout RecordWriter) {
        switch content {
        case .empty: writer.byte(0)
        case .inline: writer.byte(1)
        case .pieces(let pieces):
            writer.byte(2)
            writer.unsigned(UInt64(pieces.count))
            for piece in pieces { piece.write(to: &writer) }
        case .pages(let count):
            writer.byte(3)
            writer.unsigned(UInt64(count))
        }
    }

    init(decoding bytes: [UInt8]) throws(StorageFailure) {
        var reader = try RecordReader(bytes, newest: Self.format)
        version = Version(try reader.fixed())
        contentID = ContentID(try reader.fixed())
        createdOn = try reader.time()
        lastModified = try reader.time()
        length = Int64(bitPattern: try reader.unsigned())
        guard length >= 0 else { throw StorageFailure(.damaged, cause: "blob length") }
        content = try Self.decodeContent(&reader)
        func optionalText() throws(StorageFailure) -> String? {
            try reader.optional { reader throws(StorageFailure) in try reader.text() }
        }
        headers = ContentHeaders(contentType: try reader.text())
        headers.contentEncoding = try optionalText()
        headers.contentLanguage = try optionalText()
        headers.contentDisposition = try optionalText()
        headers.cacheControl = try optionalText()
        headers.contentMD5 = try reader.optional { reader throws(StorageFailure) in try reader.blob() }
        metadata = try UserMetadata(from: &reader)
        var entries: [Tags.Tag] = []
        for _ in 0..<(try reader.length()) {
            entries.append(Tags.Tag(key: try reader.text(), value: try reader.text()))
        }
        tags = Tags(stored: entries)
        tier = try reader.choice(Self.tierCodes)
        tierChangedOn = try reader.optional { reader throws(StorageFailure) in try reader.time() }
        rehydration = try reader.optional { reader throws(StorageFailure) in
            guard let target = try reader.choice(Self.tierCodes) else {
                throw StorageFailure(.damaged, cause: "rehydration target")
            }
            let priority: Rehydration.Priority = try reader.choice([0: .standard, 1: .high])
            return PendingRehydration(
                rehydration: Rehydration(target: target, priority: priority), dueOn: try reader.time())
        }
        lease = try reader.optional { reader throws(StorageFailure) in try LeaseRecord(from: &reader) }
        copy = try reader.optional { reader throws(StorageFailure) in try CopyRecord(from: &reader) }
        try reader.finish()
    }

    private static func decodeContent(_ reader: inout RecordReader) throws(StorageFailure) -> Content {
        switch try reader.byte() {
        case 0: return .empty
        case 1: return .inline
        case 2:
            var pieces: [ManifestPiece] = []
            for _ in 0..<(try reader.length()) { pieces.append(try ManifestPiece(from: &reader)) }
            return .pieces(pieces)
        case 3: return .pages(count: try reader.length())
        default: throw StorageFailure(.damaged, cause: "content kind")
        }
    }

    private static let tierCodes: KeyValuePairs<UInt8, AccessTier?> = [
        0: nil, 1: .hot, 2: .cool, 3: .cold, 4: .archive,
    ]
    private static func tierCode(_ tier: AccessTier?) -> UInt8 {
        tierCodes.first { $0.value == tier }?.key ?? 0
    }

    init(
        version: Version, contentID: ContentID, createdOn: Timestamp, lastModified: Timestamp, length: Int64,
        content: Content, attributes: BlobAttributes, tierChangedOn: Timestamp?, lease: LeaseRecord?, copy: CopyRecord?
    ) {
        self.version = version
        self.contentID = contentID
        self.createdOn = createdOn
        self.lastModified = lastModified
        self.length = length
        self.content = content
        headers = attributes.headers
        metadata = attributes.metadata
        tags = attributes.tags
        tier = attributes.tier
        self.tierChangedOn = tierChangedOn
        rehydration = nil
        self.lease = lease
        self.copy = copy
    }
}

extension CopyRecord {
    func write(to writer: inout RecordWriter) {
        writer.text(id)
        writer.text(status.rawValue)
        writer.text(source)
        writer.signed(bytesDone)
        writer.signed(bytesTotal)
        writer.optional(completedOn) { $0.time($1) }
        writer.optional(statusDescription) { $0.text($1) }
    }

    init(from reader: inout RecordReader) throws(StorageFailure) {
        let id = try reader.text()
        guard let status = Status(rawValue: try reader.text()) else {
            throw StorageFailure(.damaged, cause: "copy status")
        }
        self.init(
            id: id, status: status, source: try reader.text(), bytesDone: try reader.signed(),
            bytesTotal: try reader.signed(),
            completedOn: try reader.optional { reader throws(StorageFailure) in try reader.time() },
            statusDescription: try reader.optional { reader throws(StorageFailure) in try reader.text() })
    }
}
