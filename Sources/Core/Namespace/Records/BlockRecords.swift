import Extents
import StorageModel

/// Kind `s`: a staged block, invisible until a commit names it.
struct StagedBlockRecord: Sendable {
    static let format: UInt8 = 1
    var length: Int64
    /// Slices of extents in the block's byte order.
    var pieces: [ManifestPiece]

    func encode() -> [UInt8] {
        var writer = RecordWriter(format: Self.format)
        writer.unsigned(UInt64(length))
        writer.unsigned(UInt64(pieces.count))
        for piece in pieces { piece.write(to: &writer) }
        return writer.bytes
    }

    init(length: Int64, pieces: [ManifestPiece]) {
        self.length = length
        self.pieces = pieces
    }

    init(decoding bytes: [UInt8]) throws(StorageFailure) {
        var reader = try RecordReader(bytes, newest: Self.format)
        length = Int64(bitPattern: try reader.unsigned())
        guard length >= 0 else { throw StorageFailure(.damaged, cause: "block length") }
        pieces = []
        for _ in 0..<(try reader.length()) { pieces.append(try ManifestPiece(from: &reader)) }
        try reader.finish()
    }
}

/// Kind `u`: a name has staged blocks; all their ids have one length.
struct UncommittedBlobRecord: Sendable {
    static let format: UInt8 = 1
    var createdOn: Timestamp
    var blockIDLength: Int

    func encode() -> [UInt8] {
        var writer = RecordWriter(format: Self.format)
        writer.time(createdOn)
        writer.unsigned(UInt64(blockIDLength))
        return writer.bytes
    }

    init(createdOn: Timestamp, blockIDLength: Int) {
        self.createdOn = createdOn
        self.blockIDLength = blockIDLength
    }

    init(decoding bytes: [UInt8]) throws(StorageFailure) {
        var reader = try RecordReader(bytes, newest: Self.format)
        createdOn = try reader.time()
        blockIDLength = try reader.length()
        try reader.finish()
    }
}

/// Kind `t`: when a name's last block was staged. Written blindly, so that blocks of one blob never conflict.
enum LastBlockWriteRecord {
    static let format: UInt8 = 1
    static func encode(_ time: Timestamp) -> [UInt8] {
        var writer = RecordWriter(format: format)
        writer.time(time)
        return writer.bytes
    }
    static func decode(_ bytes: [UInt8]) throws(StorageFailure) -> Timestamp {
        var reader = try RecordReader(bytes, newest: format)
        let time = try reader.time()
        try reader.finish()
        return time
    }
}
