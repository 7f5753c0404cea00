package import StorageModel

/// Conditions on tags as text. Sources: "Find Blobs by Tags", "Specifying conditional headers for Blob service
/// operations".
package struct TagExpression {
    package enum Dialect: Sendable {
        /// `where`: comparisons joined by AND; `@container` names a container.
        case query
        /// `x-ms-if-tags`: also `<>`, OR and parentheses; no `@container`.
        case header
    }

    /// Bounds of an expression: `matches` and this parser recurse once per comparison.
    package static let maximumBytes = 16 * 1024
    package static let maximumComparisons = 128
    package static let maximumDepth = 16

    /// `nil` for anything that is not an expression of the dialect, or goes beyond the bounds.
    package static func parse(_ text: String, dialect: Dialect) -> TagFilter? {
        guard text.utf8.count <= maximumBytes else { return nil }
        var parser = TagExpression(text: Array(text.utf8), dialect: dialect)
        guard let filter = parser.alternatives(depth: 0), parser.isAtEnd else { return nil }
        return filter
    }

    private let text: [UInt8]
    private let dialect: Dialect
    private var at = 0
    private var comparisons = 0

    private init(text: [UInt8], dialect: Dialect) {
        self.text = text
        self.dialect = dialect
    }

    private var isAtEnd: Bool {
        mutating get {
            skipBlanks()
            return at == text.count
        }
    }

    private mutating func skipBlanks() {
        while at < text.count, text[at].isBlank || text[at] == 0x0A || text[at] == 0x0D { at += 1 }
    }

    private mutating func alternatives(depth: Int) -> TagFilter? {
        guard var left = conjunction(depth: depth) else { return nil }
        while dialect == .header, takeWord("or") {
            guard let right = conjunction(depth: depth) else { return nil }
            left = .or(left, right)
        }
        return left
    }

    private mutating func conjunction(depth: Int) -> TagFilter? {
        guard var left = term(depth: depth) else { return nil }
        while takeWord("and") {
            guard let right = term(depth: depth) else { return nil }
            left = .and(left, right)
        }
        return left
    }

    private mutating func term(depth: Int) -> TagFilter? {
        skipBlanks()
        if dialect == .header, take(UInt8(ascii: "(")) {
            guard depth < Self.maximumDepth, let inner = alternatives(depth: depth + 1) else { return nil }
            skipBlanks()
            return take(UInt8(ascii: ")")) ? inner : nil
        }
        comparisons += 1
        guard comparisons <= Self.maximumComparisons else { return nil }
        if take(UInt8(ascii: "@")) {
            guard dialect == .query, takeWord("container"), comparison() == .equal, let name = value() else {
                return nil
            }
            return .container(name)
        }
        guard let key = key(), let comparison = comparison(), let value = value() else { return nil }
        return .compare(key: key, comparison, value: value)
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < text.count, text[at] == byte else { return false }
        at += 1
        return true
    }

    /// Takes a keyword in any case, given in lower case, unless it only begins a longer word.
    private mutating func takeWord(_ word: StaticString) -> Bool {
        skipBlanks()
        let count = word.utf8CodeUnitCount
        guard at + count <= text.count else { return false }
        let found = word.withUTF8Buffer { text[at..<(at + count)].elementsEqual($0) { $0.lowercased == $1 } }
        guard found, at + count == text.count || !Self.isWordByte(text[at + count]) else { return false }
        at += count
        return true
    }

    private static func isWordByte(_ byte: UInt8) -> Bool { byte.isLetter || byte.isDigit || byte == UInt8(ascii: "_") }

    private mutating func key() -> String? {
        skipBlanks()
        let key: String?
        if take(UInt8(ascii: "\"")) {
            key = until(UInt8(ascii: "\""))
        } else {
            let start = at
            while at < text.count, Self.isWordByte(text[at]) { at += 1 }
            key = String(validating: text[start..<at], as: UTF8.self)
        }
        guard let key, (1...Limits.tagKeyCharacters).contains(key.utf8.count) else { return nil }
        return key
    }

    private mutating func value() -> String? {
        skipBlanks()
        guard take(UInt8(ascii: "'")), let value = until(UInt8(ascii: "'")),
            value.utf8.count <= Limits.tagValueCharacters
        else { return nil }
        return value
    }

    private mutating func until(_ quote: UInt8) -> String? {
        guard let end = text[at...].firstIndex(of: quote) else { return nil }
        defer { at = end + 1 }
        return String(validating: text[at..<end], as: UTF8.self)
    }

    private mutating func comparison() -> TagFilter.Comparison? {
        skipBlanks()
        if take(UInt8(ascii: "=")) { return .equal }
        if take(UInt8(ascii: "<")) {
            if take(UInt8(ascii: "=")) { return .lessOrEqual }
            if dialect == .header, take(UInt8(ascii: ">")) { return .notEqual }
            return .less
        }
        if take(UInt8(ascii: ">")) { return take(UInt8(ascii: "=")) ? .greaterOrEqual : .greater }
        return nil
    }
}
