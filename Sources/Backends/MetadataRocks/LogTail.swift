import Glibc
import StorageModel

/// Tells a write-ahead log that power loss tore at its end from one that is damaged.
///
/// RocksDB drops a last record that is cut short, but a last record of which some sectors did not reach the medium, and
/// others behind them did, it calls corruption, as it does damage in the middle. The committer syncs each write before the
/// next one, so at most the last record of the last log can be torn. It is, if all of this holds:
///
/// - no later log holds anything: it would prove that the bad record was synced, and acknowledged;
/// - neither does a record of a later commit behind the first bad place. What merely looks like a record, because a body
///   that a commit carries may hold anything, does not have a later commit's sequence number;
/// - a whole sector behind the bad place, as far as the file reaches, is zeroes: a sector that was never written reads
///   so. Flipped bits hardly make one: only where a body is zeroes itself.
///
/// Source of the layout: RocksDB, db/log_format.h (blocks of 32 KiB; crc32c masked, length, type; little-endian) and
/// db/write_batch.cc (a record begins with its sequence number, 8 bytes, and its count of operations, 4 bytes).
enum LogTail {
    private static let blockBytes = 32 << 10
    private static let headerBytes = 7
    private static let sectorBytes = 512

    private enum Kind: UInt8 {
        case full = 1, first, middle, last
        var begins: Bool { self == .full || self == .first }
    }

    /// How far the sequence number of a commit behind a torn one can be from the last whole one.
    private static let longestStep: UInt64 = 1 << 24

    /// Whether the store's logs are whole but for a torn end of the last one: opening it up to the torn record then loses
    /// nothing that was acknowledged. Reads all logs. Blocks.
    static func isTorn(in directory: String) throws(StorageFailure) -> Bool {
        var logs: [(number: UInt64, name: String)] = []
        for name in try StoreFiles.names(in: directory) where name.hasSuffix(".log") {
            guard let number = UInt64(name.dropLast(4)) else { continue }
            logs.append((number, name))
        }
        var isTorn = false
        for log in logs.sorted(by: { $0.number < $1.number }) {
            guard let bytes = try StoreFiles.read(directory + "/" + log.name) else { continue }
            if isTorn, bytes.contains(where: { $0 != 0 }) { return false }
            guard let bad = firstBad(bytes) else { continue }
            guard isTear(bytes, from: bad) else { return false }
            isTorn = true
        }
        return isTorn
    }

    struct Bad: Equatable {
        var position: Int
        /// The sequence number behind the last whole record; `nil` when there is none.
        var nextSequence: UInt64?
    }

    /// Where the first record begins that is not whole; `nil` when there is none, also if the log ends in the midst of
    /// a record.
    static func firstBad(_ log: [UInt8]) -> Bad? {
        var position = 0
        var isInRecord = false
        var next: UInt64?
        while position + headerBytes <= log.count {
            let left = blockBytes - position % blockBytes
            if left < headerBytes {
                position += left
                continue
            }
            let length = self.length(log, at: position)
            if position + headerBytes + length > log.count, headerBytes + length <= left { return nil }
            guard let kind = record(log, at: position), kind.begins != isInRecord else {
                return log[position...].allSatisfy { $0 == 0 } ? nil : Bad(position: position, nextSequence: next)
            }
            if kind.begins, let batch = batch(log, at: position) { next = batch.sequence + UInt64(batch.count) }
            isInRecord = kind == .first || kind == .middle
            position += headerBytes + length
        }
        return nil
    }

    static func isTear(_ log: [UInt8], from bad: Bad) -> Bool {
        var sector = bad.position
        var hasLostSector = false
        while sector < log.count, !hasLostSector {
            let end = min((sector / sectorBytes + 1) * sectorBytes, log.count)
            hasLostSector = log[sector..<end].allSatisfy { $0 == 0 }
            sector = end
        }
        guard hasLostSector else { return false }
        var position = bad.position
        while position + headerBytes <= log.count {
            guard mayBeRecord(log, at: position), let kind = record(log, at: position) else {
                position += 1
                continue
            }
            if kind.begins, isLater(log, at: position, than: bad.nextSequence) { return false }
            position += headerBytes + length(log, at: position)
        }
        return true
    }

    /// Whether the record is that of a commit behind the one whose sequence number would be `next`.
    private static func isLater(_ log: [UInt8], at position: Int, than next: UInt64?) -> Bool {
        guard let batch = batch(log, at: position) else { return false }
        guard let next else { return true }
        return batch.sequence > next && batch.sequence - next <= longestStep
    }

    /// Sequence number and count of the batch that begins with the record there; `nil` when it is too short for one.
    private static func batch(_ log: [UInt8], at position: Int) -> (sequence: UInt64, count: UInt32)? {
        guard length(log, at: position) >= 12 else { return nil }
        let start = position + headerBytes
        let sequence = (0..<8).reduce(UInt64(0)) { $0 | UInt64(log[start + $1]) << (8 * UInt64($1)) }
        let count = (8..<12).reduce(UInt32(0)) { $0 | UInt32(log[start + $1]) << (8 * UInt32($1 - 8)) }
        return (sequence, count)
    }

    /// Without a look at the checksum, which costs as much as the record is long.
    private static func mayBeRecord(_ log: [UInt8], at position: Int) -> Bool {
        Kind(rawValue: log[position + 6]) != nil && length(log, at: position) > 0
    }

    /// The kind of the whole, undamaged record that begins there.
    private static func record(_ log: [UInt8], at position: Int) -> Kind? {
        guard let kind = Kind(rawValue: log[position + 6]) else { return nil }
        let end = position + headerBytes + length(log, at: position)
        guard end <= log.count, end <= (position / blockBytes + 1) * blockBytes else { return nil }
        let masked = (0..<4).reduce(UInt32(0)) { $0 | UInt32(log[position + $1]) << (8 * UInt32($1)) }
        let rotated = masked &- 0xA282_EAD8
        return CRC32C.of(log, position + 6..<end) == rotated >> 17 | rotated << 15 ? kind : nil
    }

    private static func length(_ log: [UInt8], at position: Int) -> Int {
        Int(log[position + 4]) | Int(log[position + 5]) << 8
    }
}

/// The Castagnoli checksum of RocksDB's logs. Needed for a log that RocksDB refused alone, so plain.
private enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }

    static func of(_ bytes: [UInt8], _ range: Range<Int>) -> UInt32 {
        ~bytes[range].reduce(~UInt32(0)) { crc, byte in table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }
    }
}
