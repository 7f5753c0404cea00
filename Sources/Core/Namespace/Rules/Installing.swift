import Extents
import Metadata
import NIOCore
import StorageModel

/// A write's view of its target, as the transaction found it.
struct WriteTarget: Sendable {
    var address: BlobAddress
    var container: ContainerRecord
    var existing: BlobRecord?
}

/// Content that a transaction gives a blob.
enum NewContent: Sendable {
    case empty
    case inline(ByteBuffer)
    /// Every piece belongs to an extent that has a record, or gets one in this transaction.
    case pieces([ManifestPiece])
    /// A manifest page set that another blob already has.
    case shared(ContentID, BlobRecord.Content)
}

extension Namespace {
    /// Conditions, lease and tier of a write that replaces content. Runs before the body (early refusal) and again in the
    /// transaction (the one that counts).
    func checkContentWrite(
        _ address: BlobAddress, guard held: Guard, at now: Timestamp, _ reader: any MetadataReader
    ) throws(StorageFailure) -> WriteTarget {
        let container = try reader.container(address.container)
        let existing = try reader.blobIfPresent(container.id, address.blob)
        try LeaseRules.checkWrite(existing?.lease, given: held.lease, subject: .blob, at: now)
        var conditions = held.conditions
        // Whoever holds the lease knows that the blob exists: the service lets an If-None-Match of * pass then.
        if held.lease != nil, conditions.ifNoneMatch == .any { conditions.ifNoneMatch = nil }
        try ConditionRules.checkCreatingWrite(conditions, existing?.subject(in: address.container.container))
        if let existing, existing.isArchived(at: now), !configuration.servesArchived {
            throw StorageFailure(.blobArchived)
        }
        return WriteTarget(address: address, container: container, existing: existing)
    }

    /// Gives a name new content and attributes: the one place that replaces a blob.
    ///
    /// The old content goes to the trash, staged blocks of the name are dropped (`dropsStaged`), tags are re-indexed and
    /// the change is logged. Lease and creation time stay; the tier stays unless given.
    func install(
        _ content: NewContent, length: Int64, attributes: BlobAttributes, copy: CopyRecord?, on target: WriteTarget,
        operation: ChangeRecord.Operation, at now: Timestamp, dropsStaged: Bool = true,
        _ transaction: any MetadataTransaction
    ) throws(StorageFailure) {
        let name = target.address.blob
        let containerID = target.container.id
        let existing = target.existing?.settled(at: now)
        try DirectoryRules.check(
            name, in: containerID, length: length, metadata: attributes.metadata, existing: existing, transaction)
        if dropsStaged { try dropStagedBlocks(containerID, name, firstPart: 1, transaction) }

        var attributes = attributes
        var tierChangedOn: Timestamp? = attributes.tier == nil ? nil : now
        if attributes.tier == nil, let existing {
            attributes.tier = existing.tier
            tierChangedOn = existing.tierChangedOn
        }
        let written = write(content, transaction)
        let record = BlobRecord(
            version: Version(0), contentID: written.id ?? ContentID(0), createdOn: existing?.createdOn ?? now,
            lastModified: now, length: length, content: written.content, attributes: attributes,
            tierChangedOn: tierChangedOn, lease: LeaseRules.afterWrite(existing?.lease, at: now), copy: copy)
        if let existing, existing.content != .empty {
            transaction.throwAway(.content(existing.contentID, existing.content))
        }
        transaction.set(
            Keys.blob(containerID, name.value), record.encode(),
            versionAt: [BlobRecord.versionOffset] + (written.id == nil ? [BlobRecord.contentOffset] : []))
        transaction.reindex(
            from: existing?.tags ?? .empty, to: attributes.tags, of: name.value, in: containerID,
            account: target.address.container.account)
        transaction.log(
            ChangeRecord(
                operation, time: now, account: target.address.container.account,
                container: target.address.container.container, blob: name, length: length))
    }

