import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Access

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
