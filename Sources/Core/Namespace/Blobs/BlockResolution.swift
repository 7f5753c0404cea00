import Extents
import Metadata
import StorageModel

/// A committed blob's blocks with their pieces, in order. Empty for a blob that was put whole.
struct CommittedBlocks {
    struct Block {
        var id: BlockID
        var size: Int64
        var pieces: [ManifestPiece]
    }
    private(set) var blocks: [Block] = []

    private let keepsPieces: Bool

    /// - Parameter keepsPieces: false when ids and sizes are enough.
    init(
        of record: BlobRecord, keepsPieces: Bool = true, _ reader: any MetadataReader
    ) throws(StorageFailure) {
        self.keepsPieces = keepsPieces
        switch record.content {
        case .empty, .inline: return
        case .pieces(let pieces): add(pieces)
        case .pages(let count):
            let cursor = try reader.cursor(in: KeyRange(prefix: Keys.contentPages(record.contentID)))
            var seen = 0
            while let entry = try cursor.next() {
                guard case .pieces(let pieces) = try ContentPage(decoding: entry.value) else {
                    throw StorageFailure(.damaged, cause: "an inline page in a manifest")
                }
                add(pieces)
                seen += 1
            }
            guard seen == count else { throw StorageFailure(.damaged, cause: "manifest has \(seen) of \(count) pages") }
        }
    }

    private mutating func add(_ pieces: [ManifestPiece]) {
        for piece in pieces {
            if let id = piece.block {
                blocks.append(Block(id: id, size: Int64(piece.length), pieces: keepsPieces ? [piece] : []))
            } else if !blocks.isEmpty {
                blocks[blocks.count - 1].size += Int64(piece.length)
                if keepsPieces { blocks[blocks.count - 1].pieces.append(piece) }
            }
        }
    }
}

/// A block list turned into the pieces of the new blob.
struct BlockResolution {
    private(set) var pieces: [ManifestPiece] = []
    /// Staged blocks whose extents the new manifest takes over.
    private(set) var consumed: Set<BlockID> = []
    private var staged: [BlockID: StagedBlockRecord] = [:]

    /// Bounds the manifest: at 8 MiB an extent, 32 TiB.
    static let maximumPieces = 4_000_000

    /// - Throws: `.invalidBlockList` when an entry names a block that is not where it says.
    init(list: [BlockListEntry], target: WriteTarget, _ reader: any MetadataReader) throws(StorageFailure) {
        try readStaged(target, reader)
        let committed = try readCommitted(list, target, reader)
        for entry in list {
            let found: [ManifestPiece]?
            switch entry.source {
            case .uncommitted: found = take(entry.id)
            case .committed: found = committed[entry.id]
            case .latest: found = take(entry.id) ?? committed[entry.id]
            }
            guard let found else {
                throw StorageFailure(.invalidBlockList, detail: "The specified block list is invalid.")
            }
            for (index, piece) in found.enumerated() {
                pieces.append(
                    ManifestPiece(
                        extent: piece.extent, offset: piece.offset, length: piece.length,
                        block: index == 0 ? entry.id : nil))
            }
            guard pieces.count <= Self.maximumPieces else {
                throw StorageFailure(.bodyTooLarge(limit: Int64(Self.maximumPieces) * 8 * Limits.mebibyte))
            }
        }
    }

    private mutating func take(_ id: BlockID) -> [ManifestPiece]? {
        guard let block = staged[id] else { return nil }
        consumed.insert(id)
        return block.pieces
    }

    private mutating func readStaged(_ target: WriteTarget, _ reader: any MetadataReader) throws(StorageFailure) {
        let prefix = Keys.stagedBlocks(target.container.id, target.address.blob.value)
        let cursor = try reader.cursor(in: KeyRange(prefix: prefix))
        while let entry = try cursor.next() {
            let id = try storedName(entry.key[prefix.count...]) { text throws(StorageFailure) in BlockID(text: text) }
            staged[id] = try StagedBlockRecord(decoding: entry.value)
        }
    }

    private func readCommitted(
        _ list: [BlockListEntry], _ target: WriteTarget, _ reader: any MetadataReader
    ) throws(StorageFailure) -> [BlockID: [ManifestPiece]] {
        let isNeeded = list.contains { entry in
            entry.source == .committed || (entry.source == .latest && staged[entry.id] == nil)
        }
        guard isNeeded, let existing = target.existing else { return [:] }
        var committed: [BlockID: [ManifestPiece]] = [:]
        for block in try CommittedBlocks(of: existing, reader).blocks { committed[block.id] = block.pieces }
        return committed
    }

    /// Brings the holder counts from what names the extents now to what will name them. For blocks that are committed
    /// once and as a whole nothing changes: the manifest takes the staged record's place.
    func adjustHolders(_ transaction: any MetadataTransaction) throws(StorageFailure) {
        var change = ManifestPaging.holders(of: pieces)
        for id in consumed {
            for extent in staged[id]?.pieces.distinctExtents ?? [] { change[extent, default: 0] -= 1 }
        }
        for (extent, delta) in change where delta != 0 {
            var record = try transaction.extent(extent)
            record.holders += delta
            guard record.holders > 0 else {
                throw StorageFailure(.damaged, cause: "extent \(extent.id) has fewer holders than records name it")
            }
            transaction.set(ExtentRecord.key(extent), record.encode())
        }
    }
}
