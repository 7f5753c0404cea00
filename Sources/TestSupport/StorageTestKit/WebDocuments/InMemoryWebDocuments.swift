package import StorageModel
import WebDocuments

/// Documents that a test publishes. Fetches are counted, can be made to fail and can be held up.
package final class InMemoryWebDocuments: WebDocuments {
    private struct State {
        var documents: [String: [UInt8]] = [:]
        var fetched: [String] = []
        var isHeld = false
        var held: [CheckedContinuation<Void, Never>] = []
        var awaited: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }
    private let state = Locked(State())

    package init() {}

    /// `nil` takes it away.
    package func publish(_ document: [UInt8]?, at url: String) { state.withLock { $0.documents[url] = document } }

    /// The addresses that were asked for, in order.
    package var fetched: [String] { state.withLock { $0.fetched } }

    /// From now on a fetch is counted and then waits for `release`.
    package func hold() { state.withLock { $0.isHeld = true } }

    package func release() {
        let held = state.withLock { state in
            state.isHeld = false
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    /// Returns as soon as so many fetches have been begun.
    package func untilFetched(count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                guard state.fetched.count < count else { return true }
                state.awaited.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    package func fetch(_ url: String, limit: Int) async throws(StorageFailure) -> [UInt8] {
        let ready = state.withLock { state in
            state.fetched.append(url)
            let ready = state.awaited.filter { $0.count <= state.fetched.count }
            state.awaited.removeAll { $0.count <= state.fetched.count }
            return ready.map(\.continuation)
        }
        for continuation in ready { continuation.resume() }
        await withCheckedContinuation { continuation in
            let passes = state.withLock { state in
                guard state.isHeld else { return true }
                state.held.append(continuation)
                return false
            }
            if passes { continuation.resume() }
        }
        guard let document = state.withLock({ $0.documents[url] }), document.count <= limit else {
            throw StorageFailure(.unavailable, cause: "\(url): nothing to give")
        }
        return document
    }
}
