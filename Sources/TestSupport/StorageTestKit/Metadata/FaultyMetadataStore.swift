package import Metadata
package import StorageModel

/// Lets one chosen call fail, before or after it took effect, and counts all of them: for walks that let the n-th
/// backend call of an operation fail, for every n.
package final class FaultyMetadataStore: MetadataStore {
    package enum Call: Hashable, Sendable {
        case read, transact, checkpoint
    }

    package enum Moment: Hashable, Sendable, CaseIterable {
        /// The call fails and nothing has happened.
        case before
        /// The call fails, but its effect is there: the caller cannot know.
        case after
    }

    private struct State {
        var calls: [Call] = []
        var fault: (calls: Range<Int>, moment: Moment, failure: StorageFailure)?
        var hasFailed = false
    }

    private let base: any MetadataStore
    private let state = Locked(State())

    package init(_ base: any MetadataStore) { self.base = base }

    /// Starts counting anew; the `number`-th call from here (the first is 1) fails, and so do those behind it, `count`
    /// together.
    package func failCall(
        _ number: Int, count: Int = 1, _ moment: Moment,
        with failure: StorageFailure = StorageFailure(.unavailable, cause: "injected")
    ) {
        state.withLock { $0 = State(fault: (number..<number + count, moment, failure)) }
    }

    /// Starts counting anew; nothing fails.
    package func reset() { state.withLock { $0 = State() } }

    /// The calls since the last `failCall` or `reset`.
    package var calls: [Call] { state.withLock { $0.calls } }
    /// Whether the chosen call was reached.
    package var hasFailed: Bool { state.withLock { $0.hasFailed } }

    package func read<Result: Sendable>(
        _ access: ReadAccess, _ body: @escaping @Sendable (any MetadataReader) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Result {
        let fault = note(.read)
        if let fault, fault.moment == .before { throw fault.failure }
        let result = try await base.read(access, body)
        if let fault { throw fault.failure }
        return result
    }

    package func transact<Result: Sendable>(
        _ body: @escaping @Sendable (any MetadataTransaction) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Committed<Result> {
        let fault = note(.transact)
        if let fault, fault.moment == .before { throw fault.failure }
        let committed = try await base.transact(body)
        if let fault { throw fault.failure }
        return committed
    }

    package func checkpoint(to directory: String) async throws(StorageFailure) {
        let fault = note(.checkpoint)
        if let fault, fault.moment == .before { throw fault.failure }
        try await base.checkpoint(to: directory)
        if let fault { throw fault.failure }
    }

    package func close() async { await base.close() }

    /// Counts a call and answers how it is to fail, if it is the chosen one.
    private func note(_ call: Call) -> (moment: Moment, failure: StorageFailure)? {
        state.withLock { state in
            state.calls.append(call)
            guard let fault = state.fault, fault.calls.contains(state.calls.count) else { return nil }
            state.hasFailed = true
            return (fault.moment, fault.failure)
        }
    }
}
