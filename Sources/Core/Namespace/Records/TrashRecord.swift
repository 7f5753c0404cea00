import Extents
import StorageModel

/// Kind `g`: something that no name reaches any more and that the reaper takes apart. Until then it holds its extents.
enum TrashRecord: Sendable {
    static let format: UInt8 = 1

    case content(ContentID, BlobRecord.Content)
    /// Extents of staged blocks that were dropped.
    case extents([Extent])
    case container(ContainerID, account: AccountName)

    /// How many extents it lists, when one step of the reaper can take it apart.
    var extentsOfSmall: Int? {
        switch self {
        case .extents(let extents): extents.count
        case .content(_, .pieces(let pieces)): pieces.count
        case .content(_, .empty), .content(_, .inline): 1
        case .content(_, .pages), .container: nil
        }
    }

    func encode() -> [UInt8] {
        var writer = RecordWriter(format: Self.format)
        switch self {
        case .content(let id, let content):
            writer.fixed(id.rawValue)
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
        case .extents(let extents):
            writer.fixed(0)
            writer.byte(4)
            writer.unsigned(UInt64(extents.count))
            for extent in extents {
                ManifestPiece(extent: extent, offset: 0, length: extent.length, block: nil).write(to: &writer)
            }
        case .container(let id, let account):
            writer.fixed(id.rawValue)
            writer.byte(5)
            writer.text(account.value)
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(StorageFailure) {
        var reader = try RecordReader(bytes, newest: Self.format)
        let id = try reader.fixed()
        func pieces() throws(StorageFailure) -> [ManifestPiece] {
            var pieces: [ManifestPiece] = []
            for _ in 0..<(try reader.length()) { pieces.append(try ManifestPiece(from: &reader)) }
            return pieces
        }
        switch try reader.byte() {
        case 0: self = .content(ContentID(id), .empty)
        case 1: self = .content(ContentID(id), .inline)
        case 2: self = .content(ContentID(id), .pieces(try pieces()))
        case 3: self = .content(ContentID(id), .pages(count: try reader.length()))
        case 4:
            let pieces = try pieces()
            let areWhole = pieces.allSatisfy { $0.offset == 0 && $0.length == $0.extent.length && $0.block == nil }
            guard id == 0, areWhole else { throw StorageFailure(.damaged, cause: "trash extents") }
            self = .extents(pieces.map(\.extent))
        case 5:
            do { self = .container(ContainerID(id), account: try AccountName(validating: try reader.text())) } catch {
                throw StorageFailure(.damaged, cause: "trash account: \(error)")
            }
        default: throw StorageFailure(.damaged, cause: "trash kind")
        }
        try reader.finish()
    }
}
