package import Metadata
package import StorageModel

/// A store whose next commit is done, but answered only when the test says so.
package final class HeldMetadataStore: MetadataStore {
    private struct State {
        var holdsNext = false
        var isHolding = false
        var waiters: [CheckedContinuation<Void, Never>] = []
        var held: CheckedContinuation<Void, Never>?
    }

    package let base = InMemoryMetadataStore()
    private let state = Locked(State())

    package init() {}

    package func holdNext() { state.withLock { $0.holdsNext = true } }

    /// Returns when a commit is held.
    package func waitUntilHolding() async {
        await withCheckedContinuation { continuation in
            let isHolding = state.withLock { state in
                if !state.isHolding { state.waiters.append(continuation) }
                return state.isHolding
            }
            if isHolding { continuation.resume() }
        }
    }

    package func release() {
        let held = state.withLock { state in
            defer { state.held = nil }
            return state.held
        }
        held?.resume()
    }

    package func transact<Result: Sendable>(
        _ body: @escaping @Sendable (any MetadataTransaction) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Committed<Result> {
        let committed = try await base.transact(body)
        let holds = state.withLock { state in
            defer { state.holdsNext = false }
            return state.holdsNext
        }
        guard holds else { return committed }
        await withCheckedContinuation { continuation in
            let waiters = state.withLock { state in
                (state.held, state.isHolding) = (continuation, true)
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }
        return committed
    }

    package func read<Result: Sendable>(
        _ access: ReadAccess, _ body: @escaping @Sendable (any MetadataReader) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Result { try await base.read(access, body) }
    package func checkpoint(to directory: String) async throws(StorageFailure) {
        try await base.checkpoint(to: directory)
    }
    package func close() async { await base.close() }
}
