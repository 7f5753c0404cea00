import Glibc
import Metadata
import StorageModel

/// A transaction that waits for its commit.
struct CommitRequest: Sendable {
    enum Outcome: Sendable {
        case committed(Version)
        /// Somebody changed what was read; the key is one of those, or empty when the snapshot was too old to tell.
        case conflict(at: [UInt8])
        case failed(StorageFailure)
    }

    let snapshotVersion: UInt64
    let reads: ReadSet
    let mutations: [Mutation]
    let byteCount: Int
    /// How often it has conflicted: who has lost most often goes first within a batch.
    let attempt: Int
    let finish: @Sendable (Outcome) -> Void
}

/// The tasks' side of the committer: a bounded queue and the thread behind it.
final class Committer: Sendable {
    private let queue: WaitingQueue<CommitRequest>
    private let thread: DedicatedThread

    /// The loop, and with it its reference to the database, is gone when the thread has ended.
    init(_ loop: consuming CommitLoop, reopener: Reopener, options: RocksOptions) throws(StorageFailure) {
        let queue = WaitingQueue<CommitRequest>(
            capacity: options.commitQueue, costLimit: options.commitQueueBytes)
        let start = Locked<CommitLoop?>(loop)
        thread = try DedicatedThread.start {
            guard var loop = start.withLock({ $0.take() }) else { return }
            while let requests = queue.take(count: options.batchTransactions, costLimit: options.batchBytes) {
                loop.process(requests)
                if loop.isSuspended { Self.reopen(&loop, reopener, queue, options) }
            }
        }
        self.queue = queue
    }

    /// Tries until the store takes writes again, or closes, or has turned out to be beyond help. Who comes meanwhile is
    /// refused.
    private static func reopen(
        _ loop: inout CommitLoop, _ reopener: Reopener, _ queue: WaitingQueue<CommitRequest>, _ options: RocksOptions
    ) {
        let sliceMilliseconds = 20
        var pause = options.reopeningPauseMilliseconds
        while loop.isSuspended {
            for _ in 0..<max(1, pause / sliceMilliseconds) {
                loop.process(queue.takeAll())
                if queue.hasClosed { return }
                usleep(useconds_t(sliceMilliseconds * 1_000))
            }
            loop.reopen(with: reopener)
            pause = min(pause * 2, options.reopeningPauseLimitMilliseconds)
        }
    }

    /// Waits until the transaction's batch has ended.
    func commit(
        snapshotVersion: UInt64, _ transaction: FinishedBody, attempt: Int
    ) async -> CommitRequest.Outcome {
        await withCheckedContinuation { continuation in
            let request = CommitRequest(
                snapshotVersion: snapshotVersion, reads: transaction.reads, mutations: transaction.mutations,
                byteCount: transaction.byteCount, attempt: attempt, finish: { continuation.resume(returning: $0) })
            if !queue.push(request, cost: transaction.byteCount) {
                let failure = StorageFailure(.busy(retryAfterSeconds: 1), cause: "the metadata commit queue is full")
                continuation.resume(returning: .failed(failure))
            }
        }
    }

    var waiting: Int { queue.count }

    func close() { queue.close() }

    /// Blocks until the thread has ended; `close` first.
    func join() { thread.join() }
}

/// What a transaction's body left behind.
struct FinishedBody: Sendable {
    var reads: ReadSet
    var mutations: [Mutation]
    var byteCount: Int
}
