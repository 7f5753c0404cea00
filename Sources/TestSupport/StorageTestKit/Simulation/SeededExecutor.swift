package import StorageModel

#if canImport(Glibc)
    import Glibc
#endif

/// Runs all tasks of a simulation one job at a time on one thread, and is their clock and their chance.
///
/// Which of the jobs that could run runs next is drawn from the seed, and so is everything else that is drawn; time
/// stands still but for what each job is said to cost, and jumps to the next timer when nothing can run. So one seed is
/// one history. Tasks come here by their executor preference, which child tasks inherit; whatever escapes to another
/// thread is noticed when it comes back, or when nothing is left to run.
package final class SeededExecutor: TaskExecutor {
    /// How jobs are chosen, so that some seeds starve old work and others the new.
    private enum Order: UInt64, CaseIterable { case uniform, newestFirst, oldestFirst }

    private struct Timer {
        var id: UInt64
        var due: Int64
        var continuation: UnsafeContinuation<Void, Never>
    }

    private struct State {
        var nanoseconds: Int64
        var numbers: SeededNumbers
        var order: Order
        var ready: [UnownedJob] = []
        var timers: [Timer] = []
        var nextTimer: UInt64 = 0
        var jobs = 0
        var trace: SimulationTrace
        var failure: String?
        var thread: pthread_t?
    }

    /// No run of a sound store comes near: a run that does is going round in circles.
    private static let maximumJobs = 4_000_000

    private let state: Locked<State>
    private let isDone = Locked(false)

    package init(seed: UInt64, trace: SimulationTrace) {
        var numbers = SeededNumbers(seed: seed)
        let order = Order.allCases[Int(numbers.next() % UInt64(Order.allCases.count))]
        state = Locked(
            State(nanoseconds: TestWorld.start.nanoseconds, numbers: numbers, order: order, trace: trace))
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { state in
            state.ready.append(job)
            if let thread = state.thread, pthread_equal(thread, pthread_self()) == 0, state.failure == nil {
                state.failure = "a job came from another thread: something runs outside of the simulation"
            }
        }
    }

    /// Runs `body` and everything that it starts to the end, on the caller's thread.
    package func run(_ body: @escaping @Sendable () async -> Void) {
        state.withLock { $0.thread = pthread_self() }
        Task(executorPreference: self) { [self] in
            await body()
            isDone.withLock { $0 = true }
        }
        while !isDone.withLock({ $0 }) {
            let (job, due, isOver) = state.withLock { state in Self.choose(&state) }
            if isOver { return }
            if let job { job.runSynchronously(on: asUnownedTaskExecutor()) }
            due?.resume()
        }
    }

    /// One thing that can go on: a job, or a timer that is due.
    private static func choose(
        _ state: inout State
    ) -> (job: UnownedJob?, timer: UnsafeContinuation<Void, Never>?, isOver: Bool) {
        if state.failure != nil { return (nil, nil, true) }
        state.jobs += 1
        guard state.jobs < maximumJobs else {
            state.failure = "the run does not end: \(maximumJobs) jobs"
            return (nil, nil, true)
        }
        var due = state.timers.indices.filter { state.timers[$0].due <= state.nanoseconds }
        if state.ready.isEmpty, due.isEmpty {
            guard let next = state.timers.map(\.due).min() else {
                state.failure = "nothing can run and no timer is set: a task waits for ever"
                return (nil, nil, true)
            }
            state.nanoseconds = next
            due = state.timers.indices.filter { state.timers[$0].due <= next }
        }
        let draw = state.numbers.next()
        let count = state.ready.count + due.count
        var index = Int((draw >> 32) % UInt64(count))
        if state.order != .uniform, draw & 3 != 0 { index = state.order == .newestFirst ? count - 1 : 0 }
        state.nanoseconds += Int64((draw >> 8) % 20_000)
        state.trace.note(UInt64(index), UInt64(count))
        if index < due.count {
            // Timers before jobs: what was due has waited longer.
            return (nil, state.timers.remove(at: due[index]).continuation, false)
        }
        return (state.ready.remove(at: index - due.count), nil, false)
    }

    // MARK: Time

    package var now: Timestamp { state.withLock { Timestamp(nanoseconds: $0.nanoseconds) } }

    /// Waits without an end before its time.
    package func wait(nanoseconds: Int64) async {
        await withUnsafeContinuation { continuation in
            _ = state.withLock { Self.add(continuation, after: nanoseconds, &$0) }
        }
    }

    private static func add(
        _ continuation: UnsafeContinuation<Void, Never>, after nanoseconds: Int64, _ state: inout State
    ) -> UInt64 {
        defer { state.nextTimer += 1 }
        state.timers.append(
            Timer(id: state.nextTimer, due: state.nanoseconds + max(0, nanoseconds), continuation: continuation))
        return state.nextTimer
    }

    /// Waits like `Task.sleep`: a cancelled task waits no longer.
    package func sleep(nanoseconds: Int64) async throws {
        let timer = Locked<UInt64?>(nil)
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume()
                } else {
                    let id = state.withLock { Self.add(continuation, after: nanoseconds, &$0) }
                    timer.withLock { $0 = id }
                }
            }
        } onCancel: {
            guard let id = timer.withLock({ $0 }) else { return }
            let waiting = state.withLock { state -> UnsafeContinuation<Void, Never>? in
                guard let index = state.timers.firstIndex(where: { $0.id == id }) else { return nil }
                return state.timers.remove(at: index).continuation
            }
            waiting?.resume()
        }
        try Task.checkCancellation()
    }

    /// A place where others may run: often nothing, else a turn, a moment or, now and then, more than a second.
    package func pause() async {
        let draw = draw()
        switch draw & 15 {
        case 0..<5: return
        case 5..<12: await wait(nanoseconds: 0)
        case 12..<15: await wait(nanoseconds: Int64((draw >> 8) % 3_000_000))
        default: await wait(nanoseconds: Int64((draw >> 8) % 1_500_000_000))
        }
    }

    // MARK: Chance

    package func draw() -> UInt64 { state.withLock { $0.numbers.next() } }
    package func below(_ bound: Int) -> Int { Int((draw() >> 16) % UInt64(bound)) }
    package func happens(_ percent: Int) -> Bool { below(100) < percent }
    package func pick<Element>(_ from: [Element]) -> Element { from[below(from.count)] }
    package func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: draw() >> 24) } }

    // MARK: What happened

    /// Ends the run: the first reason counts.
    package func fail(_ reason: @autoclosure () -> String) {
        state.withLock { state in if state.failure == nil { state.failure = reason() } }
    }

    /// Part of the history that two runs of one seed share.
    package func note(_ event: StaticString, _ first: UInt64 = 0, _ detail: @autoclosure () -> String = "") {
        state.withLock { state in
            state.trace.note(event, first, at: state.nanoseconds - TestWorld.start.nanoseconds, detail())
        }
    }

    package var failure: String? { state.withLock { $0.failure } }
    package var jobs: Int { state.withLock { $0.jobs } }
    package var traceHash: UInt64 { state.withLock { $0.trace.hash } }
}
