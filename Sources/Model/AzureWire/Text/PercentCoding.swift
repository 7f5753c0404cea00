/// Percent escapes of URLs (RFC 3986 §2.1) as UTF-8.
package enum PercentCoding {
    package enum Plus { case literal, space }

    /// The decoded text, or `nil` for a broken escape or bytes that are not UTF-8.
    package static func decode(_ text: Substring, plus: Plus = .literal) -> String? {
        let percent = UInt8(ascii: "%")
        let plusSign = UInt8(ascii: "+")
        let utf8 = text.utf8
        let needsWork =
            utf8.withContiguousStorageIfAvailable { bytes in
                var index = 0
                while index < bytes.count {
                    if bytes[index] == percent || (bytes[index] == plusSign && plus == .space) { return true }
                    index += 1
                }
                return false
            } ?? true
        guard needsWork else { return String(text) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(utf8.count)
        var source = utf8.makeIterator()
        while let byte = source.next() {
            if byte == percent {
                guard let high = source.next()?.hexValue, let low = source.next()?.hexValue else { return nil }
                bytes.append(high << 4 | low)
            } else if byte == plusSign, plus == .space {
                bytes.append(UInt8(ascii: " "))
            } else {
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    package static func decode(_ text: String, plus: Plus = .literal) -> String? { decode(text[...], plus: plus) }

    package enum Keeping {
        /// Only the unreserved characters stay as they are.
        case unreserved
        /// Slashes stay too: for whole paths.
        case slashes
    }

    package static func encode(_ text: String, keeping: Keeping = .unreserved) -> String {
        let digits: StaticString = "0123456789ABCDEF"
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 16)
        for byte in text.utf8 {
            if isUnreserved(byte) || (keeping == .slashes && byte == UInt8(ascii: "/")) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(digits.utf8Start[Int(byte >> 4)])
                bytes.append(digits.utf8Start[Int(byte & 15)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
        default: byte.isLetter || byte.isDigit
        }
    }
}
