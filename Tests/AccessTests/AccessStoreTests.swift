import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Access

@Suite("The store of accounts") struct AccessStoreTests {
    private typealias Fixture = AccessStoreFixture
    private let harbor = AccessStoreFixture.harbor

    private func refusal(_ body: () async throws -> Void) async -> AccessRefusal? {
        do { try await body() } catch {
            if case .refused(let refusal)? = error as? AccessFailure { return refusal }
        }
        return nil
    }

    @Test("an account is made with two keys of 64 bytes that sign, also after a restart")
    func create() async throws {
        let fixture = try await Fixture.start()
        let account = try await fixture.store.createAccount(harbor)
        #expect(account.keys.map(\.number) == [1, 2])
        let keys = try await fixture.store.revealKeys(of: harbor)
        #expect(keys.map(\.bytes.count) == [64, 64] && keys[0].bytes != keys[1].bytes)
        #expect(keys.map(\.createdAt) == [TestWorld.start, TestWorld.start])
        let again = try await fixture.restarted()
        for key in keys {
            #expect(fixture.signs(key.bytes, key.number))
            #expect(again.signs(key.bytes, key.number))
        }
        #expect(AccountSight(fixture.directory[harbor]) == AccountSight(again.directory[harbor]))
        #expect(await refusal { _ = try await fixture.store.createAccount(harbor) } == .accountExists)
    }

    @Test("given keys are taken, and nothing stored shows them") func givenKeys() async throws {
        let fixture = try await Fixture.start()
        let secret = Array("a secret of sixteen bytes or more".utf8)
        _ = try await fixture.store.createAccount(harbor, keys: [secret])
        #expect(fixture.signs(secret, 1))
        #expect(fixture.directory[harbor]?.keys.count == 1)
        for entry in fixture.metadata.contents {
            #expect(!entry.value.contains(secret) && !entry.key.contains(secret))
        }
        #expect(!fixture.metadata.contents.isEmpty)
    }

