package import Extents
package import NIOCore
package import StorageModel

/// Another store whose n-th call fails, before it has had its effect or after: then the effect is there and the caller
/// does not know. Counts and names all calls, so that a test can fail each of them in turn.
package final class FaultyExtentStore: ExtentStore {
    package enum Call: String, Sendable, Hashable {
        case openSink, append, seal, spans, read, free, closedGroups, keepOnly, verify
    }
    package enum Timing: Sendable, Hashable, CaseIterable { case before, after }
    package struct Fault: Sendable {
        /// Counted from 0 since the store was made or armed.
        package var call: Int
        package var timing: Timing
        package var failure: StorageFailure
        package init(
            call: Int, timing: Timing, failure: StorageFailure = StorageFailure(.unavailable, cause: "injected")
        ) {
            self.call = call
            self.timing = timing
            self.failure = failure
        }
    }
    private struct State {
        var calls: [Call] = []
        var fault: Fault?
        var hasFailed = false
    }

    private let inner: any ExtentStore
    private let state: Locked<State>

    package init(_ inner: any ExtentStore, fault: Fault? = nil) {
        self.inner = inner
        state = Locked(State(fault: fault))
    }

    /// The calls so far, in the order in which they began.
    package var calls: [Call] { state.withLock { $0.calls } }
    /// Whether the fault was reached.
    package var hasFailed: Bool { state.withLock { $0.hasFailed } }

    /// Counts anew and fails as told; `nil` fails no more.
    package func arm(_ fault: Fault?) { state.withLock { $0 = State(fault: fault) } }

    fileprivate func perform<Value>(
        _ call: Call, _ body: () async throws(StorageFailure) -> Value
    ) async throws(StorageFailure) -> Value {
        let fault: Fault? = state.withLock { state in
            defer { state.calls.append(call) }
            guard let fault = state.fault, fault.call == state.calls.count else { return nil }
            state.hasFailed = true
            return fault
        }
        if let fault, fault.timing == .before { throw fault.failure }
        let value = try await body()
        if let fault {
            // Nobody will ever hear of this sink, so nobody else could end it.
            if let sink = value as? any ExtentSink { await sink.discard() }
            throw fault.failure
        }
        return value
    }

    package var maximumExtentLength: Int { inner.maximumExtentLength }

    package func openSink(
        expectedLength: Int64?, observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    ) async throws(StorageFailure) -> any ExtentSink {
        let sink = try await perform(.openSink) { () async throws(StorageFailure) -> any ExtentSink in
            try await inner.openSink(expectedLength: expectedLength, observer: observer)
        }
        return FaultyExtentSink(sink, store: self)
    }

    package func spans(of extent: Extent, range: Range<Int>) async throws(StorageFailure) -> [FileSpan] {
        try await perform(.spans) { () async throws(StorageFailure) in
            try await inner.spans(of: extent, range: range)
        }
    }

    package func read(_ extent: Extent, range: Range<Int>) async throws(StorageFailure) -> ByteBuffer {
        try await perform(.read) { () async throws(StorageFailure) in try await inner.read(extent, range: range) }
    }

    package func free(_ extents: [Extent]) async throws(StorageFailure) {
        try await perform(.free) { () async throws(StorageFailure) in try await inner.free(extents) }
    }

    /// No call of its own: it goes on with one that was made, and fails never.
    package func finishFreeing() async -> Bool { await inner.finishFreeing() }

    package func closedGroups() async throws(StorageFailure) -> [UInt64] {
        try await perform(.closedGroups) { () async throws(StorageFailure) in try await inner.closedGroups() }
    }

    package func keepOnly(_ live: [Extent], inGroup group: UInt64) async throws(StorageFailure) -> Int64 {
        try await perform(.keepOnly) { () async throws(StorageFailure) in
            try await inner.keepOnly(live, inGroup: group)
        }
    }

    package func verify(_ extent: Extent) async throws(StorageFailure) -> ExtentHealth {
        try await perform(.verify) { () async throws(StorageFailure) in try await inner.verify(extent) }
    }

    package func usage() -> ExtentUsage { inner.usage() }

    package func close() async { await inner.close() }
}

private final class FaultyExtentSink: ExtentSink {
    private let inner: any ExtentSink
    private let store: FaultyExtentStore

    init(_ inner: any ExtentSink, store: FaultyExtentStore) {
        self.inner = inner
        self.store = store
    }

    func append(_ bytes: ByteBuffer) async throws(StorageFailure) {
        try await store.perform(.append) { () async throws(StorageFailure) in try await inner.append(bytes) }
    }

    func seal() async throws(StorageFailure) -> [Extent] {
        try await store.perform(.seal) { () async throws(StorageFailure) in try await inner.seal() }
    }

    func discard() async { await inner.discard() }
}
