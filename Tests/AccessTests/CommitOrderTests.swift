import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Access

/// A store whose next commit is done, but answered only when the test says so.
private final class HeldMetadataStore: MetadataStore {
    private struct State {
        var holdsNext = false
        var isHolding = false
        var waiters: [CheckedContinuation<Void, Never>] = []
        var held: CheckedContinuation<Void, Never>?
    }

    private let base = InMemoryMetadataStore()
    private let state = Locked(State())

    func holdNext() { state.withLock { $0.holdsNext = true } }

    /// Returns when a commit is held.
    func waitUntilHolding() async {
        await withCheckedContinuation { continuation in
            let isHolding = state.withLock { state in
                if !state.isHolding { state.waiters.append(continuation) }
                return state.isHolding
            }
            if isHolding { continuation.resume() }
        }
    }

    func release() {
        let held = state.withLock { state in
            defer { state.held = nil }
            return state.held
        }
        held?.resume()
    }

    func transact<Result: Sendable>(
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

    func read<Result: Sendable>(
        _ access: ReadAccess, _ body: @escaping @Sendable (any MetadataReader) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Result { try await base.read(access, body) }
    func checkpoint(to directory: String) async throws(StorageFailure) { try await base.checkpoint(to: directory) }
    func close() async { await base.close() }
}

/// An answer that comes late must not put an older state over a newer one.
@Suite("Changes appear in the order of their commits") struct CommitOrderTests {
    private let harbor = AccessStoreFixture.harbor

    private func open(_ metadata: HeldMetadataStore, _ directory: AccountDirectory) async throws -> AccessStore {
        try await AccessStore.open(
            metadata: metadata, directory: directory, configured: [], defaults: AccountSwitches(),
            world: TestWorld().world,
            nodeKey: { _ throws(StorageFailure) in
                guard let key = NodeKey(bytes: AccessStoreFixture.keyBytes) else { throw StorageFailure(.internal) }
                return key
            },
            removal: { _, _ throws(StorageFailure) in true })
    }

    @Test("also when the earlier one is answered later") func changes() async throws {
        let (metadata, directory) = (HeldMetadataStore(), AccountDirectory([]))
        let store = try await open(metadata, directory)
        _ = try await store.createAccount(harbor)
        metadata.holdNext()
        async let first = store.changeAccount(harbor, AccountChange(isEnabled: false))
        await metadata.waitUntilHolding()
        _ = try await store.changeAccount(harbor, AccountChange(isEnabled: true))
        metadata.release()
        _ = try await first
        #expect(directory[harbor]?.switches.isEnabled == true)
    }

    @Test("and an account that is gone does not come back") func deletion() async throws {
        let (metadata, directory) = (HeldMetadataStore(), AccountDirectory([]))
        let store = try await open(metadata, directory)
        _ = try await store.createAccount(harbor)
        metadata.holdNext()
        async let first = store.changeAccount(harbor, AccountChange(isEnabled: true))
        await metadata.waitUntilHolding()
        try await store.deleteAccount(harbor)
        metadata.release()
        _ = try await first
        #expect(directory[harbor] == nil)
    }

    @Test("as do the groups of a delegator's tokens") func delegators() async throws {
        let metadata = HeldMetadataStore()
        let store = try await open(metadata, AccountDirectory([]))
        let until = TestWorld.start.adding(seconds: 60)
        metadata.holdNext()
        async let first: Void = store.noteDelegator(
            Identity(tenantID: "t", objectID: "o", groups: ["old"]), until: until)
        await metadata.waitUntilHolding()
        try await store.noteDelegator(Identity(tenantID: "t", objectID: "o", groups: ["new"]), until: until)
        metadata.release()
        try await first
        #expect(store.delegators(tenant: "t", objectID: "o").map(\.groups) == [["new"]])
    }
}
