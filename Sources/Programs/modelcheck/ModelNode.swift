import Access
import AzureBlob
import AzureWire
import FrontDoor
import Logging
import NIOCore
import Namespace
import Node
import Observability
import StorageModel
import StorageTestKit

/// A node in this process whose clock the check holds in its hand: real stores in a directory of their own, or in-memory
/// twins; the namespace over them; on request the Blob protocol behind a port.
final class ModelNode: Sendable {
    /// Time of the stores' contents, of leases and of signatures. The front door's timeouts run on the system's clock.
    let clock: TestWorld
    let namespace: Namespace
    private let stores: NodeStores?
    private let door: FrontDoor?
    let port: Int
    private let spare = Locked(ModelNode.accounts)

    static let key = Array("0123456789abcdef0123456789abcdef".utf8)
    /// Each sequence has an account of its own, so that it finds an empty store.
    static let accounts = 20_000

    static func account(_ number: Int) -> AccountName {
        NamespaceFixture.account("model\(number % accounts)")
    }

    enum Stores: Sendable {
        case inMemory
        /// Without syncs: this check is about answers, not about power loss.
        case onDisk(directory: String)
    }

    init(_ kind: Stores, seed: UInt64, serves: Bool) async throws {
        clock = TestWorld(seed: seed)
        var configuration = Namespace.Configuration()
        // Small bodies shall take every path: some stay with the name, most go to extents.
        configuration.inlineLimit = 16
        let logger = Logger(label: "model check") { _ in SwiftLogNoOpLogHandler() }
        switch kind {
        case .inMemory:
            var options = NamespaceFixture.Options()
            options.inlineLimit = configuration.inlineLimit
            stores = nil
            namespace = NamespaceFixture(options, world: clock).namespace
        case .onDisk(let directory):
            let values = try SettingValues(
                flags: [.data: [directory], .durability: ["relaxed"], .accounts: ["model:MDEyMzQ1Njc4OWFiY2RlZg=="]],
                environment: [:],
                file: nil)
            let opened = try NodeStores.open(try NodeConfiguration(values), world: .system)
            stores = opened
            namespace = Namespace(
                metadata: opened.metadata, extents: opened.extents, world: clock.world, configuration: configuration,
                logger: logger)
        }
        guard serves else {
            (door, port) = (nil, 0)
            return
        }
        let directory = AccountDirectory((0..<Self.accounts).map { Account(name: Self.account($0), keys: [Self.key]) })
        let service = AzureBlobService(
            namespace: namespace, accounts: directory,
            configuration: AzureBlobService.Configuration(world: clock.world), logger: logger)
        let metrics = MetricRegistry()
        let door = FrontDoor(
            FrontDoor.Configuration(
                name: "blob", host: "127.0.0.1", port: 0, world: .system, logger: logger, metrics: metrics,
                audit: try AuditLog(.none, metrics: metrics)),
            service: service)
        port = try await door.start().port ?? 0
        self.door = door
    }

    func subject(account number: Int) throws -> any ModelSubject {
        let name = Self.account(number)
        guard door != nil else { return NamespaceSubject(namespace, clock: clock, account: name) }
        return try HTTPSubject(
            port: port, account: .init(name: name, key: AccountKey(bytes: Self.key)), namespace: namespace, clock: clock
        )
    }

    /// An account that no sequence has used: counted from the end.
    func freshAccount() -> Int {
        spare.withLock { spare in
            spare -= 1
            return spare
        }
    }

    /// Takes apart what was deleted, so that a long run does not fill the disk.
    func collect() async throws {
        while try await namespace.reapTrash() {}
        try await namespace.trimChangeLog()
    }

    func close() async {
        await door?.shutdown(grace: .seconds(1))
        await stores?.close()
    }
}
