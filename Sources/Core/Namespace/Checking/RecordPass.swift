import Extents
import Metadata
import StorageModel

/// One pass over all records in one snapshot.
struct RecordPass {
    struct Outcome: Sendable {
        var report = StoreCheckReport()
        /// Extents that have a record, with its holder count.
        var recorded: [Extent: Int] = [:]
        /// For damage reports: which blobs an extent belongs to, at most a few.
        var owners: [ExtentID: [String]] = [:]
    }
    private let reader: any MetadataReader
    private(set) var outcome = Outcome()
    private var counted: [Extent: Int] = [:]
    private var containers: [ContainerID: ContainerAddress] = [:]
    private var trashedContainers: Set<ContainerID> = []
    private var manifestNames: [ContentID: (count: UInt64, pages: Int)] = [:]
    private var tagEntries: Set<[UInt8]> = []

    init(reader: any MetadataReader) { self.reader = reader }

    mutating func run() throws(StorageFailure) {
        try readTrash()
        try readContainers()
        try readBlobs()
        try readStagedBlocks()
        try readPages()
        try readTagIndex()
        try readExtents()
        compareHolders()
        try readTheRest()
    }

    /// Visits all records of a kind; one that cannot be read is a finding, not the end.
    private mutating func each(
        _ kind: Keys.Kind, _ visit: (inout RecordPass, MetadataEntry) throws(StorageFailure) -> Void
    ) throws(StorageFailure) {
        let cursor = try reader.cursor(in: Keys.all(kind))
        while let entry = try cursor.next() {
            do { try visit(&self, entry) } catch {
                outcome.report.add(
                    .damagedRecord, "record \(kind) \(Self.printable(entry.key.dropFirst()))", "\(error)")
            }
        }
    }

    private mutating func hold(_ pieces: [ManifestPiece], owner: String?) {
        for extent in pieces.distinctExtents { hold(extent, owner: owner) }
    }

    private mutating func hold(_ extent: Extent, owner: String?) {
        counted[extent, default: 0] += 1
        guard let owner else { return }
        var known = outcome.owners[extent.id] ?? []
        if known.count < 4, !known.contains(owner) { known.append(owner) }
        outcome.owners[extent.id] = known
    }

    private mutating func holdContent(_ id: ContentID, _ content: BlobRecord.Content, owner: String?) {
        switch content {
        case .empty, .inline: break
        case .pieces(let pieces): hold(pieces, owner: owner)
        case .pages(let count): manifestNames[id, default: (0, count)].count += 1
        }
    }

    private mutating func readTrash() throws(StorageFailure) {
        try each(.trash) { pass, entry throws(StorageFailure) in
            pass.outcome.report.trashRecords += 1
            switch try TrashRecord(decoding: entry.value) {
            case .content(let id, let content): pass.holdContent(id, content, owner: nil)
            case .extents(let extents): for extent in extents { pass.hold(extent, owner: nil) }
            case .container(let id, _): pass.trashedContainers.insert(id)
            }
        }
    }

    private mutating func readContainers() throws(StorageFailure) {
        try each(.containerByID) { pass, entry throws(StorageFailure) in
            let id = ContainerID(UInt64(bigEndianBytes: entry.key.dropFirst()))
            pass.containers[id] = try ContainerOwnerRecord(decoding: entry.value).address
        }
        var named: Set<ContainerID> = []
        try each(.container) { pass, entry throws(StorageFailure) in
            pass.outcome.report.containers += 1
            let record = try ContainerRecord(decoding: entry.value)
            guard let address = pass.containers[record.id], Keys.container(address) == entry.key else {
                pass.outcome.report.add(
                    .container, Self.printable(entry.key.dropFirst()), "its id leads to another name or nowhere")
                return
            }
            named.insert(record.id)
        }
        for (id, address) in containers where !named.contains(id) && !trashedContainers.contains(id) {
            outcome.report.add(
                .container, "\(address.account.value)/\(address.container.value)",
                "container \(id.rawValue) has no name and is not in the trash")
        }
    }

    private func describe(_ id: ContainerID, _ name: String) -> String {
        guard let address = containers[id] else { return "\(id.rawValue)/\(name)" }
        return "\(address.account.value)/\(address.container.value)/\(name)"
    }