    @Test("rotation replaces one key, and the other goes on", arguments: [1, 2])
    func rotate(number: Int) async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(harbor)
        let old = try await fixture.store.revealKeys(of: harbor)
        fixture.world.advance(seconds: 60)
        let fresh = try await fixture.store.rotateKey(number, of: harbor)
        #expect(fixture.signs(fresh.bytes, number))
        #expect(!fixture.signs(old[number - 1].bytes, number))
        let other = 3 - number
        #expect(fixture.signs(old[other - 1].bytes, other))
        let now = try await fixture.store.revealKeys(of: harbor)
        #expect(now.map(\.number) == [1, 2])
        #expect(now[number - 1].createdAt == TestWorld.start.adding(seconds: 60))
        #expect(now[other - 1].createdAt == TestWorld.start)
        #expect(try await fixture.restarted().signs(fresh.bytes, number))
    }

    @Test("an account with one key gets its second by rotation; there is no third")
    func secondKey() async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(harbor, keys: [[UInt8](repeating: 1, count: 16)])
        _ = try await fixture.store.rotateKey(2, of: harbor)
        #expect(fixture.directory[harbor]?.keys.map(\.number) == [1, 2])
        for number in [0, 3] {
            #expect(
                await refusal { _ = try await fixture.store.rotateKey(number, of: harbor) }
                    == .noSuchKey)
        }
    }

    @Test("switches and limits count at once and stay; what is not set follows the node's defaults")
    func change() async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(harbor)
        var change = AccountChange(isEnabled: false)
        change.allowsSharedKey = false
        change.minimumTLS = .tls13
        change.accountLimits.bytesPerSecond = .at(1 << 40)
        change.principalLimits.requestsPerSecond = .at(5)
        _ = try await fixture.store.changeAccount(harbor, change)
        for (directory, allowsPublicAccess) in [
            (fixture.directory, false),
            (try await fixture.restarted(defaults: AccountSwitches(allowsPublicAccess: true)).directory, true),
        ] {
            let account = try #require(directory[harbor])
            #expect(!account.switches.isEnabled && !account.switches.allowsSharedKey)
            #expect(account.switches.allowsSharedAccessSignatures)
            #expect(account.switches.minimumTLS == .tls13)
            #expect(account.switches.allowsPublicAccess == allowsPublicAccess)
            #expect(account.limits.account == RequestLimits(bytesPerSecond: 1 << 40))
            #expect(account.limits.principal == RequestLimits(requestsPerSecond: 5))
        }
        var lift = AccountChange()
        lift.accountLimits.bytesPerSecond = .unlimited
        lift.allowsPublicAccess = false
        let account = try await fixture.store.changeAccount(harbor, lift)
        #expect(account.limits.account.isEmpty && account.limits.principal.requestsPerSecond == 5)
        let open = try await fixture.restarted(defaults: AccountSwitches(allowsPublicAccess: true))
        #expect(open.directory[harbor]?.switches.allowsPublicAccess == false, "set explicitly")
    }

    @Test("an account with containers stays; an empty one goes with its roles, and its name can be used again")
    func delete() async throws {
        let full = try await Fixture.start(isEmpty: false)
        _ = try await full.store.createAccount(harbor)
        #expect(
            await refusal { try await full.store.deleteAccount(harbor) } == .accountNotEmpty
        )
        #expect(full.directory[harbor] != nil)

        let fixture = try await Fixture.start()
        let first = try await fixture.store.createAccount(harbor)
        _ = try await fixture.store.assignRole(
            .owner, to: .object(Fixture.oid), tenant: nil, scope: .account, in: harbor)
        try await fixture.store.deleteAccount(harbor)
        #expect(fixture.directory[harbor] == nil)
        #expect(fixture.metadata.contents.isEmpty)
        #expect(try await fixture.restarted().directory.names.isEmpty)
        let second = try await fixture.store.createAccount(harbor)
        #expect(second.roles.assignments.isEmpty)
        #expect(second.delegationEpoch != first.delegationEpoch, "earlier user delegation keys stay void")
        #expect(fixture.directory[harbor] != nil)
    }

    @Test("what is not there cannot be changed") func missing() async throws {
        let fixture = try await Fixture.start()
        let store = fixture.store
        let calls: [@Sendable () async throws -> Void] = [
            { try await store.deleteAccount(harbor) },
            { _ = try await store.changeAccount(harbor, AccountChange(isEnabled: true)) },
            { _ = try await store.rotateKey(1, of: harbor) },
            { _ = try await store.revealKeys(of: harbor) },
            { _ = try await store.revokeDelegationKeys(harbor) },
            {
                _ = try await store.assignRole(
                    .reader, to: .object(Fixture.oid), tenant: nil, scope: .account, in: harbor)
            },
            { try await store.removeRole("id", in: harbor) },
        ]
        for (index, call) in calls.enumerated() {
            #expect(await refusal(call) == .noSuchAccount, "call \(index)")
        }
        #expect(fixture.metadata.contents.isEmpty)
    }

    @Test("roles come and go; the same one twice is refused") func roles() async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(harbor)
        let box = try ContainerName(validating: "box")
        let scopes: [RoleAssignment.Scope] = [.account, .container(box), .prefix(box, "models/"), .prefix(box, "ä/")]
        let assignees: [RoleAssignment.Assignee] = [
            .object(Fixture.oid), .application(Fixture.oid), .group(Fixture.oid),
        ]
        var made: [RoleAssignment] = []
        for scope in scopes {
            for assignee in assignees {
                for tenant in [nil, Fixture.tid] {
                    made.append(
                        try await fixture.store.assignRole(
                            .contributor, to: assignee, tenant: tenant, scope: scope, in: harbor))
                }
            }
        }
        made.sort { $0.id < $1.id }
        #expect(Set(made.map(\.id)).count == made.count)
        #expect(fixture.directory[harbor]?.roles.assignments == made)
        #expect(try await fixture.restarted().directory[harbor]?.roles.assignments == made)
        let twice = await refusal {
            _ = try await fixture.store.assignRole(
                .contributor, to: .group(Fixture.oid), tenant: nil, scope: .account, in: harbor)
        }
        let known = made.first { $0.assignee == .group(Fixture.oid) && $0.tenant == nil && $0.scope == .account }
        #expect(try twice == .assignmentExists(id: #require(known).id))
        let gone = made.removeFirst()
        try await fixture.store.removeRole(gone.id, in: harbor)
        #expect(fixture.directory[harbor]?.roles.assignments == made)
        #expect(
            await refusal { try await fixture.store.removeRole(gone.id, in: harbor) }
                == .noSuchAssignment)
        #expect(try await fixture.restarted().directory[harbor]?.roles.assignments == made)
    }

    @Test("every role survives a restart as itself", arguments: Role.allCases) func everyRole(role: Role) async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(harbor)
        _ = try await fixture.store.assignRole(role, to: .object(Fixture.oid), tenant: nil, scope: .account, in: harbor)
        #expect(try await fixture.restarted().directory[harbor]?.roles.assignments.map(\.role) == [role])
        for text in [role.shortName, role.rawValue, role.definitionID, role.rawValue.uppercased()] {
            #expect(Role(naming: text) == role)
        }
        #expect(Role(naming: "Storage Blob Data") == nil)
    }

    @Test("revoking delegation keys changes the epoch, and with it every derived key") func revoke() async throws {
        let fixture = try await Fixture.start()
        let before = try await fixture.store.createAccount(harbor).delegationEpoch
        let after = try await fixture.store.revokeDelegationKeys(harbor).delegationEpoch
        #expect(after == before + 1)
        #expect(try await fixture.restarted().directory[harbor]?.delegationEpoch == after)
        let keys = [before, after].map { epoch in
            fixture.store.userDelegationKey(
                of: Identity(tenantID: Fixture.tid, objectID: Fixture.oid), account: harbor, start: TestWorld.start,
                expiry: TestWorld.start.adding(seconds: 60), service: "b", version: "2023-11-03", epoch: epoch)
        }
        #expect(keys[0] != keys[1])
    }

    @Test("configured accounts keep their keys in the configuration, and their settings here")
    func configured() async throws {
        let secret = [UInt8](repeating: 9, count: 32)
        let given = Account(
            name: harbor, keys: [secret], switches: AccountSwitches(allowsPublicAccess: true))
        let fixture = try await Fixture.start(configured: [given])
        #expect(fixture.metadata.contents.isEmpty)
        #expect(fixture.directory[harbor]?.isConfigured == true)
        let store = fixture.store
        let refused: [@Sendable () async throws -> Void] = [
            { _ = try await store.rotateKey(1, of: harbor) },
            { _ = try await store.revealKeys(of: harbor) },
            { try await store.deleteAccount(harbor) },
        ]
        for call in refused { #expect(await refusal(call) == .accountIsConfigured) }
        #expect(await refusal { _ = try await store.createAccount(harbor) } == .accountExists)
        var change = AccountChange()
        change.requiresTLS = true
        _ = try await store.changeAccount(harbor, change)
        let epoch = try await store.revokeDelegationKeys(harbor).delegationEpoch
        _ = try await store.assignRole(.reader, to: .object(Fixture.oid), tenant: nil, scope: .account, in: harbor)
        for entry in fixture.metadata.contents { #expect(!entry.value.contains(secret)) }

        let again = try await fixture.restarted(configured: [given])
        let account = try #require(again.directory[harbor])
        #expect(again.signs(secret, 1))
        #expect(account.isConfigured && account.switches.requiresTLS && account.switches.allowsPublicAccess)
        #expect(account.delegationEpoch == epoch && account.roles.assignments.count == 1)
        #expect(try await fixture.restarted().directory.names.isEmpty, "without its keys it is no account")
        // A new account of that name begins without the roles of the configured one.
        let alone = try await fixture.restarted()
        #expect(try await alone.store.createAccount(harbor).roles.assignments.isEmpty)
        #expect(try await alone.restarted().directory[harbor]?.roles.assignments.isEmpty == true)
    }

    @Test("configured keys stand before stored ones of the same name, even when the node key is another")
    func configuredOverStored() async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(harbor)
        let secret = [UInt8](repeating: 9, count: 32)
        let again = try await Fixture.start(
            on: fixture.metadata, configured: [Account(name: harbor, keys: [secret])],
            nodeKey: [UInt8](repeating: 8, count: 32))
        #expect(again.signs(secret, 1))
        #expect(again.directory[harbor]?.keys.count == 1)
    }

    @Test("another node key does not open the store, and says so") func otherNodeKey() async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(harbor)
        let failure = await #expect(throws: StorageFailure.self) {
            _ = try await Fixture.start(on: fixture.metadata, nodeKey: [UInt8](repeating: 8, count: 32))
        }
        #expect(failure?.detail?.contains("node key") == true)
    }

    @Test("the node key is asked for with word whether sealed keys need it") func nodeKeyNeeded() async throws {
        let fixture = try await Fixture.start(configured: [Account(name: Fixture.quarry, keys: [[1]])])
        _ = try await fixture.store.revokeDelegationKeys(Fixture.quarry)
        for (isMade, isConfigured) in [(false, false), (true, false), (false, true)] {
            if isMade { _ = try await fixture.store.createAccount(harbor) }
            let isNeeded = isMade
            let asked = Locked<Bool?>(nil)
            _ = try await AccessStore.open(
                metadata: fixture.metadata, directory: AccountDirectory([]),
                configured: isConfigured ? [Account(name: harbor, keys: [[1]])] : [],
                defaults: AccountSwitches(), world: fixture.world.world,
                nodeKey: { needed throws(StorageFailure) in
                    asked.withLock { $0 = needed }
                    return NodeKey(bytes: Fixture.keyBytes) ?? { preconditionFailure() }()
                },
                removal: { _, _ throws(StorageFailure) in true })
            #expect(asked.withLock { $0 } == isNeeded)
        }
    }
}
