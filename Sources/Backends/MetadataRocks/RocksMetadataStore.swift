package import Metadata
package import StorageModel

/// The metadata seam over RocksDB.
///
/// Reads and transactions run against a snapshot that is made once per batch. Transactions are optimistic: each notes
/// what it read, and one committer thread validates those that wait, numbers them and writes them as one synced batch.
package final class RocksMetadataStore: MetadataStore {
    private struct State {
        /// The newest committed state; `nil` once the store is closed.
        var snapshot: Snapshot?
        var isClosing = false
        /// Calls under way.
        var active = 0
    }

    private let options: RocksOptions
    private let state: Locked<State>
    private let statisticsSoFar: Locked<RocksStatistics>
    private let readers: ReaderPool
    /// `nil` when the store was opened for reading only.
    private let committer: Committer?
    private let lanes: ConflictLanes
    private let becameIdle: Signal
    private let databaseClosed: Signal
    private let isOpenInFull = Locked(true)

    /// Opens the store in `directory`, or makes one there. Blocks: not for an event loop.
    ///
    /// - Throws: `.damaged` when the files contradict themselves; `.outOfSpace`; `.unavailable` when the store was
    ///   written by a later release; `.internal`, for instance when another process has the store open.
    package static func open(
        directory: String, options: RocksOptions = RocksOptions()
    ) throws(StorageFailure) -> RocksMetadataStore {
        try open(
            directory: directory, options: options, freeSpace: .ofFileSystem(at: directory),
            write: { (database, batch, isSynced) throws(StorageFailure) in try database.write(batch, isSynced: isSynced)
            })
    }

    static func open(
        directory: String, options: RocksOptions, freeSpace: FreeSpace, write: @escaping CommitLoop.Write
    ) throws(StorageFailure) -> RocksMetadataStore {
        try StoreFiles.makeDirectory(directory)
        return try RocksMetadataStore(
            directory: directory, options: options, isReadOnly: false, freeSpace: freeSpace, write: write)
    }

    /// Opens the store as it is, for `read` alone, also while a node has it open; changes nothing in the directory.
    /// Blocks.
    package static func openReadOnly(
        directory: String, options: RocksOptions = RocksOptions()
    ) throws(StorageFailure) -> RocksMetadataStore {
        try RocksMetadataStore(
            directory: directory, options: options, isReadOnly: true, freeSpace: FreeSpace { nil },
            write: { (_, _, _) throws(StorageFailure) in throw StorageFailure(.unavailable) })
    }

    private init(
        directory: String, options: RocksOptions, isReadOnly: Bool, freeSpace: FreeSpace,
        write: @escaping CommitLoop.Write
    ) throws(StorageFailure) {
        let databaseClosed = Signal()
        let parts: Parts
        do {
            let database = { () throws(StorageFailure) in
                try RocksDatabase.open(
                    directory: directory, options: options, isReadOnly: isReadOnly, closed: databaseClosed)
            }
            parts = try Parts(database, options: options, isReadOnly: isReadOnly, freeSpace: freeSpace, write: write)
        } catch {
            // Nothing refers to the database any more, but closing it goes on in a thread of its own.
            databaseClosed.waitBlocking()
            throw error
        }
        self.options = options
        self.databaseClosed = databaseClosed
        state = parts.state
        statisticsSoFar = parts.statistics
        readers = parts.readers
        committer = parts.committer
        lanes = ConflictLanes(lineLimit: options.commitQueue)
        becameIdle = Signal()
    }

    /// What an open store is made of; all of it or nothing.
    private struct Parts {
        let state: Locked<State>
        let statistics = Locked(RocksStatistics())
        let readers: ReaderPool
        var committer: Committer?

        init(
            _ open: () throws(StorageFailure) -> RocksDatabase, options: RocksOptions, isReadOnly: Bool,
            freeSpace: FreeSpace, write: @escaping CommitLoop.Write
        ) throws(StorageFailure) {
            let database = try open()
            let header = try StoreHeader.load(from: database, isReadOnly: isReadOnly)
            let snapshot = Snapshot(of: database, version: header.lastVersion)
            let state = Locked(State(snapshot: snapshot))
            self.state = state
            readers = try ReaderPool(threads: max(1, options.readerThreads), queue: options.readQueue)
            if isReadOnly { return }
            let loop = CommitLoop(
                from: snapshot, versionCeiling: header.versionCeiling, options: options, freeSpace: freeSpace,
                statistics: statistics, write: write,
                publish: { newest in
                    // The old snapshot leaves the lock before it is let go: that takes a lock of RocksDB.
                    _ = state.withLock { state in
                        defer { state.snapshot = newest }
                        return state.snapshot
                    }
                })
            do { committer = try Committer(loop, options: options) } catch {
                readers.close()
                readers.join()
                throw error
            }
        }
    }

    deinit {
        // Without `close` nobody waits: the threads end when their queues are empty, and the last one closes RocksDB.
        committer?.close()
        readers.close()
    }

    // MARK: - Reading

    package func read<Result: Sendable>(
        _ access: ReadAccess, _ body: @escaping @Sendable (any MetadataReader) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Result {
        let snapshot = try enter()
        defer { leave() }
        if access == .point {
            let reader = SnapshotReader(snapshot, .memory)
            let outcome = Swift.Result { () throws(StorageFailure) in try body(reader) }
            if !reader.hasMissedMemory { return try outcome.get() }
            countMemoryMiss()
        }
        return try await readers.run { () throws(StorageFailure) in try body(SnapshotReader(snapshot, .disk)) }
    }

    // MARK: - Writing

    package func transact<Result: Sendable>(
        _ body: @escaping @Sendable (any MetadataTransaction) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Committed<Result> {
        _ = try enter()
        defer { leave() }
        guard let committer else { throw StorageFailure(.unavailable, cause: "the store is open for reading only") }
        var lane: Int?
        defer { if let lane { lanes.leave(lane) } }
        for attempt in 0..<options.transactionAttempts {
            let run = try await run(body)
            guard !run.body.mutations.isEmpty else { return Committed(result: run.result, version: nil) }
            let outcome = await committer.commit(snapshotVersion: run.snapshotVersion, run.body, attempt: attempt)
            switch outcome {
            case .committed(let version): return Committed(result: run.result, version: version)
            case .failed(let failure): throw failure
            case .conflict(let key):
                // The first retry is free: most collisions do not repeat.
                if attempt > 0 { lane = try await change(lane: lane, to: ConflictLanes.lane(of: key)) }
            }
        }
        throw StorageFailure(
            .busy(retryAfterSeconds: 1), cause: "\(options.transactionAttempts) runs of a transaction conflicted")
    }

    private struct Run<Result: Sendable>: Sendable {
        var result: Result
        var body: FinishedBody
        var snapshotVersion: UInt64
    }

    /// Runs the body on the newest snapshot: here against memory, and on a reader thread if that does not suffice.
    private func run<Result: Sendable>(
        _ body: @escaping @Sendable (any MetadataTransaction) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Run<Result> {
        let snapshot = try newestSnapshot()
        let reader = SnapshotReader(snapshot, .memory)
        let outcome = Swift.Result { () throws(StorageFailure) in try Self.run(body, on: reader) }
        if !reader.hasMissedMemory { return try outcome.get() }
        countMemoryMiss()
        return try await readers.run { () throws(StorageFailure) in
            try Self.run(body, on: SnapshotReader(snapshot, .disk))
        }
    }

    private static func run<Result: Sendable>(
        _ body: @Sendable (any MetadataTransaction) throws(StorageFailure) -> Result, on reader: SnapshotReader
    ) throws(StorageFailure) -> Run<Result> {
        let transaction = Transaction(reader)
        let result = try body(transaction)
        if let violation = transaction.violation { throw violation }
        let finished = FinishedBody(
            reads: transaction.reads, mutations: transaction.mutations, byteCount: transaction.byteCount)
        return Run(result: result, body: finished, snapshotVersion: reader.snapshot.version)
    }

    private func change(lane old: Int?, to new: Int) async throws(StorageFailure) -> Int? {
        if old == new { return new }
        if let old { lanes.leave(old) }
        guard await lanes.enter(new) else {
            throw StorageFailure(.busy(retryAfterSeconds: 1), cause: "too many conflicting transactions wait")
        }
        return new
    }

    // MARK: - Life

    package func checkpoint(to directory: String) async throws(StorageFailure) {
        let snapshot = try enter()
        defer { leave() }
        let database = snapshot.database
        try await readers.run { () throws(StorageFailure) in
            try StoreFiles.requireAbsent(directory)
            try database.checkpoint(to: directory)
        }
    }

    package func close() async {
        let mustClose = isOpenInFull.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        if mustClose {
            let isIdle = state.withLock { state in
                state.isClosing = true
                return state.active == 0
            }
            if isIdle { becameIdle.fire() }
            await becameIdle.wait()
            committer?.close()
            readers.close()
            await joinThreads()
            _ = state.withLock { $0.snapshot.take() }
        }
        await databaseClosed.wait()
    }

    package func statistics() -> RocksStatistics {
        var statistics = statisticsSoFar.withLock { $0 }
        statistics.waitingCommits = committer?.waiting ?? 0
        return statistics
    }

    private func joinThreads() async {
        let threadsEnded = Signal()
        let join: @Sendable () -> Void = { [committer, readers] in
            committer?.join()
            readers.join()
            threadsEnded.fire()
        }
        do { try DedicatedThread.start(join).detach() } catch { join() }
        await threadsEnded.wait()
    }

    /// Begins a call, which must `leave`.
    private func enter() throws(StorageFailure) -> Snapshot {
        let snapshot: Snapshot? = state.withLock { state in
            guard !state.isClosing, let snapshot = state.snapshot else { return nil }
            state.active += 1
            return snapshot
        }
        guard let snapshot else { throw StorageFailure(.unavailable, cause: "the metadata store is closed") }
        return snapshot
    }

    private func leave() {
        let isIdle = state.withLock { state in
            state.active -= 1
            return state.active == 0 && state.isClosing
        }
        if isIdle { becameIdle.fire() }
    }

    private func newestSnapshot() throws(StorageFailure) -> Snapshot {
        guard let snapshot = state.withLock({ $0.snapshot }) else {
            throw StorageFailure(.unavailable, cause: "the metadata store is closed")
        }
        return snapshot
    }

    private func countMemoryMiss() { statisticsSoFar.withLock { $0.memoryMisses += 1 } }
}