    private mutating func readBlobs() throws(StorageFailure) {
        try each(.blob) { pass, entry throws(StorageFailure) in
            guard entry.key.count > 9 else { throw StorageFailure(.damaged, cause: "blob key") }
            let id = ContainerID(UInt64(bigEndianBytes: entry.key[1..<9]))
            let name = try storedName(entry.key[9...]) { text throws(StorageFailure) in text }
            let owner = pass.describe(id, name)
            pass.outcome.report.blobs += 1
            guard let address = pass.containers[id] else {
                pass.outcome.report.add(.container, owner, "the blob's container does not exist")
                return
            }
            let record: BlobRecord
            do {
                record = try BlobRecord(decoding: entry.value)
                pass.holdContent(record.contentID, record.content, owner: owner)
                try pass.checkLength(record, owner: owner)
            } catch {
                pass.outcome.report.add(.damagedRecord, owner, "\(error)")
                return
            }
            for tag in record.tags.entries {
                pass.tagEntries.insert(
                    Keys.tagIndex(address.account, key: tag.key, value: tag.value, container: id, name: name))
            }
        }
    }

    private mutating func checkLength(_ record: BlobRecord, owner: String) throws(StorageFailure) {
        var length: Int64 = 0
        switch record.content {
        case .empty: break
        case .inline:
            guard let value = try reader.get(Keys.content(record.contentID, at: 0)),
                case .inline(let bytes) = try ContentPage(decoding: value)
            else {
                outcome.report.add(.brokenManifest, owner, "its inline bytes are missing")
                return
            }
            length = Int64(bytes.count)
        case .pieces(let pieces): length = pieces.reduce(0) { $0 + Int64($1.length) }
        case .pages(let count):
            let cursor = try reader.cursor(in: KeyRange(prefix: Keys.contentPages(record.contentID)))
            var pages = 0
            while let entry = try cursor.next() {
                guard UInt64(bigEndianBytes: entry.key[9...]) == UInt64(length) else {
                    outcome.report.add(.brokenManifest, owner, "its manifest has a gap at byte \(length)")
                    return
                }
                if case .pieces(let pieces) = try ContentPage(decoding: entry.value) {
                    length += pieces.reduce(0) { $0 + Int64($1.length) }
                    for piece in pieces { note(piece.extent, owner) }
                }
                pages += 1
            }
            if pages != count {
                outcome.report.add(.brokenManifest, owner, "its manifest has \(pages) of \(count) pages")
            }
        }
        if length != record.length {
            outcome.report.add(.brokenManifest, owner, "has \(length) of \(record.length) bytes")
        }
    }

    private mutating func note(_ extent: Extent, _ owner: String) {
        var known = outcome.owners[extent.id] ?? []
        if known.count < 4, !known.contains(owner) { known.append(owner) }
        outcome.owners[extent.id] = known
    }

    private mutating func readStagedBlocks() throws(StorageFailure) {
        var counts: [[UInt8]: Int64] = [:]
        try each(.stagedBlock) { pass, entry throws(StorageFailure) in
            pass.outcome.report.stagedBlocks += 1
            guard let end = entry.key.dropFirst(9).firstIndex(of: 0) else {
                throw StorageFailure(.damaged, cause: "staged block key")
            }
            let record = try StagedBlockRecord(decoding: entry.value)
            counts[Array(entry.key[1..<end]), default: 0] += 1
            pass.hold(record.pieces, owner: nil)
            if record.pieces.reduce(Int64(0), { $0 + Int64($1.length) }) != record.length {
                pass.outcome.report.add(
                    .uncommittedBlocks, pass.subject(Array(entry.key[1..<end])), "its pieces do not add up")
            }
        }
        try compareUncommitted(counts)
    }

    /// A name with staged blocks has all of its three records, one without has none. A container that is being taken
    /// apart is on its way there.
    private mutating func compareUncommitted(_ counts: [[UInt8]: Int64]) throws(StorageFailure) {
        for kind in [Keys.Kind.uncommittedBlob, .uncommittedCount, .lastBlockWrite] {
            var missing = Set(counts.keys)
            try each(kind) { pass, entry throws(StorageFailure) in
                let name = Array(entry.key.dropFirst())
                missing.remove(name)
                guard !pass.isBeingTakenApart(name) else { return }
                let count = counts[name] ?? 0
                if count == 0 || (kind == .uncommittedCount && CounterValue.decode(entry.value) != count) {
                    pass.outcome.report.add(
                        .uncommittedBlocks, pass.subject(name), "its \(kind) record does not fit \(count) staged blocks"
                    )
                }
                if kind == .uncommittedBlob { _ = try UncommittedBlobRecord(decoding: entry.value) }
                if kind == .lastBlockWrite { _ = try LastBlockWriteRecord.decode(entry.value) }
            }
            for name in missing where !isBeingTakenApart(name) {
                outcome.report.add(.uncommittedBlocks, subject(name), "has staged blocks and no \(kind) record")
            }
        }
    }

