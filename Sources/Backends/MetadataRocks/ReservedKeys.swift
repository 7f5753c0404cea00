import Metadata
import StorageModel

/// Keys that begin with 0x00 belong to the store itself. Users of the seam can neither read nor write them.
enum ReservedKeys {
    /// Layout of everything below: see docs/formats.
    static let format: [UInt8] = [0] + Array("format".utf8)
    /// The last commit number, eight big-endian bytes; written with every batch.
    static let version: [UInt8] = [0] + Array("version".utf8)
    /// No commit number up to this one is drawn after the store was opened again. Eight big-endian bytes; written only
    /// under relaxed durability, where `version` may be lost together with commits that were acknowledged.
    static let versionCeiling: [UInt8] = [0] + Array("version-ceiling".utf8)

    static let currentFormat: [UInt8] = [1]
    static let firstUserKey: [UInt8] = [1]

    static let maximumKeyBytes = 4_096
    static let maximumValueBytes = 8 << 20

    static func requireUserKey(_ key: [UInt8]) {
        precondition(!key.isEmpty && key[0] != 0, "a key is empty or begins with the reserved byte 0x00")
    }

    /// The part of a range that users may see.
    static func userPart(of range: KeyRange) -> KeyRange {
        range.lower.lexicographicallyPrecedes(firstUserKey) ? KeyRange(from: firstUserKey, to: range.upper) : range
    }
}

extension Version {
    var bigEndianBytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: rawValue >> (56 - 8 * UInt64($0))) } }

    init?(bigEndianBytes bytes: [UInt8]) {
        guard bytes.count == 8 else { return nil }
        self.init(bytes.reduce(0) { $0 << 8 | UInt64($1) })
    }
}
