import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Access

@Suite("The store of accounts when things go wrong") struct AccessStoreFaultTests {
    private typealias Fixture = AccessStoreFixture

    struct Operation: Sendable, CustomStringConvertible {
        var description: String
        /// With the id of a role that somebody has in `harbor`.
        var run: @Sendable (AccessStore, _ role: String) async throws -> Void
    }

    static let operations: [Operation] = [
        Operation(description: "create") { store, _ in _ = try await store.createAccount(AccessStoreFixture.quarry) },
        Operation(description: "delete") { store, _ in try await store.deleteAccount(AccessStoreFixture.harbor) },
        Operation(description: "change") { store, _ in
            _ = try await store.changeAccount(AccessStoreFixture.harbor, AccountChange(isEnabled: false))
        },
        Operation(description: "rotate") { store, _ in _ = try await store.rotateKey(1, of: AccessStoreFixture.harbor)
        },
        Operation(description: "revoke") { store, _ in
            _ = try await store.revokeDelegationKeys(AccessStoreFixture.harbor)
        },
        Operation(description: "assign") { store, _ in
            _ = try await store.assignRole(
                .reader, to: .object(AccessStoreFixture.oid), tenant: nil, scope: .account,
                in: AccessStoreFixture.harbor)
        },
        Operation(description: "remove role") { store, role in
            try await store.removeRole(role, in: AccessStoreFixture.harbor)
        },
    ]

    private static func sights(_ fixture: AccessStoreFixture) -> [AccountName: AccountSight] {
        var sights: [AccountName: AccountSight] = [:]
        for name in fixture.directory.names { sights[name] = AccountSight(fixture.directory[name]) }
        return sights
    }

    @Test(
        "after a failed call the directory shows what could be read; done once more in the same process it is settled",
        arguments: operations, FaultyMetadataStore.Moment.allCases)
    func failedCall(operation: Operation, moment: FaultyMetadataStore.Moment) async throws {
        // Once the store can be read right after the failure, once it cannot.
        for count in 1...2 {
            #expect(try await walk(operation, moment, failing: count), "more calls than expected")
        }
    }

