package import StorageModel

/// `x-ms-tags: k1=v1&k2=v2`, URL-encoded.
package enum TagsHeader {
    /// The pairs as sent, not judged; `nil` for text that is not of this form.
    package static func parse(_ value: String) -> [(String, String)]? {
        var pairs: [(String, String)] = []
        for part in value.split(separator: "&", omittingEmptySubsequences: true) {
            guard let equals = part.utf8.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            guard let key = PercentCoding.decode(part[..<equals].trimmingBlanks, plus: .space),
                let text = PercentCoding.decode(part[part.utf8.index(after: equals)...], plus: .space)
            else { return nil }
            pairs.append((key, text))
        }
        return pairs
    }

    package static func format(_ tags: Tags) -> String {
        tags.entries.map { "\(PercentCoding.encode($0.key))=\(PercentCoding.encode($0.value))" }.joined(separator: "&")
    }
}
