import Extents
import StorageModel

/// A slice of an extent, and where in the object's block structure it stands.
struct ManifestPiece: Hashable, Sendable {
    var extent: Extent
    /// The slice within the extent.
    var offset: Int
    var length: Int
    /// The block that begins with this piece. Pieces without one continue the block before them, or belong to a blob
    /// that was put whole and has no blocks.
    var block: BlockID?

    init(extent: Extent, offset: Int, length: Int, block: BlockID?) {
        self.extent = extent
        self.offset = offset
        self.length = length
        self.block = block
    }

    func write(to writer: inout RecordWriter) {
        writer.unsigned(extent.id.group)
        writer.unsigned(extent.id.position)
        writer.unsigned(UInt64(extent.length))
        writer.fixed(extent.crc64)
        writer.unsigned(UInt64(offset))
        writer.unsigned(UInt64(length))
        writer.optional(block) { $0.text($1.text) }
    }

    /// Passes over a piece; answers its length.
    static func skip(_ reader: inout RecordReader) throws(StorageFailure) -> Int {
        _ = try reader.unsigned()
        _ = try reader.unsigned()
        let extentLength = try reader.length()
        _ = try reader.fixed()
        let offset = try reader.length()
        let length = try reader.length()
        guard length > 0, offset + length <= extentLength else {
            throw StorageFailure(.damaged, cause: "manifest piece outside its extent")
        }
        _ = try reader.optional { reader throws(StorageFailure) in try reader.skipText() }
        return length
    }

    init(from reader: inout RecordReader) throws(StorageFailure) {
        let id = ExtentID(group: try reader.unsigned(), position: try reader.unsigned())
        extent = Extent(id: id, length: try reader.length(), crc64: try reader.fixed())
        offset = try reader.length()
        length = try reader.length()
        block = try reader.optional { reader throws(StorageFailure) in BlockID(text: try reader.text()) }
        guard length > 0, offset + length <= extent.length else {
            throw StorageFailure(.damaged, cause: "manifest piece outside its extent")
        }
    }
}

/// Kind `d`: a run of a manifest's pieces, keyed by the offset of its first byte, or the bytes of an inline body.
enum ContentPage: Sendable {
    static let format: UInt8 = 1
    /// Bounds a page to some 12 KiB: a read in the middle of a blob loads one.
    static let piecesPerPage = 256
    /// What a page may hold: earlier releases made longer ones.
    private static let mostPiecesPerPage = 1024
    static let piecesPerRecord = 4

    case inline([UInt8])
    case pieces([ManifestPiece])

    func encode() -> [UInt8] {
        switch self {
        case .inline(let bytes):
            var writer = RecordWriter(format: Self.format, capacity: bytes.count + 16)
            writer.byte(1)
            writer.blob(bytes)
            return writer.bytes
        case .pieces(let pieces):
            var writer = RecordWriter(format: Self.format, capacity: pieces.count * 48)
            writer.byte(2)
            writer.unsigned(UInt64(pieces.count))
            for piece in pieces { piece.write(to: &writer) }
            return writer.bytes
        }
    }

    init(decoding bytes: [UInt8]) throws(StorageFailure) {
        var reader = try RecordReader(bytes, newest: Self.format)
        switch try reader.byte() {
        case 1: self = .inline(try reader.blob())
        case 2:
            var pieces: [ManifestPiece] = []
            let count = try reader.length()
            guard count <= Self.mostPiecesPerPage else {
                throw StorageFailure(.damaged, cause: "manifest page too long")
            }
            pieces.reserveCapacity(count)
            for _ in 0..<count { pieces.append(try ManifestPiece(from: &reader)) }
            self = .pieces(pieces)
        default: throw StorageFailure(.damaged, cause: "content page kind")
        }
        try reader.finish()
    }

    /// At most `limit` pieces of a page, from the one that holds `position` on, and where that one begins. Without them
    /// when the page ends before.
    /// - Parameter start: offset in the blob of the page's first byte.
    static func pieces(
        decoding bytes: [UInt8], from start: Int64, at position: Int64, limit: Int
    ) throws(StorageFailure) -> (offset: Int64, pieces: [ManifestPiece]) {
        var reader = try RecordReader(bytes, newest: Self.format)
        guard try reader.byte() == 2 else { throw StorageFailure(.damaged, cause: "content page kind") }
        var left = try reader.length()
        guard left <= mostPiecesPerPage else { throw StorageFailure(.damaged, cause: "manifest page too long") }
        var offset = start
        while left > 0 {
            var ahead = reader
            let length = try ManifestPiece.skip(&ahead)
            if offset + Int64(length) > position { break }
            offset += Int64(length)
            reader = ahead
            left -= 1
        }
        var pieces: [ManifestPiece] = []
        pieces.reserveCapacity(min(left, limit))
        while left > 0, pieces.count < limit {
            pieces.append(try ManifestPiece(from: &reader))
            left -= 1
        }
        return (offset, pieces)
    }
}

/// Kind `x`: an extent that records name, and how many: each page, blob record, staged block and trash record that names
/// the extent counts once, however often it does so.
struct ExtentRecord: Sendable {
    static let format: UInt8 = 1
    var length: Int
    var crc64: UInt64
    var holders: Int

    func encode() -> [UInt8] {
        var writer = RecordWriter(format: Self.format, capacity: 24)
        writer.unsigned(UInt64(length))
        writer.fixed(crc64)
        writer.unsigned(UInt64(holders))
        return writer.bytes
    }

    init(length: Int, crc64: UInt64, holders: Int) {
        self.length = length
        self.crc64 = crc64
        self.holders = holders
    }

    init(decoding bytes: [UInt8]) throws(StorageFailure) {
        var reader = try RecordReader(bytes, newest: Self.format)
        length = try reader.length()
        crc64 = try reader.fixed()
        holders = try reader.length()
        try reader.finish()
    }

    static func key(_ extent: Extent) -> [UInt8] {
        Keys.extent(group: extent.id.group, position: extent.id.position)
    }

    static func extent(key: [UInt8], value: [UInt8]) throws(StorageFailure) -> (Extent, ExtentRecord) {
        guard key.count == 17 else { throw StorageFailure(.damaged, cause: "extent key") }
        let record = try ExtentRecord(decoding: value)
        let id = ExtentID(
            group: UInt64(bigEndianBytes: key[1..<9]), position: UInt64(bigEndianBytes: key[9..<17]))
        return (Extent(id: id, length: record.length, crc64: record.crc64), record)
    }
}
