package import Metadata
package import StorageModel

/// The metadata seam in plain collections: the twin that tests of the core run on, and what the contract is checked
/// against. Every commit stays in a log, so a test can take the store back to any of them as a crash would.
package final class InMemoryMetadataStore: MetadataStore {
    /// What one commit did to the keys: new value, or `nil` for a deletion. The n-th one has version n.
    package typealias LoggedCommit = [[UInt8]: [UInt8]?]

    private struct State {
        var entries = SortedEntries()
        var log: [LoggedCommit] = []
        var isClosed = false
        var conflicts = 0
        var checkpoints: [String: [LoggedCommit]] = [:]
    }

    private let state: Locked<State>

    package convenience init() { self.init(log: []) }

    private init(log: [LoggedCommit]) {
        var state = State()
        for commit in log { state.entries.apply(commit) }
        state.log = log
        self.state = Locked(state)
    }

    /// A store as it would be found after a crash right behind the n-th commit (the last one unless told otherwise).
    package func crashed(afterCommits count: Int? = nil) -> InMemoryMetadataStore {
        let log = state.withLock { $0.log }
        return InMemoryMetadataStore(log: Array(log.prefix(count ?? log.count)))
    }

    /// What `checkpoint(to: directory)` wrote.
    package func openCheckpoint(_ directory: String) -> InMemoryMetadataStore? {
        state.withLock { $0.checkpoints[directory] }.map { InMemoryMetadataStore(log: $0) }
    }

    package var commitCount: Int { state.withLock { $0.log.count } }
    package var conflictCount: Int { state.withLock { $0.conflicts } }
    /// Everything, in order.
    package var contents: [MetadataEntry] { state.withLock { $0.entries.all } }

    // MARK: - MetadataStore

    package func read<Result: Sendable>(
        _ access: ReadAccess, _ body: @escaping @Sendable (any MetadataReader) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Result {
        let snapshot = try snapshot()
        return try body(InMemoryTransaction(snapshot.entries, version: Version(UInt64(snapshot.version))))
    }

    package func transact<Result: Sendable>(
        _ body: @escaping @Sendable (any MetadataTransaction) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Committed<Result> {
        for _ in 0..<3 {
            let snapshot = try snapshot()
            let transaction = InMemoryTransaction(snapshot.entries, version: Version(UInt64(snapshot.version)))
            let result = try body(transaction)
            guard !transaction.mutations.isEmpty else { return Committed(result: result, version: nil) }
            let (reads, mutations) = (transaction.reads, transaction.mutations)
            // Others may commit here, as they may with any other store.
            await Task.yield()
            let version = try state.withLock { state throws(StorageFailure) in
                try Self.commit(mutations, reads, since: snapshot.version, to: &state)
            }
            if let version { return Committed(result: result, version: version) }
        }
        // Nobody commits in between while the lock is held, so this run cannot conflict.
        return try state.withLock { state throws(StorageFailure) in
            let transaction = InMemoryTransaction(state.entries, version: Version(UInt64(state.log.count)))
            let result = try body(transaction)
            guard !transaction.mutations.isEmpty else { return Committed(result: result, version: nil) }
            let version = try Self.commit(
                transaction.mutations, transaction.reads, since: state.log.count, to: &state)
            return Committed(result: result, version: version)
        }
    }

    package func checkpoint(to directory: String) async throws(StorageFailure) {
        try state.withLock { state throws(StorageFailure) in
            guard !state.isClosed else { throw StorageFailure(.unavailable) }
            guard state.checkpoints[directory] == nil else { throw StorageFailure(.invalidInput) }
            state.checkpoints[directory] = state.log
        }
    }

    package func close() async { state.withLock { $0.isClosed = true } }

    // MARK: - Commit

    private func snapshot() throws(StorageFailure) -> (entries: SortedEntries, version: Int) {
        try state.withLock { state throws(StorageFailure) in
            guard !state.isClosed else { throw StorageFailure(.unavailable) }
            return (state.entries, state.log.count)
        }
    }

    /// `nil` when something that was read has been written since.
    private static func commit(
        _ mutations: [InMemoryTransaction.Mutation], _ reads: InMemoryTransaction.Reads, since version: Int,
        to state: inout State
    ) throws(StorageFailure) -> Version? {
        guard !state.isClosed else { throw StorageFailure(.unavailable) }
        for commit in state.log[version...] where commit.keys.contains(where: reads.include) {
            state.conflicts += 1
            return nil
        }
        let version = Version(UInt64(state.log.count + 1))
        let changes = InMemoryTransaction.changes(of: mutations, to: state.entries, version: version)
        state.entries.apply(changes)
        state.log.append(changes)
        return version
    }
}

/// Entries in the order of their keys.
struct SortedEntries: Sendable {
    private(set) var all: [MetadataEntry] = []

    subscript(key: [UInt8]) -> [UInt8]? {
        let index = firstIndex(from: key)
        return index < all.count && all[index].key == key ? all[index].value : nil
    }

    /// The place of the first entry that is not before `key`.
    func firstIndex(from key: [UInt8]) -> Int {
        var low = 0
        var high = all.count
        while low < high {
            let middle = (low + high) / 2
            if all[middle].key.lexicographicallyPrecedes(key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func apply(_ changes: InMemoryMetadataStore.LoggedCommit) {
        for (key, value) in changes {
            let index = firstIndex(from: key)
            let exists = index < all.count && all[index].key == key
            switch (value, exists) {
            case (.some(let value), true): all[index].value = value
            case (.some(let value), false): all.insert(MetadataEntry(key: key, value: value), at: index)
            case (.none, true): all.remove(at: index)
            case (.none, false): break
            }
        }
    }
}