    /// Lets each call of the operation fail, with those behind it.
    /// - Returns: whether the walk came to its end.
    private func walk(
        _ operation: Operation, _ moment: FaultyMetadataStore.Moment, failing count: Int
    ) async throws -> Bool {
        for number in 1...10 {
            let fixture = try await Fixture.start()
            _ = try await fixture.store.createAccount(Fixture.harbor)
            let role = try await fixture.store.assignRole(
                .owner, to: .object(Fixture.oid), tenant: nil, scope: .account, in: Fixture.harbor)
            let before = Self.sights(fixture)
            fixture.faulty.failCall(number, count: count, moment)
            do {
                try await operation.run(fixture.store, role.id)
                #expect(!fixture.faulty.hasFailed)
                #expect(number > 1, "no call was reached")
                return true
            } catch { #expect(fixture.faulty.hasFailed) }
            fixture.faulty.reset()
            // Found after a restart: nothing of it, or all of it.
            let stored = Self.sights(try await fixture.restarted())
            #expect((stored == before) == (moment == .before))
            #expect(Self.sights(fixture) == (count == 1 ? stored : before))
            // It may be refused then, because it had been done.
            do { try await operation.run(fixture.store, role.id) } catch let failure as AccessFailure {
                guard case .refused = failure else { throw failure }
            }
            #expect(Self.sights(fixture) == Self.sights(try await fixture.restarted()))
        }
        return false
    }

    @Test("a start that cannot read does not begin") func failedStart() async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(Fixture.harbor)
        for entry in fixture.metadata.contents {
            let metadata = fixture.metadata.crashed()
            for broken in [[], [99] + entry.value.dropFirst(), Array(entry.value.dropLast()), entry.value + [0x5D]]
                as [[UInt8]]
            {
                _ = try await metadata.transact { transaction throws(StorageFailure) in
                    transaction.set(entry.key, broken)
                }
                let failure = await #expect(throws: StorageFailure.self) {
                    _ = try await Fixture.start(on: metadata)
                }
                #expect(failure?.code == .damaged)
            }
        }
    }

    @Test("fsck names every record that does not read", arguments: AccessKeys.Kind.allCases)
    func damage(kind: AccessKeys.Kind) async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(Fixture.harbor)
        _ = try await fixture.store.assignRole(
            .reader, to: .object(Fixture.oid), tenant: nil, scope: .account, in: Fixture.harbor)
        try await fixture.store.noteDelegator(
            Identity(tenantID: Fixture.tid, objectID: Fixture.oid), until: fixture.world.now.adding(seconds: 60))
        #expect(try await StoredAccess.damage(in: fixture.metadata).isEmpty)
        let entries = fixture.metadata.contents.filter { $0.key.first == kind.rawValue }
        let entry = try #require(entries.first)
        #expect(entries.count == 1)
        for broken in [[], [0], [99] + entry.value.dropFirst(), Array(entry.value.dropLast()), entry.value + [0x5D]]
            as [[UInt8]]
        {
            _ = try await fixture.metadata.transact { transaction throws(StorageFailure) in
                transaction.set(entry.key, broken)
            }
            let found = try await StoredAccess.damage(in: fixture.metadata)
            #expect(found.count == 1)
            #expect(found.first?.subject.contains(kind == .delegator ? Fixture.oid : "harbor") == true)
        }
        for key in [[kind.rawValue], [kind.rawValue, 0xFF], [kind.rawValue, 0, 0xFF]] as [[UInt8]] {
            _ = try await fixture.metadata.transact { transaction throws(StorageFailure) in
                transaction.set(entry.key, entry.value)
                transaction.set(key, entry.value)
            }
            #expect(try await StoredAccess.damage(in: fixture.metadata).count == 1, "\(key)")
            _ = try await fixture.metadata.transact { transaction throws(StorageFailure) in transaction.delete(key) }
        }
    }

    @Test("concurrent changes leave memory as the store has it") func concurrent() async throws {
        let fixture = try await Fixture.start()
        _ = try await fixture.store.createAccount(Fixture.harbor)
        let store = fixture.store
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<40 {
                group.addTask {
                    var change = AccountChange(isEnabled: index % 2 == 0)
                    change.accountLimits.requestsPerSecond = .at(Int64(index + 1))
                    _ = try await store.changeAccount(Fixture.harbor, change)
                }
                group.addTask { _ = try await store.rotateKey(1 + index % 2, of: Fixture.harbor) }
                group.addTask { _ = try await store.revokeDelegationKeys(Fixture.harbor) }
                group.addTask {
                    _ = try await store.assignRole(
                        .reader, to: .object("object \(index)"), tenant: nil, scope: .account, in: Fixture.harbor)
                }
            }
            try await group.waitForAll()
        }
        #expect(fixture.directory[Fixture.harbor]?.roles.assignments.count == 40)
        #expect(Self.sights(fixture) == Self.sights(try await fixture.restarted()))
    }
}

@Suite("Delegators") struct DelegatorTests {
    private typealias Fixture = AccessStoreFixture

    private func identity(_ number: Int = 0, groups: [String] = [], application: String? = "app") -> Identity {
        Identity(
            tenantID: Fixture.tid, objectID: "object-\(number)", applicationID: application, groups: groups,
            kind: .managedIdentity(resource: "/subscriptions/s"))
    }

    private func known(_ fixture: AccessStoreFixture, _ number: Int = 0) -> [Identity] {
        fixture.store.delegators(tenant: Fixture.tid, objectID: "object-\(number)")
    }

    @Test("are known until their key ends, also after a restart") func known() async throws {
        let fixture = try await Fixture.start()
        let end = fixture.world.now.adding(seconds: 60)
        try await fixture.store.noteDelegator(identity(groups: ["g1", "g2"]), until: end)
        for fixture in [fixture, try await fixture.restarted()] {
            let found = try #require(known(fixture).first)
            #expect(found == identity(groups: ["g1", "g2"]))
            #expect(found.kind == .managedIdentity(resource: "/subscriptions/s"))
            #expect(fixture.store.delegators(tenant: "other", objectID: "object-0").isEmpty)
            #expect(known(fixture, 1).isEmpty)
        }
        fixture.world.set(end)
        #expect(known(fixture).isEmpty)
        #expect(known(try await fixture.restarted()).isEmpty)
    }

