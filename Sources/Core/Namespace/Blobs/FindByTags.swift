import Metadata
package import StorageModel

extension Namespace {
    /// Find Blobs by Tags, through the tag index, in the order of the index.
    ///
    /// - Throws: `.invalidInput` when the filter compares no tag, or joins comparisons by OR: the walk follows one key.
    package func findBlobs(
        of account: AccountName, in container: ContainerName?, filter: TagFilter, position: ListPosition?, limit: Int
    ) async throws(StorageFailure) -> FindResult {
        guard let key = filter.keys.sorted().first else {
            throw StorageFailure(.invalidInput, detail: "The expression names no tag.")
        }
        guard !filter.hasAlternatives else {
            throw StorageFailure(.invalidInput, detail: "The expression joins comparisons by OR.")
        }
        return try await metadata.read(.scan) { reader throws(StorageFailure) in
            if let container {
                _ = try reader.container(ContainerAddress(account: account, container: container))
            }
            var owners = ContainerOwners(reader: reader)
            let prefix = Keys.tagIndexValues(account, key: key)
            let bounds = TagBounds(filter, key: key)
            let cursor = try reader.cursor(in: KeyRange(prefix: prefix))
            var result = FindResult(matches: [], next: nil)
            let start = later(prefix + bounds.lowest, prefix + (position?.from ?? []))
            var entry = try cursor.seek(start)
            var examined = 0
            while let current = entry {
                let rest = current.key[prefix.count...]
                guard let end = rest.firstIndex(of: 0), rest.endIndex - end > 9 else {
                    throw StorageFailure(.damaged, cause: "tag index key")
                }
                if let exact = bounds.exact, !rest[..<end].elementsEqual(exact) { break }
                guard result.matches.count < limit, examined < Self.findExaminesPerPage else {
                    result.next = ListPosition(from: Array(rest))
                    break
                }
                examined += 1
                let id = ContainerID(UInt64(bigEndianBytes: rest[(end + 1)..<(end + 9)]))
                let name = try storedName(rest[(end + 9)...]) { text throws(StorageFailure) in
                    try BlobName(validating: text)
                }
                if let owner = try owners.live(id), container == nil || owner.container == container,
                    let record = try reader.blobIfPresent(id, name),
                    filter.matches(record.tags, container: owner.container)
                {
                    result.matches.append(.init(container: owner.container, name: name.value, tags: record.tags))
                }
                entry = try cursor.next()
            }
            return result
        }
    }

    /// A page may come back short, with a marker, after this many index entries.
    static let findExaminesPerPage = 50_000
}

extension TagFilter {
    fileprivate var hasAlternatives: Bool {
        switch self {
        case .compare, .container: false
        case .and(let left, let right): left.hasAlternatives || right.hasAlternatives
        case .or: true
        }
    }
}

private func later(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
    left.lexicographicallyPrecedes(right) ? right : left
}

/// What a filter says about one key's values, to walk less of the index.
private struct TagBounds {
    var lowest: [UInt8] = []
    var exact: [UInt8]?

    init(_ filter: TagFilter, key: String) { visit(filter, key) }

    private mutating func visit(_ filter: TagFilter, _ key: String) {
        switch filter {
        case .and(let left, let right):
            visit(left, key)
            visit(right, key)
        case .compare(let name, let comparison, let value) where name == key:
            switch comparison {
            case .equal:
                exact = Array(value.utf8)
                lowest = Array(value.utf8)
            case .greater, .greaterOrEqual:
                if lowest.lexicographicallyPrecedes(Array(value.utf8)) { lowest = Array(value.utf8) }
            case .less, .lessOrEqual, .notEqual: break
            }
        case .compare, .container, .or: break
        }
    }
}

/// Which container an id belongs to, while it exists: deleted containers leave index entries until they are taken apart.
private struct ContainerOwners {
    let reader: any MetadataReader
    private var known: [ContainerID: ContainerAddress?] = [:]

    init(reader: any MetadataReader) { self.reader = reader }

    mutating func live(_ id: ContainerID) throws(StorageFailure) -> ContainerAddress? {
        if let answer = known[id] { return answer }
        var answer: ContainerAddress?
        if let value = try reader.get(Keys.containerByID(id)) {
            let address = try ContainerOwnerRecord(decoding: value).address
            if let current = try reader.get(Keys.container(address)), try ContainerRecord(decoding: current).id == id {
                answer = address
            }
        }
        known[id] = .some(answer)
        return answer
    }
}
