import Extents
import StorageModel

/// As much of docs/formats/metadata.md as the checks need, read from the page and not with the namespace's own code.
enum StoredRecords {
    static func extentKey(_ id: ExtentID) -> [UInt8] {
        [UInt8(ascii: "x")] + bigEndian(id.group) + bigEndian(id.position)
    }

    /// The id of kind `x` keys.
    static func extent(key: [UInt8]) -> ExtentID {
        ExtentID(group: number(key[1..<9]), position: number(key[9..<17]))
    }

    /// Container id and name of kinds `b`, `s`, `u`, `n`, `t`; a staged block's name ends at its NUL.
    static func owner(key: [UInt8]) -> (container: UInt64, name: String) {
        let name = key[9...].prefix { $0 != 0 }
        return (number(key[1..<9]), String(decoding: name, as: UTF8.self))
    }

    /// Operation and time of a kind `l` value.
    static func change(_ value: [UInt8]) -> (operation: UInt8, time: Timestamp) {
        var at = 2
        return (value[1], Timestamp(nanoseconds: signed(value, &at)))
    }

    /// The time of a kind `t` value.
    static func lastWrite(_ value: [UInt8]) -> Timestamp {
        var at = 1
        return Timestamp(nanoseconds: signed(value, &at))
    }

    struct Slice {
        var extent: ExtentID
        var offset: Int
        var length: Int
    }

    /// The pieces of a kind `s` value.
    static func stagedBlock(_ value: [UInt8]) -> [Slice] {
        var at = 1
        _ = unsigned(value, &at)
        return (0..<unsigned(value, &at)).map { _ in
            let id = ExtentID(group: unsigned(value, &at), position: unsigned(value, &at))
            _ = unsigned(value, &at)
            at += 8
            let slice = Slice(extent: id, offset: Int(unsigned(value, &at)), length: Int(unsigned(value, &at)))
            at += 1
            return slice
        }
    }

    static func number(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    private static func bigEndian(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * $0)) }
    }

    private static func unsigned(_ bytes: [UInt8], _ at: inout Int) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = bytes[at]
            at += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
    }

    private static func signed(_ bytes: [UInt8], _ at: inout Int) -> Int64 {
        let value = unsigned(bytes, &at)
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
}
