package import Metadata
package import StorageModel

/// The metadata seam over RocksDB.
///
/// Reads and transactions run against a snapshot that is made once per batch. Transactions are optimistic: each notes
/// what it read, and one committer thread validates those that wait, numbers them and writes them as one synced batch.
package final class RocksMetadataStore: MetadataStore {
    private let options: RocksOptions
    private let serving: ServingState
    private let statisticsSoFar: Locked<RocksStatistics>
    private let readers: ReaderPool
    /// `nil` when the store was opened for reading only.
    private let committer: Committer?
    /// `nil` as well when commits are not synced.
    private let markKeeper: MarkKeeper?
    private let lanes: ConflictLanes
    private let becameIdle: Signal
    private let isOpenInFull = Locked(true)

    /// Opens the store in `directory`, or makes one there. Blocks: not for an event loop.
    ///
    /// - Throws: `.damaged` when the files contradict themselves; `.outOfSpace`; `.unavailable` when the store was
    ///   written by a later release; `.internal`, for instance when another process has the store open.
    ///
    /// A commit that fails does not end the store: it refuses writes, goes on reading, and opens its database again by
    /// itself once the disk takes writes. `onHealthChange` hears of each step, on the store's own thread.
    package static func open(
        directory: String, options: RocksOptions = RocksOptions(),
        onHealthChange: @escaping @Sendable (RocksHealth) -> Void = { _ in }
    ) throws(StorageFailure) -> RocksMetadataStore {
        let freeSpace = FreeSpace.ofFileSystem(at: directory)
        return try open(
            directory: directory, options: options, freeSpace: freeSpace,
            probe: .ofDirectory(directory, freeSpace: freeSpace), onHealthChange: onHealthChange,
            write: { (database, batch, isSynced) throws(StorageFailure) in try database.write(batch, isSynced: isSynced)
            })
    }

    static func open(
        directory: String, options: RocksOptions, freeSpace: FreeSpace, probe: DiskProbe,
        onHealthChange: @escaping @Sendable (RocksHealth) -> Void, write: @escaping CommitLoop.Write
    ) throws(StorageFailure) -> RocksMetadataStore {
        try StoreFiles.makeDirectory(directory)
        return try RocksMetadataStore(
            directory: directory, options: options,
            writing: Writing(freeSpace: freeSpace, probe: probe, write: write), onHealthChange: onHealthChange)
    }

    /// Opens the store as it is, for `read` alone, also while a node has it open; changes nothing in the directory.
    /// Blocks.
    package static func openReadOnly(
        directory: String, options: RocksOptions = RocksOptions()
    ) throws(StorageFailure) -> RocksMetadataStore {
        try RocksMetadataStore(directory: directory, options: options, writing: nil, onHealthChange: { _ in })
    }

    /// What writing needs; a store without it is read-only.
    private struct Writing {
        var freeSpace: FreeSpace
        var probe: DiskProbe
        var write: CommitLoop.Write
    }

    private init(
        directory: String, options: RocksOptions, writing: Writing?,
        onHealthChange: @escaping @Sendable (RocksHealth) -> Void
    ) throws(StorageFailure) {
        let databaseClosed = Signal()
        let parts: Parts
        do {
            parts = try Parts(
                directory: directory, options: options, writing: writing, databaseClosed: databaseClosed,
                onHealthChange: onHealthChange)
        } catch {
            // Nothing refers to the database any more, but closing it goes on in a thread of its own.
            databaseClosed.waitBlocking()
            throw error
        }
        self.options = options
        serving = parts.serving
        statisticsSoFar = parts.statistics
        readers = parts.readers
        committer = parts.committer
        markKeeper = parts.markKeeper
        lanes = ConflictLanes(lineLimit: options.commitQueue)
        becameIdle = Signal()
    }

    /// What an open store is made of; all of it or nothing.
    private struct Parts {
        let serving: ServingState
        let statistics = Locked(RocksStatistics())
        let readers: ReaderPool
        var committer: Committer?
        var markKeeper: MarkKeeper?

        init(
            directory: String, options: RocksOptions, writing: Writing?, databaseClosed: Signal,
            onHealthChange: @escaping @Sendable (RocksHealth) -> Void
        ) throws(StorageFailure) {
            let mark: UInt64?
            do throws(StorageFailure) {
                mark = options.recovery == .refuseDamage ? try SyncedMark.read(in: directory) : nil
            } catch {
                databaseClosed.fire()
                throw error
            }
            let database = try RocksDatabase.open(
                directory: directory, options: options, isReadOnly: writing == nil, closed: databaseClosed)
            let header = try StoreHeader.load(from: database, isReadOnly: writing == nil)
            if options.recovery == .refuseDamage {
                try SyncedMark.require(mark, of: header.storedVersion, in: directory)
            } else if writing != nil {
                try StoreFiles.remove(directory + "/" + SyncedMark.fileName)
            }
            if writing != nil { try StoreFiles.dropKeptLogs(in: directory) }
            let snapshot = Snapshot(of: database, version: header.lastVersion)
            serving = ServingState(
                snapshot: snapshot, storedVersion: header.storedVersion, databaseClosed: databaseClosed,
                onChange: onHealthChange)
            readers = try ReaderPool(threads: max(1, options.readerThreads), queue: options.readQueue)
            guard let writing else { return }
            let loop = CommitLoop(
                from: snapshot, header: header, options: options, freeSpace: writing.freeSpace, statistics: statistics,
                serving: serving, write: writing.write)
            let reopener = Reopener(directory: directory, options: options, probe: writing.probe, serving: serving)
            do {
                committer = try Committer(loop, reopener: reopener, options: options)
                if options.durability == .synced {
                    markKeeper = try MarkKeeper(
                        directory: directory, stored: { [serving] in serving.withLock { $0.storedVersion } })
                }
            } catch {
                committer?.close()
                committer?.join()
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
        markKeeper?.close()
    }

    // MARK: - Reading

    package func read<Result: Sendable>(
        _ access: ReadAccess, _ body: @escaping @Sendable (any MetadataReader) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Result {
        let present = try enter()
        defer { leave() }
        let snapshot = if let present { present } else { try await newestSnapshot() }
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
            // Without waiting for the committer, which may be waiting for the disk.
            if let refusal = serving.refusal { throw refusal }
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
        let snapshot = try await newestSnapshot()
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
        _ = try enter()
        defer { leave() }
        let database = try await newestSnapshot().database
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
            let isIdle = serving.withLock { state in
                state.isClosing = true
                return state.active == 0
            }
            if isIdle { becameIdle.fire() }
            await becameIdle.wait()
            committer?.close()
            readers.close()
            await joinThreads()
            _ = serving.withLock { $0.snapshot.take() }
        }
        await serving.withLock { $0.databaseClosed }.wait()
    }

    package func statistics() -> RocksStatistics {
        var statistics = statisticsSoFar.withLock { $0 }
        statistics.waitingCommits = committer?.waiting ?? 0
        return statistics
    }

    private func joinThreads() async {
        let threadsEnded = Signal()
        let join: @Sendable () -> Void = { [committer, readers, markKeeper] in
            committer?.join()
            readers.join()
            // Last, so that it marks the last commit.
            markKeeper?.close()
            markKeeper?.join()
            threadsEnded.fire()
        }
        do { try DedicatedThread.start(join).detach() } catch { join() }
        await threadsEnded.wait()
    }

    /// Begins a call, which must `leave`. Answers the newest snapshot, or `nil` when that has to be waited for.
    private func enter() throws(StorageFailure) -> Snapshot? {
        try serving.withLock { state throws(StorageFailure) in
            guard !state.isClosing else { throw StorageFailure(.unavailable, cause: "the metadata store is closed") }
            state.active += 1
            return state.snapshot
        }
    }

    private func leave() {
        let isIdle = serving.withLock { state in
            state.active -= 1
            return state.active == 0 && state.isClosing
        }
        if isIdle { becameIdle.fire() }
    }

    /// Waits while the database is opened again.
    private func newestSnapshot() async throws(StorageFailure) -> Snapshot {
        while true {
            let now = serving.withLock { ($0.snapshot, $0.reopening, $0.refusal) }
            if let snapshot = now.0 { return snapshot }
            guard let reopening = now.1 else {
                throw now.2 ?? StorageFailure(.unavailable, cause: "the metadata store is closed")
            }
            await reopening.wait()
        }
    }

    private func countMemoryMiss() { statisticsSoFar.withLock { $0.memoryMisses += 1 } }
}
