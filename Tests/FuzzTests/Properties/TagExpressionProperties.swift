import AzureWire
import StorageModel

/// What is accepted is within its bounds and is the same expression when it is written again; both dialects agree on
/// what both have.
enum TagExpressionProperties {
    static func check(_ input: [UInt8]) throws {
        let text = String(decoding: input, as: UTF8.self)
        for dialect in [TagExpression.Dialect.query, .header] {
            guard let filter = TagExpression.parse(text, dialect: dialect) else { continue }
            try hold(leaves(filter) <= TagExpression.maximumComparisons, "too many comparisons passed")
            let written = write(filter)
            let again = try must(TagExpression.parse(written, dialect: dialect), "\(written) is not read again")
            try hold(isSame(again, filter), "\(again) instead of \(filter)")
            try hold(!filter.keys.contains { $0.isEmpty || $0.utf8.count > 128 }, "a key without a bound passed")
            let tags = Tags(stored: filter.keys.sorted().map { Tags.Tag(key: $0, value: "b") })
            _ = filter.matches(tags, container: .root)
            if dialect == .query, !namesContainer(filter) {
                let other = TagExpression.parse(text, dialect: .header)
                try hold(other.map { isSame($0, filter) } == true, "\(String(describing: other)) as a header")
            }
        }
    }

    private static func leaves(_ filter: TagFilter) -> Int {
        switch filter {
        case .compare, .container: 1
        case .and(let left, let right), .or(let left, let right): leaves(left) + leaves(right)
        }
    }

    private static func namesContainer(_ filter: TagFilter) -> Bool {
        switch filter {
        case .compare: false
        case .container: true
        case .and(let left, let right), .or(let left, let right): namesContainer(left) || namesContainer(right)
        }
    }

    private static func isSame(_ left: TagFilter, _ right: TagFilter) -> Bool {
        switch (left, right) {
        case (.compare(let a, let first, let b), .compare(let c, let second, let d)):
            sameBytes(a, c) && first == second && sameBytes(b, d)
        case (.container(let a), .container(let b)): sameBytes(a, b)
        case (.and(let a, let b), .and(let c, let d)), (.or(let a, let b), .or(let c, let d)):
            isSame(a, c) && isSame(b, d)
        default: false
        }
    }

    /// With as few parentheses as keep the order: both operators bind to the left, `and` closer than `or`.
    private static func write(_ filter: TagFilter) -> String {
        switch filter {
        case .compare(let key, let comparison, let value): "\"\(key)\" \(sign(comparison)) '\(value)'"
        case .container(let name): "@container = '\(name)'"
        case .and(let left, let right):
            "\(isOr(left) ? "(\(write(left)))" : write(left)) AND "
                + (isAnd(right) || isOr(right) ? "(\(write(right)))" : write(right))
        case .or(let left, let right): "\(write(left)) OR \(isOr(right) ? "(\(write(right)))" : write(right))"
        }
    }

    private static func isOr(_ filter: TagFilter) -> Bool {
        if case .or = filter { return true }
        return false
    }

    private static func isAnd(_ filter: TagFilter) -> Bool {
        if case .and = filter { return true }
        return false
    }

    private static func sign(_ comparison: TagFilter.Comparison) -> String {
        switch comparison {
        case .equal: "="
        case .notEqual: "<>"
        case .less: "<"
        case .lessOrEqual: "<="
        case .greater: ">"
        case .greaterOrEqual: ">="
        }
    }
}
