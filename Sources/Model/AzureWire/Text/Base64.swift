/// Base64 with the standard alphabet and mandatory padding (RFC 4648 §4). No blanks, no line ends.
/// Unused bits of the last digit are not looked at, as in the service itself.
package enum Base64 {
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    private static let padding = UInt8(ascii: "=")

    package static func encode(_ bytes: [UInt8]) -> String {
        bytes.withUnsafeBytes { encode($0) }
    }

    private static func encode(_ bytes: UnsafeRawBufferPointer) -> String {
        String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { text in
            let digits = alphabet.utf8Start
            var at = 0
            var from = 0
            while from + 3 <= bytes.count {
                let group = UInt32(bytes[from]) << 16 | UInt32(bytes[from + 1]) << 8 | UInt32(bytes[from + 2])
                text[at] = digits[Int(group >> 18 & 63)]
                text[at + 1] = digits[Int(group >> 12 & 63)]
                text[at + 2] = digits[Int(group >> 6 & 63)]
                text[at + 3] = digits[Int(group & 63)]
                at += 4
                from += 3
            }
            let rest = bytes.count - from
            guard rest > 0 else { return at }
            let group = UInt32(bytes[from]) << 16 | (rest == 2 ? UInt32(bytes[from + 1]) << 8 : 0)
            text[at] = digits[Int(group >> 18 & 63)]
            text[at + 1] = digits[Int(group >> 12 & 63)]
            text[at + 2] = rest == 2 ? digits[Int(group >> 6 & 63)] : padding
            text[at + 3] = padding
            return at + 4
        }
    }

    /// The bytes, or `nil` for anything that is not Base64. Empty text is no bytes.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var text = String(text)
        return text.withUTF8 { decode($0) }
    }

    private static func decode(_ digits: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard let count = decodedLength(digits) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        var group: UInt32 = 0
        var held = 0
        for digit in digits where digit != padding {
            guard let value = value(of: digit) else { return nil }
            group = group << 6 | UInt32(value)
            held += 1
            guard held == 4 else { continue }
            bytes.append(UInt8(truncatingIfNeeded: group >> 16))
            bytes.append(UInt8(truncatingIfNeeded: group >> 8))
            bytes.append(UInt8(truncatingIfNeeded: group))
            group = 0
            held = 0
        }
        if held == 2 { bytes.append(UInt8(truncatingIfNeeded: group >> 4)) }
        if held == 3 {
            bytes.append(UInt8(truncatingIfNeeded: group >> 10))
            bytes.append(UInt8(truncatingIfNeeded: group >> 2))
        }
        return bytes
    }

    /// How many bytes the text stands for, without making them; `nil` when it is not Base64.
    package static func decodedLength(of text: some StringProtocol) -> Int? {
        var text = String(text)
        return text.withUTF8 { digits in
            guard let count = decodedLength(digits) else { return nil }
            for digit in digits where digit != padding && value(of: digit) == nil { return nil }
            return count
        }
    }

    /// Judges the length and where the padding stands.
    private static func decodedLength(_ digits: UnsafeBufferPointer<UInt8>) -> Int? {
        guard digits.count % 4 == 0 else { return nil }
        var padded = 0
        while padded < digits.count, digits[digits.count - 1 - padded] == padding { padded += 1 }
        guard padded <= 2, !digits.dropLast(padded).contains(padding) else { return nil }
        return digits.count / 4 * 3 - padded
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
