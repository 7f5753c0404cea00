import Metadata
import StorageModel

/// One run of a body over the in-memory entries.
final class InMemoryTransaction: MetadataTransaction {
    enum Mutation: Sendable {
        case set([UInt8], [UInt8], [Int])
        case setVersioned([UInt8], [UInt8], [UInt8], [Int])
        case delete([UInt8])
        case deleteRange(KeyRange)
        case add([UInt8], Int64)
    }

    /// What was read: single keys and closed stretches of cursors, as bounds that a key must lie between.
    struct Reads: Sendable {
        fileprivate(set) var keys: Set<[UInt8]> = []
        fileprivate(set) var stretches: [KeyRange] = []

        func include(_ key: [UInt8]) -> Bool {
            keys.contains(key) || stretches.contains { $0.contains(key) }
        }
    }

    let entries: SortedEntries
    let version: Version
    fileprivate(set) var reads = Reads()
    private(set) var mutations: [Mutation] = []
    private var written: Set<[UInt8]> = []

    init(_ entries: SortedEntries, version: Version) {
        self.entries = entries
        self.version = version
    }

    func get(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]? {
        let value = try peek(key)
        reads.keys.insert(key)
        return value
    }

    func peek(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]? {
        check(key)
        precondition(!written.contains(key), "a transaction reads a key that it has written")
        return entries[key]
    }

    func cursor(in range: KeyRange) throws(StorageFailure) -> any MetadataCursor {
        InMemoryCursor(in: range, of: self)
    }

    func set(_ key: [UInt8], _ value: [UInt8], versionAt offsets: [Int]) {
        check(key, value, offsets)
        written.insert(key)
        mutations.append(.set(key, value, offsets))
    }

    func setVersioned(prefix: [UInt8], suffix: [UInt8], _ value: [UInt8], versionAt offsets: [Int]) {
        check(prefix, value, offsets)
        mutations.append(.setVersioned(prefix, suffix, value, offsets))
    }

    func delete(_ key: [UInt8]) {
        check(key)
        written.insert(key)
        mutations.append(.delete(key))
    }

    func delete(_ range: KeyRange) {
        guard range.lower.lexicographicallyPrecedes(range.upper) else { return }
        mutations.append(.deleteRange(range))
    }

    func add(_ key: [UInt8], _ delta: Int64) {
        check(key)
        written.insert(key)
        mutations.append(.add(key, delta))
    }

    private func check(_ key: [UInt8], _ value: [UInt8] = [], _ offsets: [Int] = []) {
        precondition(!key.isEmpty && key.count <= 4_096 && key[0] != 0, "a key that the seam does not allow")
        precondition(value.count <= 8 << 20, "a value that the seam does not allow")
        precondition(
            offsets.allSatisfy { $0 >= 0 && $0 + 8 <= value.count }, "a version's place is outside of the value")
    }

    /// The keys that end up different, or written with what they had, when `mutations` run one after the other.
    static func changes(
        of mutations: [Mutation], to entries: SortedEntries, version: Version
    ) -> InMemoryMetadataStore.LoggedCommit {
        var changes: InMemoryMetadataStore.LoggedCommit = [:]
        let stamp = (0..<8).map { UInt8(truncatingIfNeeded: version.rawValue >> (56 - 8 * UInt64($0))) }
        func stamped(_ value: [UInt8], _ offsets: [Int]) -> [UInt8] {
            var value = value
            for offset in offsets { value.replaceSubrange(offset..<offset + 8, with: stamp) }
            return value
        }
        for mutation in mutations {
            switch mutation {
            case .set(let key, let value, let offsets):
                changes.updateValue(stamped(value, offsets), forKey: key)
            case .setVersioned(let prefix, let suffix, let value, let offsets):
                changes.updateValue(stamped(value, offsets), forKey: prefix + stamp + suffix)
            case .delete(let key):
                changes.updateValue(nil, forKey: key)
            case .deleteRange(let range):
                for key in changes.keys where range.contains(key) { changes.updateValue(nil, forKey: key) }
                for entry in entries.all[entries.firstIndex(from: range.lower)..<entries.firstIndex(from: range.upper)]
                {
                    changes.updateValue(nil, forKey: entry.key)
                }
            case .add(let key, let delta):
                let old = changes[key] ?? entries[key]
                let sum = CounterValue.decode(old) &+ delta
                changes.updateValue(sum == 0 ? nil : CounterValue.encode(sum), forKey: key)
            }
        }
        return changes
    }
}

/// A place in the sorted entries. What every move passes over joins the transaction's reads.
private final class InMemoryCursor: MetadataCursor {
    private let range: KeyRange
    private let transaction: InMemoryTransaction
    private let entries: ArraySlice<MetadataEntry>
    /// An index of `entries`, or one before or behind them. `nil` right after creation.
    private var index: Int?

    init(in range: KeyRange, of transaction: InMemoryTransaction) {
        self.range = range
        self.transaction = transaction
        let start = transaction.entries.firstIndex(from: range.lower)
        entries = transaction.entries.all[start..<max(start, transaction.entries.firstIndex(from: range.upper))]
    }

    func next() throws(StorageFailure) -> MetadataEntry? {
        let from = index.map { max($0, entries.startIndex - 1) + 1 } ?? entries.startIndex
        let old = index.flatMap { entries.indices.contains($0) ? entries[$0].key : nil }
        return moveUp(to: min(from, entries.endIndex), passing: old ?? range.lower)
    }

    func previous() throws(StorageFailure) -> MetadataEntry? {
        let from = index.map { min($0, entries.endIndex) - 1 } ?? entries.endIndex - 1
        let old = index.flatMap { entries.indices.contains($0) ? entries[$0].key : nil }
        return moveDown(to: max(from, entries.startIndex - 1), passing: old ?? range.upper)
    }

    func seek(_ key: [UInt8]) throws(StorageFailure) -> MetadataEntry? {
        let place = transaction.entries.firstIndex(from: key)
        return moveUp(
            to: min(max(place, entries.startIndex), entries.endIndex),
            passing: key.lexicographicallyPrecedes(range.lower) ? range.lower : key)
    }

    func seekBackward(_ key: [UInt8]) throws(StorageFailure) -> MetadataEntry? {
        let place = transaction.entries.firstIndex(from: key + [0]) - 1
        return moveDown(
            to: max(min(place, entries.endIndex - 1), entries.startIndex - 1),
            passing: key.lexicographicallyPrecedes(range.upper) ? key + [0] : range.upper)
    }

    private func moveUp(to new: Int, passing lower: [UInt8]) -> MetadataEntry? {
        index = new
        let entry = new < entries.endIndex ? entries[new] : nil
        transaction.reads.stretches.append(KeyRange(from: lower, to: entry.map { $0.key + [0] } ?? range.upper))
        return entry
    }

    private func moveDown(to new: Int, passing upper: [UInt8]) -> MetadataEntry? {
        index = new
        let entry = new >= entries.startIndex ? entries[new] : nil
        transaction.reads.stretches.append(KeyRange(from: entry?.key ?? range.lower, to: upper))
        return entry
    }
}
