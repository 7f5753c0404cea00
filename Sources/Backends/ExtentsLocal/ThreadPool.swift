import Glibc
import StorageModel

/// Dedicated threads for blocking calls, so that none of them runs on an event loop or the cooperative pool.
///
/// The queue's length is bounded by whoever submits: a body has one job at a time and bodies are bounded, a read asks
/// `submitBounded`, and other callers wait for their job before they submit the next.
final class ThreadPool: Sendable {
    typealias Job = @Sendable () -> Void

    private let queue: JobQueue

    init(threads: Int, maximumBounded: Int) throws(StorageFailure) {
        queue = JobQueue(maximumBounded: maximumBounded)
        for _ in 0..<threads {
            var thread = pthread_t()
            let argument = Unmanaged.passRetained(queue)
            let result = pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<JobQueue>.fromOpaque(argument).takeRetainedValue().work() }
                    return nil
                }, argument.toOpaque())
            guard result == 0 else {
                argument.release()
                queue.stop()
                throw StorageFailure(.unavailable, cause: "start a thread: \(FileError(code: result).text)")
            }
            pthread_detach(thread)
        }
    }

    deinit { queue.stop() }

    /// The threads end when the queue is empty.
    func stop() { queue.stop() }

    /// Runs the job on a thread, unless the pool was stopped: then nothing is left that could want its result.
    func submit(_ job: @escaping Job) { _ = queue.append(job, isBounded: false) }

    /// Runs the job on a thread and waits for it without blocking.
    func run<Value: Sendable>(
        _ job: @escaping @Sendable () throws(StorageFailure) -> Value
    ) async throws(StorageFailure) -> Value {
        try await result(of: job, isBounded: false).get()
    }

    /// The same, but refused as busy when too many such jobs wait.
    func runBounded<Value: Sendable>(
        _ job: @escaping @Sendable () throws(StorageFailure) -> Value
    ) async throws(StorageFailure) -> Value {
        try await result(of: job, isBounded: true).get()
    }

    private func result<Value: Sendable>(
        of job: @escaping @Sendable () throws(StorageFailure) -> Value, isBounded: Bool
    ) async -> Result<Value, StorageFailure> {
        await withCheckedContinuation { continuation in
            let refusal = queue.append(
                {
                    do throws(StorageFailure) { continuation.resume(returning: .success(try job())) } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }, isBounded: isBounded)
            if let refusal { continuation.resume(returning: .failure(refusal)) }
        }
    }
}

/// `@unchecked Sendable`: `jobs` and `isStopped` are touched with `mutex` held alone; the pointers never change.
private final class JobQueue: @unchecked Sendable {
    private struct Entry {
        var job: ThreadPool.Job
        var isBounded: Bool
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let hasWork = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let maximumBounded: Int
    private var jobs: [Entry] = []
    /// Entries before this one have been taken; the array is compacted when they outweigh the rest.
    private var first = 0
    private var waitingBounded = 0
    private var isStopped = false

    init(maximumBounded: Int) {
        self.maximumBounded = maximumBounded
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(hasWork, nil)
    }

    deinit {
        pthread_cond_destroy(hasWork)
        pthread_mutex_destroy(mutex)
        hasWork.deallocate()
        mutex.deallocate()
    }

    func append(_ job: @escaping ThreadPool.Job, isBounded: Bool) -> StorageFailure? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !isStopped else { return StorageFailure(.unavailable, cause: "the extent store's threads have ended") }
        if isBounded {
            guard waitingBounded < maximumBounded else {
                return StorageFailure(.busy(retryAfterSeconds: 2), cause: "too many reads wait")
            }
            waitingBounded += 1
        }
        jobs.append(Entry(job: job, isBounded: isBounded))
        pthread_cond_signal(hasWork)
        return nil
    }

    func stop() {
        pthread_mutex_lock(mutex)
        isStopped = true
        pthread_cond_broadcast(hasWork)
        pthread_mutex_unlock(mutex)
    }

    func work() {
        while let job = take() { job() }
    }

    private func take() -> ThreadPool.Job? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while first == jobs.count {
            if isStopped { return nil }
            pthread_cond_wait(hasWork, mutex)
        }
        let entry = jobs[first]
        jobs[first].job = {}
        first += 1
        if entry.isBounded { waitingBounded -= 1 }
        if first * 2 >= jobs.count {
            jobs.removeFirst(first)
            first = 0
        }
        return entry.job
    }
}
