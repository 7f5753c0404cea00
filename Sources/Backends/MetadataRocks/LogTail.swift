import Glibc
import StorageModel

/// Tells a write-ahead log that power loss tore at its end from one that is damaged.
///
/// RocksDB drops a last record that is cut short, but a last record of which some sectors did not reach the medium, and
/// others behind them did, it calls corruption, as it does damage in the middle. The committer syncs each write before the
/// next one, so at most the log's last record can be torn. It is, if both hold:
///
/// - nothing that begins a record lies behind the first bad place: a record behind it would prove that the bad one was
///   synced, and acknowledged;
/// - a whole sector behind the bad place, as far as the file reaches, is zeroes: a sector that was never written reads
///   so. Flipped bits do not make one.
///
/// Source of the layout: RocksDB, db/log_format.h (blocks of 32 KiB; crc32c masked, length, type; little-endian).
enum LogTail {
    private static let blockBytes = 32 << 10
    private static let headerBytes = 7
    private static let sectorBytes = 512

    private enum Kind: UInt8 {
        case full = 1, first, middle, last
        var begins: Bool { self == .full || self == .first }
    }

    /// Whether each log of the store is whole or torn at its end, and at least one is torn: opening it up to the
    /// torn record then loses nothing that was acknowledged. Reads all logs. Blocks.
    static func isTorn(in directory: String) throws(StorageFailure) -> Bool {
        var isAnyTorn = false
        for name in try StoreFiles.names(in: directory) where name.hasSuffix(".log") {
            guard let bytes = try StoreFiles.read(directory + "/" + name) else { continue }
            guard let bad = firstBad(bytes) else { continue }
            guard isTear(bytes, from: bad) else { return false }
            isAnyTorn = true
        }
        return isAnyTorn
    }

    /// Where the first record begins that is not whole; `nil` when there is none, also if the log ends in the midst of
    /// a record.
    static func firstBad(_ log: [UInt8]) -> Int? {
        var position = 0
        var isInRecord = false
        while position + headerBytes <= log.count {
            let left = blockBytes - position % blockBytes
            if left < headerBytes {
                position += left
                continue
            }
            let length = self.length(log, at: position)
            if position + headerBytes + length > log.count, headerBytes + length <= left { return nil }
            guard let kind = record(log, at: position), kind.begins != isInRecord else {
                return log[position...].allSatisfy { $0 == 0 } ? nil : position
            }
            isInRecord = kind == .first || kind == .middle
            position += headerBytes + length
        }
        return nil
    }

    static func isTear(_ log: [UInt8], from bad: Int) -> Bool {
        var sector = bad
        var hasLostSector = false
        while sector < log.count, !hasLostSector {
            let end = min((sector / sectorBytes + 1) * sectorBytes, log.count)
            hasLostSector = log[sector..<end].allSatisfy { $0 == 0 }
            sector = end
        }
        guard hasLostSector else { return false }
        var position = bad
        while position + headerBytes <= log.count {
            guard let kind = record(log, at: position) else {
                position += 1
                continue
            }
            if kind.begins { return false }
            position += headerBytes + length(log, at: position)
        }
        return true
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
