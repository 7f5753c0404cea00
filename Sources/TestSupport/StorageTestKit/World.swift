package import StorageModel

/// A world that a test holds in its hand: the clock stands still until it is moved, chance comes from a seed, and a sleep
/// moves no clock and lasts one yield.
package final class TestWorld: Sendable {
    private struct State {
        var nanoseconds: Int64
        var numbers: SeededNumbers
        var slept: [Duration] = []
    }
    private let state: Locked<State>

    /// 2024-03-01T12:00:00Z and a bit: tests that mix up seconds and nanoseconds shall fail.
    package static let start = Timestamp(nanoseconds: 1_709_294_400_123_456_700)
    /// So many sleeps are remembered.
    private static let sleepsKept = 1_000

    package init(seed: UInt64 = 1, start: Timestamp = TestWorld.start) {
        state = Locked(State(nanoseconds: start.nanoseconds, numbers: SeededNumbers(seed: seed)))
    }

    package var now: Timestamp { state.withLock { Timestamp(nanoseconds: $0.nanoseconds) } }

    package func advance(seconds: Int64) {
        state.withLock { $0.nanoseconds += seconds * 1_000_000_000 }
    }

    package func set(_ time: Timestamp) { state.withLock { $0.nanoseconds = time.nanoseconds } }

    /// What was slept, in order.
    package var slept: [Duration] { state.withLock { $0.slept } }

    package var world: World {
        World(
            now: { self.now },
            monotonicNanoseconds: { self.state.withLock { $0.nanoseconds } },
            randomBytes: { count in
                self.state.withLock { state in
                    (0..<count).map { _ in UInt8.random(in: 0...255, using: &state.numbers) }
                }
            },
            sleep: { duration in
                self.state.withLock { if $0.slept.count < Self.sleepsKept { $0.slept.append(duration) } }
                try Task.checkCancellation()
                await Task.yield()
            })
    }
}
