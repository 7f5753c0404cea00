/// The commit number of a change: strictly increasing within a change log partition, drawn by the committing transaction.
/// An ETag is a version; protocols print it as `"0x…"`.
package struct Version: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// `0x` and sixteen upper-case hexadecimal digits, without quotes.
    package var etagText: String {
        let digits = String(rawValue, radix: 16, uppercase: true)
        return "0x" + String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// Reads `0x…` text without quotes. Anything that is not one of our ETags is `nil`: it equals no version.
    package init?(etagText: some StringProtocol) {
        guard etagText.utf8.count == 18, etagText.hasPrefix("0x") else { return nil }
        let digits = etagText.dropFirst(2)
        guard digits.utf8.first != UInt8(ascii: "+"), let value = UInt64(digits, radix: 16) else { return nil }
        self.init(value)
    }

    package var description: String { etagText }
}