    /// Writes content pages where the content needs them. An id means that the manifest exists already.
    private func write(
        _ content: NewContent, _ transaction: any MetadataTransaction
    ) -> (content: BlobRecord.Content, id: ContentID?) {
        switch content {
        case .empty: return (.empty, nil)
        case .shared(let id, let content): return (content, id)
        case .inline(let buffer):
            transaction.setVersioned(
                prefix: [Keys.Kind.content.rawValue], suffix: UInt64(0).bigEndianBytes,
                ContentPage.inline(Array(buffer.readableBytesView)).encode(), versionAt: [])
            return (.inline, nil)
        case .pieces(let pieces):
            guard pieces.count > ContentPage.piecesPerRecord else { return (.pieces(pieces), nil) }
            let pages = ManifestPaging.pages(of: pieces)
            for page in pages {
                transaction.setVersioned(
                    prefix: [Keys.Kind.content.rawValue], suffix: UInt64(page.offset).bigEndianBytes,
                    ContentPage.pieces(Array(page.pieces)).encode(), versionAt: [])
            }
            return (.pages(count: pages.count), nil)
        }
    }

    /// Removes all staged blocks of a name; their extents go to the trash.
    /// - Parameter consumed: blocks that a commit takes over, whose extents stay.
    func dropStagedBlocks(
        _ container: ContainerID, _ name: BlobName, consumed: Set<BlockID> = [], firstPart: UInt16,
        _ transaction: any MetadataTransaction
    ) throws(StorageFailure) {
        guard try transaction.get(Keys.uncommittedBlob(container, name.value)) != nil else { return }
        let prefix = Keys.stagedBlocks(container, name.value)
        let range = KeyRange(prefix: prefix)
        let cursor = try transaction.cursor(in: range)
        var dropped = DroppedExtents(firstPart: firstPart)
        while let entry = try cursor.next() {
            let id = try storedName(entry.key[prefix.count...]) { text throws(StorageFailure) in BlockID(text: text) }
            guard !consumed.contains(id) else { continue }
            dropped.add(try StagedBlockRecord(decoding: entry.value).pieces.distinctExtents, transaction)
        }
        dropped.finish(transaction)
        transaction.delete(range)
        for kind in [Keys.Kind.uncommittedBlob, .uncommittedCount, .lastBlockWrite] {
            transaction.delete(Keys.named(kind, container, name.value))
        }
    }

}

/// Extents of dropped blocks on their way to the trash, in records of bounded size.
struct DroppedExtents {
    /// Some 500 KiB a record.
    private static let extentsPerRecord = 20_000
    private var pending: [Extent] = []
    private var part: UInt16
    private(set) var parts = 0

    init(firstPart: UInt16 = 0) { part = firstPart }

    mutating func add(_ extents: [Extent], _ transaction: any MetadataTransaction) {
        for extent in extents {
            pending.append(extent)
            if pending.count >= Self.extentsPerRecord { finish(transaction) }
        }
    }

    mutating func finish(_ transaction: any MetadataTransaction) {
        guard !pending.isEmpty else { return }
        transaction.throwAway(.extents(pending), part: part)
        part += 1
        parts += 1
        pending = []
    }
}

enum ManifestPaging {
    static func pages(of pieces: [ManifestPiece]) -> [(offset: Int64, pieces: ArraySlice<ManifestPiece>)] {
        var pages: [(offset: Int64, pieces: ArraySlice<ManifestPiece>)] = []
        var offset: Int64 = 0
        var start = 0
        while start < pieces.count {
            let page = pieces[start..<min(start + ContentPage.piecesPerPage, pieces.count)]
            pages.append((offset, page))
            offset += page.reduce(0) { $0 + Int64($1.length) }
            start = page.endIndex
        }
        return pages
    }

    /// How many records will name each extent once the pieces are stored as content.
    static func holders(of pieces: [ManifestPiece]) -> [Extent: Int] {
        var counts: [Extent: Int] = [:]
        let records: [ArraySlice<ManifestPiece>] =
            pieces.count > ContentPage.piecesPerRecord ? pages(of: pieces).map(\.pieces) : [pieces[...]]
        for record in records {
            for extent in Array(record).distinctExtents { counts[extent, default: 0] += 1 }
        }
        return counts
    }
}
