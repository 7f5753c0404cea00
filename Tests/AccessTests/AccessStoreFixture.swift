import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Access

/// A store of accounts over the in-memory twin, with faults at hand.
struct AccessStoreFixture {
    let world: TestWorld
    let metadata: InMemoryMetadataStore
    let faulty: FaultyMetadataStore
    let directory: AccountDirectory
    let store: AccessStore

    static let keyBytes = [UInt8](repeating: 7, count: 32)
    static let harbor = name("harbor")
    static let quarry = name("quarry")
    static let oid = "00000000-0000-0000-0000-0000000000aa"
    static let tid = "00000000-0000-0000-0000-0000000000bb"

    static func name(_ text: String) -> AccountName {
        do { return try AccountName(validating: text) } catch { preconditionFailure("\(error)") }
    }

    static func start(
        on metadata: InMemoryMetadataStore = InMemoryMetadataStore(), world: TestWorld = TestWorld(),
        configured: [Account] = [], defaults: AccountSwitches = AccountSwitches(), nodeKey: [UInt8] = keyBytes,
        isEmpty: Bool = true
    ) async throws -> AccessStoreFixture {
        let faulty = FaultyMetadataStore(metadata)
        let directory = AccountDirectory([])
        let store = try await AccessStore.open(
            metadata: faulty, directory: directory, configured: configured, defaults: defaults, world: world.world,
            nodeKey: { _ throws(StorageFailure) in
                guard let key = NodeKey(bytes: nodeKey) else { throw StorageFailure(.invalidInput) }
                return key
            },
            removal: { _, _ throws(StorageFailure) in isEmpty })
        faulty.reset()
        return AccessStoreFixture(
            world: world, metadata: metadata, faulty: faulty, directory: directory, store: store)
    }

    /// What a start after a crash right now would find.
    func restarted(configured: [Account] = [], defaults: AccountSwitches = AccountSwitches()) async throws -> Self {
        try await Self.start(
            on: metadata.crashed(), world: world, configured: configured, defaults: defaults)
    }

    /// Whether key `number` of the account is this one, as a request would find out.
    func signs(_ bytes: [UInt8], _ number: Int, _ name: AccountName = harbor) -> Bool {
        guard let key = directory[name]?.keys.first(where: { $0.number == number }) else { return false }
        return key.mac.verifies(AccountKey(bytes: bytes).sign([1, 2, 3]), of: [1, 2, 3])
    }
}

/// All of an account that can be compared.
struct AccountSight: Equatable, CustomStringConvertible {
    var keys: [String]
    var switches: AccountSwitches
    var limits: AccountLimits
    var roles: [RoleAssignment]
    var epoch: UInt64
    var isConfigured: Bool

    init?(_ account: Account?) {
        guard let account else { return nil }
        keys = account.keys.map(\.auditName)
        switches = account.switches
        limits = account.limits
        roles = account.roles.assignments
        epoch = account.delegationEpoch
        isConfigured = account.isConfigured
    }

    var description: String { "\(keys) \(switches) \(limits) \(roles) \(epoch)" }
}
