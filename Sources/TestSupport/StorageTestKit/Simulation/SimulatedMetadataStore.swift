import Metadata
import StorageModel

/// The metadata seam under simulation: others run before, between and after a transaction's snapshot, its body and its
/// commit; calls fail; a commit's outcome may stay unknown, and may come to light at the next start only.
final class SimulatedMetadataStore: MetadataStore {
    typealias Changes = InMemoryMetadataStore.LoggedCommit
    /// Told of each commit as it takes effect, in order, with the keys that it wrote.
    typealias OnCommit = @Sendable (_ version: Version, _ changes: Changes, _ request: SimulatedRequest?) -> Void

    /// What becomes of a commit whose outcome its caller does not hear.
    private enum Fate: CaseIterable { case visible, hidden, lost }

    private struct Commit {
        var number: UInt64
        var keys: [[UInt8]]
    }

    private struct State {
        var entries = SortedEntries()
        var version: UInt64 = 0
        /// Since this store was opened: what transactions are held against.
        var recent: [Commit] = []
        /// Reached the medium, and nobody knows: shows after the next start.
        var hidden: (version: UInt64, changes: Changes, request: SimulatedRequest?)?
        var isClosed = false
    }

    private let life: SimulatedLife
    private let onCommit: OnCommit
    private let state: Locked<State>

    convenience init(life: SimulatedLife, onCommit: @escaping OnCommit) {
        self.init(State(), life: life, onCommit: onCommit)
    }

    private init(_ state: State, life: SimulatedLife, onCommit: @escaping OnCommit) {
        self.state = Locked(state)
        self.life = life
        self.onCommit = onCommit
    }

    /// The store as the next life finds it: every commit that reached the medium, acknowledged or not.
    func reopened(in life: SimulatedLife) -> SimulatedMetadataStore {
        var next = State()
        let (entries, version, hidden) = state.withLock { ($0.entries, $0.version, $0.hidden) }
        (next.entries, next.version) = (entries, version)
        if let hidden {
            next.entries.apply(hidden.changes)
            next.version = hidden.version
            onCommit(Version(hidden.version), hidden.changes, hidden.request)
        }
        return SimulatedMetadataStore(next, life: life, onCommit: onCommit)
    }

    /// For the checks: looks past all faults.
    func peek(_ key: [UInt8]) -> [UInt8]? { state.withLock { $0.entries[key] } }
    /// Everything, in order.
    var contents: [MetadataEntry] { state.withLock { $0.entries.all } }

    func read<Result: Sendable>(
        _ access: ReadAccess, _ body: @escaping @Sendable (any MetadataReader) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Result {
        try await life.call("read", before: [.unavailable, .busy(retryAfterSeconds: 1)], after: [.unavailable]) {
            () async throws(StorageFailure) -> Result in
            let early = try snapshot()
            let view = InMemoryTransaction(early.entries, version: Version(early.version))
            // The seam allows a second run, on a later snapshot.
            if access == .point, life.executor.happens(5) {
                do throws(StorageFailure) { _ = try body(view) } catch { _ = error }
                await life.executor.pause()
                let late = try snapshot()
                return try body(InMemoryTransaction(late.entries, version: Version(late.version)))
            }
            return try body(view)
        }
    }

    func transact<Result: Sendable>(
        _ body: @escaping @Sendable (any MetadataTransaction) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Committed<Result> {
        try await life.call(
            "transact", before: [.busy(retryAfterSeconds: 1), .outOfSpace, .internal], after: []
        ) { () async throws(StorageFailure) -> Committed<Result> in
            for _ in 0..<4 {
                let (entries, version) = try snapshot()
                let transaction = InMemoryTransaction(entries, version: Version(version))
                let result = try body(transaction)
                guard !transaction.mutations.isEmpty else { return Committed(result: result, version: nil) }
                await life.executor.pause()
                if let version = try commit(transaction, since: version) {
                    return Committed(result: result, version: version)
                }
                life.executor.note("conflict", version)
            }
            // Nobody else runs between these two: this one cannot conflict.
            let (entries, version) = try snapshot()
            let transaction = InMemoryTransaction(entries, version: Version(version))
            let result = try body(transaction)
            guard !transaction.mutations.isEmpty else { return Committed(result: result, version: nil) }
            return Committed(result: result, version: try commit(transaction, since: version))
        }
    }

    private func snapshot() throws(StorageFailure) -> (entries: SortedEntries, version: UInt64) {
        try life.requireAlive()
        return try state.withLock { state throws(StorageFailure) in
            if state.isClosed { throw SimulatedLife.failure(.unavailable, "the metadata store is closed") }
            return (state.entries, state.version)
        }
    }

    /// `nil` when something that was read has been written since.
    private func commit(_ transaction: InMemoryTransaction, since: UInt64) throws(StorageFailure) -> Version? {
        try life.requireAlive()
        if life.isReadOnly { throw SimulatedLife.failure(.readOnly, "an earlier commit's outcome is unknown") }
        let reads = transaction.reads
        let request = SimulatedRequest.current
        let isUnknown = life.executor.happens(25) && life.drawsFault("commit")
        let fate = isUnknown ? life.executor.pick(Fate.allCases) : .visible
        let mutations = transaction.mutations
        let committed = try state.withLock { state throws(StorageFailure) -> (version: UInt64, changes: Changes)? in
            if state.isClosed { throw SimulatedLife.failure(.unavailable, "the metadata store is closed") }
            let conflicts = state.recent.contains { $0.number > since && $0.keys.contains(where: reads.include) }
            if conflicts { return nil }
            let version = state.version + 1
            let changes = InMemoryTransaction.changes(of: mutations, to: state.entries, version: Version(version))
            switch fate {
            case .visible:
                state.version = version
                state.entries.apply(changes)
                state.recent.append(Commit(number: version, keys: Array(changes.keys)))
            case .hidden: state.hidden = (version, changes, request)
            case .lost: break
            }
            return (version, changes)
        }
        guard let committed else { return nil }
        if fate == .visible { onCommit(Version(committed.version), committed.changes, request) }
        if isUnknown {
            life.turnReadOnly()
            throw SimulatedLife.failure(.unavailable, "the outcome of the commit is unknown")
        }
        return Version(committed.version)
    }

    func checkpoint(to directory: String) async throws(StorageFailure) {
        throw SimulatedLife.failure(.unavailable, "checkpoints are not simulated")
    }

    func close() async { state.withLock { $0.isClosed = true } }
}
