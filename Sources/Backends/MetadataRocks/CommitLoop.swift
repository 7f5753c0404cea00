import Metadata
import StorageModel

/// The committer's own state, used by its thread alone: validates, numbers and writes one batch after the other.
///
/// A batch is one atomic write of RocksDB, so a crash leaves all of it or nothing, and batches in order.
struct CommitLoop: Sendable {
    /// How a batch reaches the medium; a parameter so that tests can let it fail.
    typealias Write = @Sendable (RocksDatabase, borrowing WriteBatch, _ isSynced: Bool) throws(StorageFailure) -> Void

    private let options: RocksOptions
    private let freeSpace: FreeSpace
    private let statistics: Locked<RocksStatistics>
    private let write: Write
    private let serving: ServingState
    /// `nil` from a failed commit until the database has been opened again.
    private var newest: Snapshot?
    private var window: CommitWindow
    private var versionCeiling: UInt64
    /// The last version that the database is known to hold.
    private var storedVersion: UInt64

    init(
        from snapshot: Snapshot, header: StoreHeader, options: RocksOptions, freeSpace: FreeSpace,
        statistics: Locked<RocksStatistics>, serving: ServingState, write: @escaping Write
    ) {
        self.options = options
        self.freeSpace = freeSpace
        self.statistics = statistics
        self.serving = serving
        self.write = write
        versionCeiling = header.versionCeiling
        storedVersion = header.storedVersion
        newest = snapshot
        window = CommitWindow(
            after: snapshot.version, commitLimit: options.windowCommits, byteLimit: options.windowBytes)
    }

    /// Reopening has shown a loss: nothing here can mend it.
    private var isBeyondHelp = false

    var isSuspended: Bool { newest == nil && !isBeyondHelp }

    /// One attempt to take writes again; `isSuspended` tells whether it has succeeded.
    mutating func reopen(with reopener: Reopener) {
        switch reopener.attempt(acknowledged: storedVersion, drawn: window.newest) {
        case .postponed: break
        case .failed: isBeyondHelp = true
        case .reopened(let snapshot, let header):
            // What the failed batch has left, if anything, is in the new snapshot; bodies that began before it run again.
            window = CommitWindow(
                after: snapshot.version, commitLimit: options.windowCommits, byteLimit: options.windowBytes)
            versionCeiling = header.versionCeiling
            storedVersion = header.storedVersion
            newest = snapshot
            statistics.withLock { statistics in
                statistics.refusesWrites = false
                statistics.reopenings += 1
            }
        }
    }

    /// Ends every one of the requests. Those that conflict hear of it after the batch is out, so that their next run
    /// sees what they collided with.
    mutating func process(_ requests: [CommitRequest]) {
        guard let newest else {
            let refusal = serving.refusal ?? StorageFailure(.readOnly, cause: "an earlier commit failed")
            for request in requests { request.finish(.failed(refusal)) }
            return
        }
        var outcomes: [(request: CommitRequest, outcome: CommitRequest.Outcome)] = []
        outcomes.reserveCapacity(requests.count)
        var builder = BatchBuilder(on: newest)
        let free = freeSpace.bytes()
        var bytes = 0
        for request in Self.losersFirst(requests) {
            let outcome = accept(request, into: &builder, freeBytes: free)
            if case .committed = outcome { bytes += request.byteCount }
            outcomes.append((request, outcome))
        }
        let failure = writeOut(builder, on: newest)
        count(outcomes.map(\.outcome), bytes: bytes, failed: failure != nil)
        for (request, outcome) in outcomes {
            if let failure, case .committed = outcome {
                request.finish(.failed(failure))
            } else {
                request.finish(outcome)
            }
        }
    }

    private mutating func accept(
        _ request: CommitRequest, into builder: inout BatchBuilder, freeBytes: Int64?
    ) -> CommitRequest.Outcome {
        if let key = window.conflict(of: request.reads, since: request.snapshotVersion) { return .conflict(at: key) }
        if let freeBytes, options.freeSpaceReserveBytes > 0 {
            let reserve = options.freeSpaceReserveBytes
            let floor = request.mutations.contains(where: \.frees) ? reserve / 2 : reserve
            if freeBytes < floor {
                return .failed(StorageFailure(.outOfSpace, cause: "\(freeBytes) bytes free for metadata"))
            }
        }
        do {
            let prepared = try builder.prepare(request.mutations)
            let version = Version(window.newest + 1)
            window.append(builder.append(request.mutations, prepared, as: version))
            return .committed(version)
        } catch {
            // Reading what the writes build on failed, before any of them joined the batch.
            return .failed(error)
        }
    }

    /// Writes the batch unless nothing was accepted. Answers what those who were accepted must be told instead of
    /// success.
    private mutating func writeOut(_ builder: consuming BatchBuilder, on newest: Snapshot) -> StorageFailure? {
        let last = window.newest
        guard last > newest.version else { return nil }
        var isSynced = options.durability == .synced
        var newCeiling: Version?
        if !isSynced, last > versionCeiling {
            // Numbers of commits that power loss takes back must not be given out again.
            newCeiling = Version(last + (1 << 20))
            isSynced = true
        }
        do {
            try write(newest.database, builder.finish(lastVersion: Version(last), ceiling: newCeiling), isSynced)
        } catch {
            // Nobody knows how much of the batch reached the medium. RocksDB knows after a reopening.
            suspend(after: error)
            return StorageFailure(.unavailable, cause: "unknown outcome: \(error)")
        }
        if let newCeiling { versionCeiling = newCeiling.rawValue }
        storedVersion = last
        let next = Snapshot(of: newest.database, version: last)
        self.newest = next
        serving.publish(next, storedVersion: last)
        if isSynced { statistics.withLock { $0.syncs += 1 } }
        return nil
    }

    private mutating func suspend(after error: StorageFailure) {
        newest = nil
        statistics.withLock { $0.refusesWrites = true }
        serving.suspend(
            StorageFailure(
                .readOnly, detail: "The node takes no writes at the moment.", cause: "a commit failed: \(error)"))
    }

    private func count(_ outcomes: [CommitRequest.Outcome], bytes: Int, failed: Bool) {
        var commits = 0
        var conflicts = 0
        for outcome in outcomes {
            switch outcome {
            case .committed: commits += 1
            case .conflict: conflicts += 1
            case .failed: break
            }
        }
        let hasCommitted = commits > 0 && !failed
        statistics.withLock { statistics in
            statistics.conflicts += conflicts
            guard hasCommitted else { return }
            statistics.commits += commits
            statistics.batches += 1
            statistics.bytesWritten += bytes
        }
    }

    private static func losersFirst(_ requests: [CommitRequest]) -> [CommitRequest] {
        guard requests.contains(where: { $0.attempt > 0 }) else { return requests }
        return requests.enumerated()
            .sorted { ($1.element.attempt, $0.offset) < ($0.element.attempt, $1.offset) }
            .map(\.element)
    }
}
