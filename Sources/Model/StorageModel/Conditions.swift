/// One side of an `If-Match` or `If-None-Match`.
package enum ETagCondition: Hashable, Sendable {
    case any
    /// The versions named; texts that are no ETag of ours match nothing and are left out.
    case versions([Version])

    package func matches(_ version: Version) -> Bool {
        switch self {
        case .any: true
        case .versions(let versions): versions.contains(version)
        }
    }
}

/// The conditions of a request. Dates compare at one-second precision. Evaluated by `Namespace` inside the transaction.
package struct Conditions: Hashable, Sendable {
    package var ifMatch: ETagCondition?
    package var ifNoneMatch: ETagCondition?
    package var ifModifiedSince: Timestamp?
    package var ifUnmodifiedSince: Timestamp?
    package var ifTags: TagFilter?

    package static let none = Conditions()

    package init(
        ifMatch: ETagCondition? = nil, ifNoneMatch: ETagCondition? = nil, ifModifiedSince: Timestamp? = nil,
        ifUnmodifiedSince: Timestamp? = nil, ifTags: TagFilter? = nil
    ) {
        self.ifMatch = ifMatch
        self.ifNoneMatch = ifNoneMatch
        self.ifModifiedSince = ifModifiedSince
        self.ifUnmodifiedSince = ifUnmodifiedSince
        self.ifTags = ifTags
    }

    package var isEmpty: Bool { self == .none }
}

/// A condition on tags: the `where` of Find Blobs by Tags and `x-ms-if-tags`. Values compare as strings by their bytes.
package indirect enum TagFilter: Hashable, Sendable {
    package enum Comparison: Hashable, Sendable { case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual }
    case compare(key: String, Comparison, value: String)
    /// `@container = 'name'`: only in a service-level find.
    case container(String)
    case and(TagFilter, TagFilter)
    case or(TagFilter, TagFilter)

    package func matches(_ tags: Tags, container: ContainerName) -> Bool {
        switch self {
        case .compare(let key, let comparison, let value):
            guard let actual = tags[key] else { return false }
            switch comparison {
            case .equal: return actual == value
            case .notEqual: return actual != value
            case .less: return actual.utf8.lexicographicallyPrecedes(value.utf8)
            case .lessOrEqual: return !value.utf8.lexicographicallyPrecedes(actual.utf8)
            case .greater: return value.utf8.lexicographicallyPrecedes(actual.utf8)
            case .greaterOrEqual: return !actual.utf8.lexicographicallyPrecedes(value.utf8)
            }
        case .container(let name): return container.value == name
        case .and(let left, let right):
            return left.matches(tags, container: container) && right.matches(tags, container: container)
        case .or(let left, let right):
            return left.matches(tags, container: container) || right.matches(tags, container: container)
        }
    }

    /// The keys that the expression names: Find answers with these tags only.
    package var keys: Set<String> {
        switch self {
        case .compare(let key, _, _): [key]
        case .container: []
        case .and(let left, let right), .or(let left, let right): left.keys.union(right.keys)
        }
    }
}

/// A byte range as a client asks for it, before the object's length is known: `bytes=first-` or `bytes=first-last`.
package struct RangeRequest: Hashable, Sendable {
    package var first: Int64
    /// Inclusive; `nil` reads to the end.
    package var last: Int64?
    package init(first: Int64, last: Int64?) {
        self.first = first
        self.last = last
    }

    /// The bytes to send of an object of `length` bytes, or `nil` when the range starts behind its end.
    package func resolve(length: Int64) -> Range<Int64>? {
        guard first < length else { return nil }
        guard let last, last < length - 1 else { return first..<length }
        return first..<(last + 1)
    }
}

/// `If-Range`: the range counts only while the object is still this one.
package enum RangeValidator: Hashable, Sendable {
    case version(Version?)
    case lastModified(Timestamp)
}
