import StorageModel

/// The threads on which reads may wait for the disk.
final class ReaderPool: Sendable {
    private let queue: WaitingQueue<@Sendable () -> Void>
    private let threads: [DedicatedThread]

    init(threads count: Int, queue capacity: Int) throws(StorageFailure) {
        let queue = WaitingQueue<@Sendable () -> Void>(capacity: capacity)
        var threads: [DedicatedThread] = []
        do {
            for _ in 0..<count {
                threads.append(try DedicatedThread.start { Self.serve(queue) })
            }
        } catch {
            queue.close()
            for thread in threads { thread.join() }
            throw error
        }
        self.queue = queue
        self.threads = threads
    }

    /// - Throws: what `work` throws; `.busy` when too many reads wait already.
    func run<Result: Sendable>(
        _ work: @escaping @Sendable () throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Result {
        let outcome: Swift.Result<Result, StorageFailure> = await withCheckedContinuation { continuation in
            let isQueued = queue.push { continuation.resume(returning: Swift.Result(catching: work)) }
            if !isQueued {
                let failure = StorageFailure(.busy(retryAfterSeconds: 1), cause: "the metadata readers' queue is full")
                continuation.resume(returning: .failure(failure))
            }
        }
        return try outcome.get()
    }

    func close() { queue.close() }

    /// Blocks until the threads have ended; `close` first.
    func join() {
        for thread in threads { thread.join() }
    }

    private static func serve(_ queue: WaitingQueue<@Sendable () -> Void>) {
        while let work = queue.take(count: 1) {
            for job in work { job() }
        }
    }
}
