import StorageModel

/// The result of a job that somebody else runs: it comes once, and one party takes it, before or after.
final class PendingJob: Sendable {
    typealias Outcome = Result<Void, StorageFailure>
    private enum State {
        case running
        case awaited(@Sendable (Outcome) -> Void)
        case finished(Outcome)
    }
    private let state = Locked(State.running)

    func finish(_ outcome: Outcome) {
        let taker: (@Sendable (Outcome) -> Void)? = state.withLock { state in
            if case .awaited(let taker) = state { return taker }
            state = .finished(outcome)
            return nil
        }
        taker?(outcome)
    }

    /// Calls the taker with the outcome, at once when it is there.
    func whenFinished(_ taker: @escaping @Sendable (Outcome) -> Void) {
        let outcome: Outcome? = state.withLock { state in
            if case .finished(let outcome) = state { return outcome }
            state = .awaited(taker)
            return nil
        }
        if let outcome { taker(outcome) }
    }

    func wait() async throws(StorageFailure) {
        let outcome = await withCheckedContinuation { continuation in
            whenFinished { continuation.resume(returning: $0) }
        }
        try outcome.get()
    }
}
