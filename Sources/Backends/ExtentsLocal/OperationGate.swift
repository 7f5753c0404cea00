import StorageModel

/// Lets operations through until the store closes, and lets `close` wait for those that are under way.
final class OperationGate: Sendable {
    private struct State {
        var isClosed = false
        var underWay = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Locked(State())

    /// Pair it with `leave`.
    func enter() throws(StorageFailure) {
        try state.withLock { state throws(StorageFailure) in
            guard !state.isClosed else {
                throw StorageFailure(.unavailable, detail: "The extent store is closed.")
            }
            state.underWay += 1
        }
    }

    /// For work that an operation under way hands on: allowed even when the gate has closed meanwhile.
    func enterAgain() { state.withLock { $0.underWay += 1 } }

    func leave() {
        let released = state.withLock { state in
            state.underWay -= 1
            guard state.underWay == 0, state.isClosed else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in released { waiter.resume() }
    }

    /// Answers whether this call closed the gate; either way nothing is under way any more when it returns.
    func close() async -> Bool {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if state.underWay > 0 { state.waiting.append(continuation) }
                return state.underWay == 0
            }
            if isIdle { continuation.resume() }
        }
        return isFirst
    }
}