    /// - Parameter name: a key without its kind: container and name.
    private func isBeingTakenApart(_ name: [UInt8]) -> Bool {
        trashedContainers.contains(ContainerID(UInt64(bigEndianBytes: name.prefix(8))))
    }

    private func subject(_ name: [UInt8]) -> String {
        describe(
            ContainerID(UInt64(bigEndianBytes: name.prefix(8))), String(decoding: name.dropFirst(8), as: UTF8.self))
    }

    private mutating func readPages() throws(StorageFailure) {
        var orphans: Set<ContentID> = []
        try each(.content) { pass, entry throws(StorageFailure) in
            guard entry.key.count == 17 else { throw StorageFailure(.damaged, cause: "content key") }
            guard case .pieces(let pieces) = try ContentPage(decoding: entry.value) else { return }
            let id = ContentID(UInt64(bigEndianBytes: entry.key[1..<9]))
            pass.hold(pieces, owner: nil)
            if pass.manifestNames[id] == nil, orphans.insert(id).inserted {
                pass.outcome.report.add(.brokenManifest, "manifest \(id.rawValue)", "no blob names it")
            }
        }
        var sharers: [ContentID: UInt64] = [:]
        try each(.manifestSharing) { _, entry throws(StorageFailure) in
            let id = ContentID(UInt64(bigEndianBytes: entry.key.dropFirst()))
            sharers[id] = 0
            sharers[id] = try ManifestSharingRecord.decode(entry.value)
        }
        for id in Set(manifestNames.keys).union(sharers.keys) {
            let (counted, names) = (sharers[id] ?? 1, manifestNames[id]?.count ?? 0)
            if counted != names {
                outcome.report.add(
                    .holderCount, "manifest \(id.rawValue)", "counts \(counted) blobs, \(names) name it")
            }
        }
    }

    private mutating func readTagIndex() throws(StorageFailure) {
        try each(.tagIndex) { pass, entry throws(StorageFailure) in
            guard pass.tagEntries.remove(entry.key) == nil else { return }
            pass.outcome.report.add(.tagIndex, Self.printable(entry.key.dropFirst()), "no blob has this tag")
        }
        for key in tagEntries {
            outcome.report.add(.tagIndex, Self.printable(key.dropFirst()), "a blob's tag is not in the index")
        }
    }

    private mutating func readExtents() throws(StorageFailure) {
        try each(.extent) { pass, entry throws(StorageFailure) in
            let (extent, record) = try ExtentRecord.extent(key: entry.key, value: entry.value)
            pass.outcome.report.extents += 1
            pass.outcome.recorded[extent] = record.holders
        }
    }

    private mutating func compareHolders() {
        for (extent, count) in counted {
            let subject = "extent \(extent.id.group):\(extent.id.position)"
            guard let recorded = outcome.recorded[extent] else {
                let owners = outcome.owners[extent.id]?.joined(separator: ", ") ?? "no committed blob"
                outcome.report.add(
                    .brokenManifest, subject, "is named by \(owners) and has no record of this length and checksum")
                continue
            }
            if recorded != count {
                outcome.report.add(.holderCount, subject, "counts \(recorded) holders, \(count) records name it")
            }
        }
        for (extent, _) in outcome.recorded where counted[extent] == nil {
            outcome.report.add(
                .holderCount, "extent \(extent.id.group):\(extent.id.position)", "has a record and nothing names it")
        }
    }

    /// Kinds that nothing refers to: they must read.
    private mutating func readTheRest() throws(StorageFailure) {
        try each(.serviceProperties) { _, entry throws(StorageFailure) in
            _ = try ServicePropertiesRecord.decode(entry.value)
        }
        try each(.change) { _, entry throws(StorageFailure) in _ = try ChangeRecord(decoding: entry.value) }
        try each(.storeIdentity) { _, entry throws(StorageFailure) in
            _ = try StoreIdentityRecord.decode(entry.value)
        }
    }

    /// A key for people: its text, other bytes in hexadecimal.
    private static func printable(_ bytes: some Collection<UInt8>) -> String {
        bytes.map { byte in
            (0x20..<0x7F).contains(byte) ? String(UnicodeScalar(byte)) : "\\x" + String(byte, radix: 16)
        }.joined()
    }
}
