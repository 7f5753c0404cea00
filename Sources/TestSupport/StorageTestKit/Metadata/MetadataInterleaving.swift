import Dispatch
import Metadata
import StorageModel

/// Stops a transaction or read in the middle of its body while other things happen, without a look at the clock.
enum MetadataInterleaving {
    /// Answers with what the call gave and how often its body ran. The body's first `pause()` waits for `meanwhile`.
    static func transact<Result: Sendable>(
        _ store: any MetadataStore,
        _ body: @escaping @Sendable (any MetadataTransaction, _ pause: () -> Void) throws(StorageFailure) -> Result,
        meanwhile: () async throws -> Void
    ) async throws -> (committed: Committed<Result>, runs: Int) {
        let stop = StopPoint()
        let committed = try await run(stop, meanwhile) {
            try await store.transact { transaction throws(StorageFailure) in
                stop.countRun()
                return try body(transaction, stop.pause)
            }
        }
        return (committed, stop.runs)
    }

    static func read<Result: Sendable>(
        _ store: any MetadataStore, _ access: ReadAccess,
        _ body: @escaping @Sendable (any MetadataReader, _ pause: () -> Void) throws(StorageFailure) -> Result,
        meanwhile: () async throws -> Void
    ) async throws -> Result {
        let stop = StopPoint()
        return try await run(stop, meanwhile) {
            try await store.read(access) { reader throws(StorageFailure) in try body(reader, stop.pause) }
        }
    }

    private static func run<Result: Sendable>(
        _ stop: StopPoint, _ meanwhile: () async throws -> Void,
        _ call: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        // A thread of its own: a body that waits must not take one from the tasks that it waits for.
        let task = Task(executorPreference: OwnThreads()) {
            defer { stop.reached.finish() }
            return try await call()
        }
        for await _ in stop.arrival { break }
        do { try await meanwhile() } catch {
            stop.release()
            _ = await task.result
            throw error
        }
        stop.release()
        return try await task.value
    }
}

/// Where a body waits once.
private final class StopPoint: Sendable {
    let arrival: AsyncStream<Void>
    let reached: AsyncStream<Void>.Continuation
    private let gate = DispatchSemaphore(value: 0)
    private let state = Locked((runs: 0, hasPaused: false))

    init() { (arrival, reached) = AsyncStream.makeStream() }

    var runs: Int { state.withLock { $0.runs } }
    func countRun() { state.withLock { $0.runs += 1 } }
    func release() { gate.signal() }

    func pause() {
        let mustWait = state.withLock { state in
            defer { state.hasPaused = true }
            return !state.hasPaused
        }
        guard mustWait else { return }
        reached.yield()
        gate.wait()
    }
}

private final class OwnThreads: TaskExecutor {
    private let queue = DispatchQueue(label: "interleaving")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
package struct SeededNumbers: RandomNumberGenerator, Sendable {
    private var state: UInt64
    package init(seed: UInt64) { state = seed }
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
