import Dispatch
import StorageModel
import StorageTestKit
import Testing

/// The namespace under simulation: see docs/reliability/simulation.md. `make simulate` runs many more seeds.
@Suite struct SimulationTests {
    @Test func twoHundredSeeds() {
        for seed in 1...200 as ClosedRange<UInt64> {
            let report = Simulation.run(seed: seed)
            if let failure = report.failure {
                // A debug build, as this one: another build has other jobs and so another history.
                let command = "swift run simulate --seed \(seed) --steps \(Simulation.defaultSteps) --trace"
                Issue.record("\(failure); repeat with: \(command)")
                return
            }
        }
    }

    /// One seed is one history, event by event; another seed is another one.
    @Test func aSeedRepeatsExactly() {
        for seed in [3, 17, 99] as [UInt64] {
            let (first, second) = (Locked<[String]>([]), Locked<[String]>([]))
            let one = Simulation.run(seed: seed) { line in first.withLock { $0.append(line) } }
            let two = Simulation.run(seed: seed) { line in second.withLock { $0.append(line) } }
            #expect(one.traceHash == two.traceHash, "seed \(seed)")
            #expect(first.withLock { $0 } == second.withLock { $0 }, "seed \(seed)")
            #expect(one.traceHash != Simulation.run(seed: seed + 1).traceHash, "seed \(seed)")
        }
    }

    /// What the runs are for does come to pass.
    @Test func runsAreRich() {
        var crashes = 0
        var faults = 0
        let events = Locked<Set<String>>([])
        for seed in 1...40 as ClosedRange<UInt64> {
            let report = Simulation.run(seed: seed) { line in
                let words = line.split(separator: " ", omittingEmptySubsequences: true)
                if words.count > 2 { _ = events.withLock { $0.insert(String(words[2])) } }
            }
            crashes += report.crashes
            faults += report.faults
        }
        #expect(crashes > 20 && faults > 20)
        let expected: Set<String> = [
            "life", "kill", "fault", "request", "answer", "refusal", "read", "body", "commit", "conflict", "sealed",
            "free", "swept", "log",
        ]
        #expect(expected.subtracting(events.withLock { $0 }) == [])
    }

    /// A task that nobody will resume is a finding, and the run does not hang.
    @Test func aForgottenTaskIsNoticed() {
        let executor = SeededExecutor(seed: 1, trace: SimulationTrace())
        executor.run { await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in } }
        #expect(executor.failure?.contains("waits for ever") == true)
    }

    /// Work on another thread is a finding when it comes back: its moment is not drawn from the seed.
    @Test func escapedWorkIsNoticed() {
        let executor = SeededExecutor(seed: 1, trace: SimulationTrace())
        let waiting = Locked<UnsafeContinuation<Void, Never>?>(nil)
        executor.run {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    await withUnsafeContinuation { continuation in waiting.withLock { $0 = continuation } }
                }
                while waiting.withLock({ $0 == nil }) { await executor.wait(nanoseconds: 1) }
                Self.resumeElsewhere(waiting)
            }
        }
        #expect(executor.failure?.contains("another thread") == true)
    }

    /// Returns when another thread has resumed the task.
    private static func resumeElsewhere(_ waiting: Locked<UnsafeContinuation<Void, Never>?>) {
        let done = DispatchSemaphore(value: 0)
        DispatchQueue.global().async {
            waiting.withLock { $0 }?.resume()
            done.signal()
        }
        done.wait()
    }

    /// Timers fire in the order of their times, and the clock jumps to them.
    @Test func timeIsVirtual() {
        let executor = SeededExecutor(seed: 5, trace: SimulationTrace())
        let order = Locked<[Int]>([])
        executor.run {
            await withTaskGroup(of: Void.self) { group in
                for seconds in [3_600, 60, 86_400] {
                    group.addTask {
                        await executor.wait(nanoseconds: Int64(seconds) * 1_000_000_000)
                        order.withLock { $0.append(seconds) }
                    }
                }
            }
        }
        #expect(order.withLock { $0 } == [60, 3_600, 86_400])
        #expect(executor.now.seconds - TestWorld.start.seconds == 86_400)
        #expect(executor.failure == nil)
    }

    @Test func aCancelledSleepEnds() {
        let executor = SeededExecutor(seed: 6, trace: SimulationTrace())
        let wasCancelled = Locked(false)
        executor.run {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    do { try await executor.sleep(nanoseconds: 1 << 60) } catch { wasCancelled.withLock { $0 = true } }
                }
                await executor.wait(nanoseconds: 1_000)
                group.cancelAll()
            }
        }
        #expect(wasCancelled.withLock { $0 })
        #expect(executor.now.seconds - TestWorld.start.seconds < 2)
    }
}
