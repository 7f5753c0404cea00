import StorageModel

/// Writes a record: a format byte, then fields one after another. Fixed numbers are big-endian, the others LEB128.
struct RecordWriter {
    private(set) var bytes: [UInt8]

    init(format: UInt8, capacity: Int = 128) {
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(format)
    }

    /// Eight bytes that the commit may fill in: answers their offset.
    @discardableResult
    mutating func fixed(_ value: UInt64) -> Int {
        let offset = bytes.count
        bytes.append(bigEndian: value)
        return offset
    }
    mutating func byte(_ value: UInt8) { bytes.append(value) }
    mutating func unsigned(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
    mutating func signed(_ value: Int64) { unsigned(UInt64(bitPattern: value << 1 ^ value >> 63)) }
    mutating func time(_ value: Timestamp) { signed(value.nanoseconds) }
    mutating func text(_ value: String) {
        unsigned(UInt64(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }
    mutating func blob(_ value: [UInt8]) {
        unsigned(UInt64(value.count))
        bytes.append(contentsOf: value)
    }
    /// A presence byte, then the value.
    mutating func optional<Value>(_ value: Value?, _ write: (inout RecordWriter, Value) -> Void) {
        guard let value else { return byte(0) }
        byte(1)
        write(&self, value)
    }
}

/// Reads what `RecordWriter` wrote. Anything else is damage, never a guess.
struct RecordReader {
    private let bytes: [UInt8]
    private var at = 0
    let format: UInt8

    init(_ bytes: [UInt8], newest: UInt8) throws(StorageFailure) {
        guard let format = bytes.first, (1...newest).contains(format) else {
            throw StorageFailure(.damaged, cause: "record format \(bytes.first.map(String.init) ?? "missing")")
        }
        self.bytes = bytes
        self.format = format
        at = 1
    }

    var isAtEnd: Bool { at == bytes.count }

    private func broken() -> StorageFailure { StorageFailure(.damaged, cause: "record ends or varies at byte \(at)") }

    func finish() throws(StorageFailure) { guard isAtEnd else { throw broken() } }

    mutating func fixed() throws(StorageFailure) -> UInt64 {
        guard at + 8 <= bytes.count else { throw broken() }
        defer { at += 8 }
        return UInt64(bigEndianBytes: bytes[at..<at + 8])
    }
    mutating func byte() throws(StorageFailure) -> UInt8 {
        guard at < bytes.count else { throw broken() }
        defer { at += 1 }
        return bytes[at]
    }
    mutating func unsigned() throws(StorageFailure) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            guard shift < 63 || (shift == 63 && next <= 1) else { throw broken() }
            value |= UInt64(next & 0x7F) << shift
            if next & 0x80 == 0 {
                // The writer ends with the last byte that holds something: each number has one spelling.
                guard next != 0 || shift == 0 else { throw broken() }
                return value
            }
            shift += 7
        }
    }
    mutating func signed() throws(StorageFailure) -> Int64 {
        let value = try unsigned()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
    mutating func length() throws(StorageFailure) -> Int {
        let value = try unsigned()
        guard value <= UInt64(Int32.max) else { throw broken() }
        return Int(value)
    }
    mutating func time() throws(StorageFailure) -> Timestamp { Timestamp(nanoseconds: try signed()) }
    mutating func blob() throws(StorageFailure) -> [UInt8] {
        let count = try length()
        guard at + count <= bytes.count else { throw broken() }
        defer { at += count }
        return Array(bytes[at..<at + count])
    }
    mutating func text() throws(StorageFailure) -> String {
        let count = try length()
        guard at + count <= bytes.count else { throw broken() }
        defer { at += count }
        let text = bytes.withUnsafeBytes { bytes in
            String(wellFormed: UnsafeRawBufferPointer(rebasing: bytes[at..<at + count]))
        }
        guard let text else { throw broken() }
        return text
    }
    mutating func skipText() throws(StorageFailure) {
        let count = try length()
        guard at + count <= bytes.count else { throw broken() }
        at += count
    }
    mutating func optional<Value>(
        _ read: (inout RecordReader) throws(StorageFailure) -> Value
    ) throws(StorageFailure) -> Value? {
        switch try byte() {
        case 0: return nil
        case 1: return try read(&self)
        default: throw broken()
        }
    }
    mutating func choice<Value>(_ values: KeyValuePairs<UInt8, Value>) throws(StorageFailure) -> Value {
        let tag = try byte()
        guard let match = values.first(where: { $0.key == tag }) else { throw broken() }
        return match.value
    }
}
