import Access
import Logging
import Metadata
import Namespace
import StorageModel
import Testing

@testable import Node
@testable import StorageTestKit

/// Accounts come and go while requests are under way that were let in before: nothing is made in an account that is
/// gone. With the stores and the wiring of a node.
@Suite struct AccountLifeTests {
    private struct Fixture {
        let metadata = HeldMetadataStore()
        let access: AccessStore
        let namespace: Namespace
        let harbor: AccountName
        let box: ContainerAddress

        init(configured: [Account] = []) async throws {
            let world = TestWorld().world
            harbor = try AccountName(validating: "harbor")
            box = ContainerAddress(account: harbor, container: try ContainerName(validating: "box"))
            access = try await AccessStore.open(
                metadata: metadata, directory: AccountDirectory([]), configured: configured,
                defaults: AccountSwitches(), world: world,
                nodeKey: { _ throws(StorageFailure) in
                    guard let key = NodeKey(bytes: [UInt8](repeating: 7, count: 32)) else {
                        throw StorageFailure(.internal)
                    }
                    return key
                },
                removal: { name, transaction throws(StorageFailure) in
                    try Namespace.removeAccount(name, in: transaction)
                })
            var configuration = Namespace.Configuration()
            configuration.accountExists = NodeService.accountExists(configured: configured)
            namespace = Namespace(
                metadata: metadata, extents: InMemoryExtentStore(budgetBytes: 1 << 20, maximumExtentLength: 8),
                world: world, configuration: configuration,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }

        @discardableResult
        func createBox() async throws(StorageFailure) -> WriteReceipt {
            try await namespace.createContainer(box, metadata: .empty, publicAccess: nil)
        }

        func hasBox() async throws -> Bool {
            !(try await namespace.listContainers(of: harbor, prefix: "", position: nil, limit: 1).containers.isEmpty)
        }
    }

    @Test("while the answer to a removal is still on its way") func removed() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.access.createAccount(fixture.harbor)
        fixture.metadata.holdNext()
        async let removal: Void = fixture.access.deleteAccount(fixture.harbor)
        await fixture.metadata.waitUntilHolding()
        #expect(fixture.access[fixture.harbor] != nil, "requests are still let in")
        let container = await #expect(throws: StorageFailure.self) { try await fixture.createBox() }
        #expect(container?.code == .accountNotFound)
        let properties = await #expect(throws: StorageFailure.self) {
            try await fixture.namespace.setServiceProperties(ServiceProperties(), of: fixture.harbor)
        }
        #expect(properties?.code == .accountNotFound)
        fixture.metadata.release()
        try await removal
        // An account that is made later under the name begins empty, and works.
        _ = try await fixture.access.createAccount(fixture.harbor)
        #expect(try await !fixture.hasBox())
        try await fixture.createBox()
        #expect(try await fixture.hasBox())
    }

    @Test("a removal sees a container whose answer is still on its way") func created() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.access.createAccount(fixture.harbor)
        fixture.metadata.holdNext()
        async let creation = fixture.createBox()
        await fixture.metadata.waitUntilHolding()
        await #expect(throws: AccessFailure.refused(.accountNotEmpty)) {
            try await fixture.access.deleteAccount(fixture.harbor)
        }
        fixture.metadata.release()
        _ = try await creation
        #expect(try await fixture.hasBox())
    }

    @Test("when both are under way at once, one of them is refused") func atOnce() async throws {
        for _ in 0..<100 {
            let fixture = try await Fixture()
            _ = try await fixture.access.createAccount(fixture.harbor)
            async let removal = Self.succeeds { try await fixture.access.deleteAccount(fixture.harbor) }
            async let creation = Self.succeeds { try await fixture.createBox() }
            let (isRemoved, isCreated) = await (removal, creation)
            #expect(isRemoved != isCreated)
            #expect(try await fixture.hasBox() == isCreated)
        }
    }

    @Test("a container is made in the eyes of a removal that commits first") func conflict() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.access.createAccount(fixture.harbor)
        let (name, exists) = (fixture.harbor, NodeService.accountExists(configured: []))
        // What creation reads: a removal behind it must make it run again.
        let (committed, runs) = try await MetadataInterleaving.transact(fixture.metadata) {
            transaction, pause throws(StorageFailure) in
            let found = try exists(name, transaction)
            pause()
            transaction.set([0x7A], [])
            return found
        } meanwhile: {
            try await fixture.access.deleteAccount(name)
        }
        #expect(!committed.result && runs == 2)
    }

    @Test("accounts of the configuration are always there") func configured() async throws {
        let name = try AccountName(validating: "harbor")
        let fixture = try await Fixture(configured: [Account(name: name, keys: [[1, 2, 3]])])
        try await fixture.createBox()
        #expect(try await fixture.hasBox())
    }

    private static func succeeds(_ body: () async throws -> some Any) async -> Bool {
        do {
            _ = try await body()
            return true
        } catch { return false }
    }
}