    @Test("the last token counts, the longest key too, and what is known is not written again")
    func merged() async throws {
        let fixture = try await Fixture.start()
        let (near, far) = (fixture.world.now.adding(seconds: 60), fixture.world.now.adding(seconds: 600))
        try await fixture.store.noteDelegator(identity(groups: ["old"]), until: far)
        fixture.faulty.reset()
        try await fixture.store.noteDelegator(identity(groups: ["old"]), until: near)
        #expect(fixture.faulty.calls.isEmpty)
        try await fixture.store.noteDelegator(identity(groups: ["new"]), until: near)
        fixture.world.set(near)
        for fixture in [fixture, try await fixture.restarted()] {
            #expect(known(fixture) == [identity(groups: ["new"])])
        }
    }

    @Test("are one for each application, with the groups of its own last token") func applications() async throws {
        let fixture = try await Fixture.start()
        let until = fixture.world.now.adding(seconds: 60)
        let noted = [
            identity(groups: ["g1"], application: "one"), identity(groups: ["g2"], application: "two"),
            identity(groups: [], application: nil),
        ]
        for identity in noted { try await fixture.store.noteDelegator(identity, until: until) }
        for fixture in [fixture, try await fixture.restarted()] {
            let found = known(fixture).sorted { ($0.applicationID ?? "") < ($1.applicationID ?? "") }
            #expect(found == [noted[2], noted[0], noted[1]])
        }
    }

    @Test("are eight for each principal: the one whose key ends first makes room") func perPrincipal() async throws {
        let fixture = try await Fixture.start()
        let now = fixture.world.now
        try await fixture.store.noteDelegator(identity(1), until: now.adding(seconds: 1))
        // The third one ends first, then the others from the first on.
        for number in 0..<9 {
            let until = now.adding(seconds: number == 2 ? 10 : 100 + Int64(number))
            try await fixture.store.noteDelegator(identity(application: "app \(number)"), until: until)
        }
        // One that ends before all others is kept: its key is about to be given out.
        try await fixture.store.noteDelegator(identity(application: "app 9"), until: now.adding(seconds: 5))
        for fixture in [fixture, try await fixture.restarted()] {
            let applications = Set(known(fixture).map(\.applicationID))
            #expect(applications == Set([1, 3, 4, 5, 6, 7, 8, 9].map { "app \($0)" }))
            #expect(known(fixture, 1).count == 1)
            #expect(fixture.store.state.withLock { $0.delegators.count } == 9)
        }
        #expect(fixture.metadata.contents.count == 9)
    }

    @Test("expired ones leave memory and store when others come") func expired() async throws {
        let fixture = try await Fixture.start()
        for number in 0..<3 {
            try await fixture.store.noteDelegator(identity(number), until: fixture.world.now.adding(seconds: 10))
        }
        #expect(fixture.metadata.contents.count == 3)
        fixture.world.advance(seconds: 11)
        try await fixture.store.noteDelegator(identity(7), until: fixture.world.now.adding(seconds: 10))
        #expect(fixture.metadata.contents.count == 1)
        #expect(fixture.store.state.withLock { $0.delegators.count } == 1)
    }

    @Test("too many are refused, never dropped") func bounded() async throws {
        let fixture = try await Fixture.start()
        let until = fixture.world.now.adding(seconds: 60)
        fixture.store.state.withLock { state in
            for number in 0..<AccessStore.maximumDelegators {
                let id = DelegatorID(tenant: "t", object: "\(number)", application: "")
                state.delegators.set(
                    KnownDelegator(id, DelegatorRecord(identity(number), until: until)), for: id)
            }
        }
        let failure = await #expect(throws: StorageFailure.self) {
            try await fixture.store.noteDelegator(identity(), until: until)
        }
        #expect(failure?.code == .busy(retryAfterSeconds: 60))
        #expect(!fixture.store.delegators(tenant: "t", objectID: "0").isEmpty)
        fixture.world.advance(seconds: 61)
        try await fixture.store.noteDelegator(identity(), until: fixture.world.now.adding(seconds: 60))
    }

    @Test("a failed write is no knowledge", arguments: FaultyMetadataStore.Moment.allCases)
    func failed(moment: FaultyMetadataStore.Moment) async throws {
        let fixture = try await Fixture.start()
        fixture.faulty.failCall(1, moment)
        await #expect(throws: StorageFailure.self) {
            try await fixture.store.noteDelegator(identity(), until: fixture.world.now.adding(seconds: 60))
        }
        #expect(known(fixture).isEmpty)
    }
}
