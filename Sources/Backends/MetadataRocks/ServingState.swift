package import StorageModel

/// What calls read from and whether writes are taken: shared by the calls, the committer and the reopening.
final class ServingState: Sendable {
    struct State {
        /// The newest committed state; `nil` while the database is opened again, when that failed, and after the end.
        var snapshot: Snapshot?
        /// Fires when the database behind `snapshot` is closed.
        var databaseClosed: Signal
        /// While the database is opened again: fires when that has ended, one way or the other.
        var reopening: Signal?
        /// Why writes are refused; `nil` when they are taken.
        var refusal: StorageFailure?
        /// The last version that is known to be in the database and synced.
        var storedVersion: UInt64
        var isClosing = false
        /// Calls under way.
        var active = 0
    }

    private let state: Locked<State>
    private let onChange: @Sendable (RocksHealth) -> Void

    init(
        snapshot: Snapshot, storedVersion: UInt64, databaseClosed: Signal,
        onChange: @escaping @Sendable (RocksHealth) -> Void
    ) {
        state = Locked(State(snapshot: snapshot, databaseClosed: databaseClosed, storedVersion: storedVersion))
        self.onChange = onChange
    }

    func withLock<Result: Sendable>(_ body: (inout State) -> Result) -> Result { state.withLock(body) }

    func withLock<Result: Sendable>(
        _ body: (inout State) throws(StorageFailure) -> Result
    ) throws(StorageFailure) -> Result {
        try state.withLock(body)
    }

    var refusal: StorageFailure? { state.withLock { $0.refusal } }

    func publish(_ newest: Snapshot, storedVersion: UInt64) {
        // The old snapshot leaves the lock before it is let go: that takes a lock of RocksDB.
        _ = state.withLock { state in
            state.storedVersion = storedVersion
            defer { state.snapshot = newest }
            return state.snapshot
        }
    }

    /// From here on writes are refused, without a trace. Reads go on.
    func suspend(_ refusal: StorageFailure) {
        state.withLock { $0.refusal = refusal }
        onChange(.suspended(refusal))
    }

    /// The reopening has ended with a database that takes writes.
    func resume(_ newest: Snapshot, databaseClosed: Signal) {
        endReopening(with: newest, databaseClosed: databaseClosed, refusal: nil)
        onChange(.writable)
    }

    /// No reopening will help: the store answers nothing any more.
    func fail(_ failure: StorageFailure, databaseClosed: Signal) {
        endReopening(with: nil, databaseClosed: databaseClosed, refusal: failure)
        onChange(.failed(failure))
    }

    /// Takes the snapshot away, so that the database closes once the reads under way have ended; later ones wait for
    /// the end of the reopening.
    func beginReopening() -> (old: Snapshot?, closed: Signal) {
        state.withLock { state in
            state.reopening = Signal()
            defer { state.snapshot = nil }
            return (state.snapshot, state.databaseClosed)
        }
    }

    /// The reopening has failed: reads go on from `snapshot`, or fail when there is none; writes stay refused.
    func giveUpReopening(with snapshot: Snapshot?, databaseClosed: Signal) {
        let refusal = state.withLock { $0.refusal }
        endReopening(with: snapshot, databaseClosed: databaseClosed, refusal: refusal)
    }

    private func endReopening(with snapshot: Snapshot?, databaseClosed: Signal, refusal: StorageFailure?) {
        let waiting = state.withLock { state in
            state.snapshot = snapshot
            state.databaseClosed = databaseClosed
            state.refusal = refusal
            defer { state.reopening = nil }
            return state.reopening
        }
        waiting?.fire()
    }
}

/// Whether a store takes writes.
package enum RocksHealth: Sendable {
    case writable
    /// A write to the log failed: writes are refused, reads go on, and the store opens its database again as soon as
    /// the disk takes a probe.
    case suspended(StorageFailure)
    /// Opening again has shown damage, or that acknowledged commits are gone. Nothing is answered any more.
    case failed(StorageFailure)
}
