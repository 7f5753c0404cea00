import StorageModel

/// Happens once; tasks and threads can wait for it.
final class Signal: Sendable {
    private struct State {
        var hasFired = false
        var waiters: [@Sendable () -> Void] = []
    }
    private let state = Locked(State())

    func fire() {
        let waiters = state.withLock { state in
            state.hasFired = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter() }
    }

    var hasFired: Bool { state.withLock { $0.hasFired } }

    func wait() async {
        await withCheckedContinuation { continuation in onFire { continuation.resume() } }
    }

    /// Blocks the thread.
    func waitBlocking() {
        let wakeUp = WaitingQueue<Void>(capacity: 1)
        onFire { _ = wakeUp.push(()) }
        _ = wakeUp.take(count: 1)
    }

    private func onFire(_ body: @escaping @Sendable () -> Void) {
        let hasFired = state.withLock { state in
            if !state.hasFired { state.waiters.append(body) }
            return state.hasFired
        }
        if hasFired { body() }
    }
}
