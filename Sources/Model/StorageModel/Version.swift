/// The commit number of a change: strictly increasing within a change log partition, drawn by the committing transaction.
/// An ETag is a version; protocols print it as `"0x…"`.
package struct Version: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// `0x` and sixteen upper-case hexadecimal digits, without quotes.
    package var etagText: String {
        String(unsafeUninitializedCapacity: 18) { text in
            writeETag(to: text, at: 0)
            return 18
        }
    }

    /// The same between double quotes: the `ETag` header.
    package var quotedETagText: String {
        String(unsafeUninitializedCapacity: 20) { text in
            text[0] = UInt8(ascii: "\"")
            writeETag(to: text, at: 1)
            text[19] = UInt8(ascii: "\"")
            return 20
        }
    }

    private func writeETag(to text: UnsafeMutableBufferPointer<UInt8>, at start: Int) {
        text[start] = UInt8(ascii: "0")
        text[start + 1] = UInt8(ascii: "x")
        for index in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: rawValue >> UInt64(60 - 4 * index)) & 15
            text[start + 2 + index] = digit < 10 ? 0x30 &+ digit : 0x37 &+ digit
        }
    }

    /// Reads `0x…` text without quotes. Anything that is not one of our ETags is `nil`: it equals no version.
    package init?(etagText: some StringProtocol) {
        guard etagText.utf8.count == 18, etagText.hasPrefix("0x") else { return nil }
        let digits = etagText.dropFirst(2)
        // The parser of numbers would take a sign.
        guard let first = digits.utf8.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-"),
            let value = UInt64(digits, radix: 16)
        else { return nil }
        self.init(value)
    }

    package var description: String { etagText }
}
