/// Writes JSON (RFC 8259) into bytes: one line, members in the order of the calls.
package struct JSONWriter: Sendable {
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init(reservingCapacity capacity: Int = 256) { bytes.reserveCapacity(capacity) }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package mutating func object(_ name: String? = nil, _ members: (inout JSONWriter) -> Void) {
        nested(name, open: "{", close: "}", members)
    }

    /// The same for members that have to be waited for.
    package mutating func object(_ name: String? = nil, _ members: (inout JSONWriter) async -> Void) async {
        begin(name)
        bytes.append(UInt8(ascii: "{"))
        needsComma = false
        await members(&self)
        bytes.append(UInt8(ascii: "}"))
        needsComma = true
    }

    package mutating func array(_ name: String? = nil, _ elements: (inout JSONWriter) -> Void) {
        nested(name, open: "[", close: "]", elements)
    }

    package mutating func member(_ name: String, _ value: String) {
        begin(name)
        quote(value)
    }

    package mutating func member(_ name: String, _ value: some BinaryInteger) {
        begin(name)
        bytes.append(contentsOf: String(value).utf8)
    }

    package mutating func member(_ name: String, _ value: Bool) {
        begin(name)
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    package mutating func null(_ name: String) {
        begin(name)
        bytes.append(contentsOf: "null".utf8)
    }

    /// A duration in milliseconds with three decimals: the precision of the audit columns.
    package mutating func member(_ name: String, millisecondsFromNanoseconds nanoseconds: Int64) {
        begin(name)
        let microseconds = max(0, nanoseconds) / 1000
        bytes.append(contentsOf: String(microseconds / 1000).utf8)
        let fraction = microseconds % 1000
        guard fraction > 0 else { return }
        bytes.append(UInt8(ascii: "."))
        bytes.append(UInt8(ascii: "0") + UInt8(fraction / 100))
        bytes.append(UInt8(ascii: "0") + UInt8(fraction / 10 % 10))
        bytes.append(UInt8(ascii: "0") + UInt8(fraction % 10))
    }

    /// An element of an array.
    package mutating func element(_ value: String) {
        begin(nil)
        quote(value)
    }

    package mutating func newline() { bytes.append(UInt8(ascii: "\n")) }

    private mutating func nested(
        _ name: String?, open: Unicode.Scalar, close: Unicode.Scalar, _ content: (inout JSONWriter) -> Void
    ) {
        begin(name)
        bytes.append(UInt8(ascii: open))
        needsComma = false
        content(&self)
        bytes.append(UInt8(ascii: close))
        needsComma = true
    }

    private mutating func begin(_ name: String?) {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
        guard let name else { return }
        quote(name)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func quote(_ value: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20, 0x7F:
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(hexDigit(byte >> 4))
                bytes.append(hexDigit(byte & 15))
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

private func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}
