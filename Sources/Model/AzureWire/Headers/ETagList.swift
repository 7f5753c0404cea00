package import StorageModel

/// The value of `If-Match` or `If-None-Match`.
package struct ETagList: Sendable, Hashable {
    package var condition: ETagCondition
    /// How many ETags the header names, those that cannot be ours among them: writes take one.
    package var count: Int

    package enum Comparison { case strong, weak }

    /// Reads `*` and lists of quoted ETags; a single ETag may stand without quotes, as list bodies show it.
    /// `nil` when the header is malformed. A weak ETag counts only in a weak comparison (RFC 9110 §8.8.3.2).
    package init?(_ value: String, comparison: Comparison) {
        let text = Array(value.trimmingBlanks.utf8)
        guard !text.isEmpty else { return nil }
        if text == [UInt8(ascii: "*")] {
            self.init(condition: .any, count: 1)
            return
        }
        let quote = UInt8(ascii: "\"")
        if !text.contains(quote) {
            guard !text.contains(UInt8(ascii: ",")), !text.contains(UInt8(ascii: "*")) else { return nil }
            let version = Version(etagText: String(decoding: text, as: UTF8.self))
            self.init(condition: .versions(version.map { [$0] } ?? []), count: 1)
            return
        }
        var versions: [Version] = []
        var count = 0
        var at = 0
        while at < text.count {
            guard let tag = Self.takeQuoted(text, &at) else { return nil }
            count += 1
            if comparison == .weak || !tag.isWeak, let version = Version(etagText: tag.opaque) {
                versions.append(version)
            }
            while at < text.count, text[at].isBlank { at += 1 }
            guard at < text.count else { break }
            guard text[at] == UInt8(ascii: ",") else { return nil }
            at += 1
            while at < text.count, text[at].isBlank { at += 1 }
            guard at < text.count else { return nil }
        }
        self.init(condition: .versions(versions), count: count)
    }

    package init(condition: ETagCondition, count: Int) {
        self.condition = condition
        self.count = count
    }

    private static func takeQuoted(_ text: [UInt8], _ at: inout Int) -> (opaque: String, isWeak: Bool)? {
        let quote = UInt8(ascii: "\"")
        var isWeak = false
        if text[at] == UInt8(ascii: "W"), at + 1 < text.count, text[at + 1] == UInt8(ascii: "/") {
            isWeak = true
            at += 2
        }
        guard at < text.count, text[at] == quote else { return nil }
        let start = at + 1
        guard let end = text[start...].firstIndex(of: quote) else { return nil }
        at = end + 1
        return (String(decoding: text[start..<end], as: UTF8.self), isWeak)
    }
}
