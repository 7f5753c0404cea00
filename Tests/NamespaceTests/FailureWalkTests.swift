import Extents
import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// Every durable operation with its n-th backend call failing, for every n: wholly there or wholly absent, as reported,
/// and nothing left over after a restart.
@Suite struct FailureWalkTests {
    typealias Fixture = NamespaceFixture
    static let a = Fixture.blob("a")
    static let other = Fixture.container("other")

    struct Operation: Sendable, CustomStringConvertible {
        var description: String
        /// Brings a started fixture into the state in which the operation is interesting.
        var prepare: @Sendable (NamespaceFixture) async throws -> Void = { _ in }
        var run: @Sendable (NamespaceFixture) async throws -> Void
        /// Doing it again after it was done fails with this.
        var repeated: StorageFailure.Code?
    }

    enum Fault: CaseIterable {
        /// Nothing has happened, and the caller is told so.
        case refused
        /// Nothing has happened; the caller cannot know.
        case lostBefore
        /// It has happened; the caller cannot know.
        case lostAfter

        var failure: StorageFailure { StorageFailure(self == .refused ? .outOfSpace : .unavailable, cause: "injected") }
    }

    static let attributes = BlobAttributes(
        metadata: Fixture.metadata(("k", "v")), tags: Fixture.tags(("t", "1")), tier: .cool)

    @Sendable static func everything(_ fixture: NamespaceFixture) async throws {
        try await fixture.put("a", Fixture.bytes(100), attributes: attributes)
        try await fixture.stage("a", "AAAA", Fixture.bytes(40, salt: 1))
        try await fixture.stage("a", "BBBB", Fixture.bytes(30, salt: 2))
    }

    @Sendable static func blocks(_ fixture: NamespaceFixture) async throws {
        try await fixture.stage("a", "CCCC", Fixture.bytes(50))
        try await fixture.stage("a", "DDDD", Fixture.bytes(20))
        try await fixture.commit("a", BlockTests.latest("CCCC", "DDDD"), attributes: attributes)
        try await fixture.stage("a", "AAAA", Fixture.bytes(40, salt: 1))
        try await fixture.stage("a", "BBBB", Fixture.bytes(30, salt: 2))
    }

    static func put(_ length: Int) -> Operation {
        Operation(description: "Put Blob of \(length)", run: { try await $0.put("a", Fixture.bytes(length, salt: 5)) })
    }
    static func replace(_ length: Int) -> Operation {
        Operation(
            description: "Put Blob of \(length) over another", prepare: everything,
            run: { try await $0.put("a", Fixture.bytes(length, salt: 5)) })
    }
    static func copy(_ length: Int) -> Operation {
        Operation(
            description: "Copy of \(length)",
            prepare: {
                try await $0.put("source", Fixture.bytes(length, salt: 6), attributes: attributes)
                try await everything($0)
            },
            run: {
                _ = try await $0.namespace.copyBlob(
                    to: a, copying("source", tags: .copy, recordsCopy: false), guard: .none)
            })
    }
    static func slice(_ length: Int) -> Operation {
        Operation(
            description: "Put Block From URL of \(length)",
            prepare: { try await $0.put("source", Fixture.bytes(length)) },
            run: {
                _ = try await $0.namespace.putBlockFromBlob(
                    a, id: BlockID(text: "AAAA"), source: Fixture.blob("source"),
                    range: RangeRequest(first: 3, last: nil),
                    sourceConditions: .none, expectedMD5: nil, expectedCRC64: nil, lease: nil)
            })
    }

    static let operations: [Operation] = [
        put(0), put(10), put(50), put(9_000), replace(0), replace(10), replace(50), copy(10), copy(30), copy(9_000),
        slice(10), slice(60), slice(9_000),
        Operation(description: "Put Block", run: { try await $0.stage("a", "AAAA", Fixture.bytes(50)) }),
        Operation(
            description: "Put Block over another", prepare: everything,
            run: { try await $0.stage("a", "AAAA", Fixture.bytes(50)) }),
        Operation(
            description: "Put Block List", prepare: blocks,
            run: { try await $0.commit("a", BlockTests.latest("AAAA", "CCCC", "AAAA")) }),
        Operation(
            description: "Put Block List, empty", prepare: blocks, run: { try await $0.commit("a", []) }),
        Operation(
            description: "Set Metadata", prepare: everything,
            run: { _ = try await $0.namespace.setMetadata(a, Fixture.metadata(("new", "1")), guard: .none) }),
        Operation(
            description: "Set Properties", prepare: everything,
            run: { _ = try await $0.namespace.setProperties(a, ContentHeaders(contentType: "x/y"), guard: .none) }),
        Operation(
            description: "Set Tags", prepare: everything,
            run: { try await $0.namespace.setTags(a, Fixture.tags(("u", "2")), guard: .none) }),
        Operation(
            description: "Set Tier", prepare: everything,
            run: { _ = try await $0.namespace.setTier(a, .cold, priority: nil, guard: .none) }),
        Operation(
            description: "Lease", prepare: everything,
            run: {
                _ = try await $0.namespace.leaseBlob(
                    a, .acquire(duration: .infinite, proposed: LeaseTableTests.a), conditions: .none)
            }),
        Operation(
            description: "Delete", prepare: everything, run: { try await $0.delete("a") }, repeated: .blobNotFound),
        Operation(
            description: "Delete of staged blocks", prepare: { try await $0.stage("a", "AAAA", Fixture.bytes(50)) },
            run: { try await $0.delete("a") }, repeated: .blobNotFound),
        Operation(
            description: "Create Container",
            run: { _ = try await $0.namespace.createContainer(other, metadata: .empty, publicAccess: nil) },
            repeated: .containerAlreadyExists),
        Operation(
            description: "Delete Container", prepare: everything,
            run: { try await $0.namespace.deleteContainer(Fixture.container, guard: .none) },
            repeated: .containerNotFound),
        Operation(
            description: "Set Container Metadata",
            run: {
                _ = try await $0.namespace.setContainerMetadata(
                    Fixture.container, Fixture.metadata(("k", "v")), guard: .none)
            }),
        Operation(
            description: "Expiry",
            prepare: {
                try await everything($0)
                $0.world.advance(seconds: Limits.uncommittedBlockLifetimeSeconds + 1)
            },
            run: { try await $0.namespace.expireStagedBlocks() }),
        Operation(
            description: "Reaping",
            prepare: {
                try await everything($0)
                // Two manifest pages.
                try await $0.put("a", Fixture.bytes(8_200))
                _ = try await $0.namespace.copyBlob(to: Fixture.blob("copy"), copying("a"), guard: .none)
                try await $0.delete("a")
                try await $0.stage("copy", "AAAA", Fixture.bytes(20))
                try await $0.put("copy", Fixture.bytes(30))
            },
            run: { try await $0.reap() }),
        Operation(
            description: "Reaping a container",
            prepare: {
                try await everything($0)
                try await $0.put("b", Fixture.bytes(30), attributes: attributes)
                try await $0.stage("staged", "AAAA", Fixture.bytes(20))
                try await $0.namespace.deleteContainer(Fixture.container, guard: .none)
            },
            run: { try await $0.reap() }),
    ]

    @Test(arguments: operations) func metadataCalls(operation: Operation) async throws {
        let (old, new) = try await Self.endpoints(operation)
        for fault in Fault.allCases {
            for number in 1... {
                let fixture = try await Self.prepared(operation)
                fixture.faultyMetadata.failCall(
                    number, fault == .lostAfter ? .after : .before, with: fault.failure)
                let error = await Self.run(operation, fixture)
                let reached = fixture.faultyMetadata.hasFailed
                fixture.faultyMetadata.reset()
                guard reached else {
                    #expect(error == nil && number > 1)
                    break
                }
                try await Self.expect(
                    operation, old, new, after: error, fault, leavesNothing: fault == .refused, in: fixture,
                    "\(operation): metadata call \(number) \(fault)")
            }
        }
    }

    @Test(arguments: operations) func extentCalls(operation: Operation) async throws {
        let (old, new) = try await Self.endpoints(operation)
        for fault in Fault.allCases {
            for number in 0... {
                // Calls by the thousand, one for each extent, are all alike.
                if number > 12 { break }
                let fixture = try await Self.prepared(operation)
                fixture.faultyExtents.arm(
                    .init(call: number, timing: fault == .lostAfter ? .after : .before, failure: fault.failure))
                let error = await Self.run(operation, fixture)
                let calls = fixture.faultyExtents.calls
                let reached = fixture.faultyExtents.hasFailed
                fixture.faultyExtents.arm(nil)
                guard reached else { break }
                try await Self.expect(
                    operation, old, new, after: error, fault,
                    leavesNothing: fault == .refused && calls[number] != .free, in: fixture,
                    "\(operation): extent call \(number) (\(calls[number])) \(fault)")
            }
        }
    }

    private static func prepared(_ operation: Operation) async throws -> NamespaceFixture {
        let fixture = try await Fixture.started()
        try await operation.prepare(fixture)
        return fixture
    }

    private static func run(_ operation: Operation, _ fixture: NamespaceFixture) async -> StorageFailure? {
        do {
            try await operation.run(fixture)
            return nil
        } catch { return error as? StorageFailure ?? StorageFailure(.internal, cause: "\(error)") }
    }

    /// What anybody can see before and after the operation.
    private static func endpoints(_ operation: Operation) async throws -> (old: [String], new: [String]) {
        let fixture = try await prepared(operation)
        let old = try await visible(fixture)
        try await operation.run(fixture)
        return (old, try await visible(fixture))
    }

    private static func expect(
        _ operation: Operation, _ old: [String], _ new: [String], after error: StorageFailure?, _ fault: Fault,
        leavesNothing: Bool, in fixture: NamespaceFixture, _ comment: Comment
    ) async throws {
        let found = try await visible(fixture)
        #expect(found == old || found == new, comment)
        if error == nil { #expect(found == new, comment) }
        if let error, error.code == .outOfSpace, !operation.description.hasPrefix("Reaping"),
            operation.description != "Expiry"
        {
            #expect(found == old, comment)
        }
        if leavesNothing { #expect(leaked(fixture).isEmpty, comment) }

        let restarted = fixture.reopened()
        #expect(try await visible(restarted) == found, comment)
        try await restarted.namespace.sweepUnnamedExtents()
        #expect(leaked(restarted).isEmpty, comment)
        try await restarted.reap()
        #expect(try await visible(restarted) == found, comment)
        #expect(try await restarted.check().findings.isEmpty, comment)
        #expect(leaked(restarted).isEmpty, comment)
        // Doing it again does it.
        do {
            try await operation.run(restarted)
            #expect(try await visible(restarted) == new, comment)
        } catch { #expect(found == new && (error as? StorageFailure)?.code == operation.repeated, comment) }
        try await restarted.reap()
        #expect(try await restarted.check().findings.isEmpty, comment)
        #expect(leaked(restarted).isEmpty, comment)
        for container in [Fixture.container, other] {
            do { try await restarted.namespace.deleteContainer(container, guard: .none) } catch {
                #expect(error.code == .containerNotFound, comment)
            }
        }
        try await restarted.expectNothingLeft()
    }

    /// Stored extents that no record names.
    private static func leaked(_ fixture: NamespaceFixture) -> [Extent] {
        fixture.extents.leaked(
            named: fixture.metadata.contents.filter { $0.key[0] == Keys.Kind.extent.rawValue }.map {
                ExtentID(group: UInt64(bigEndianBytes: $0.key[1..<9]), position: UInt64(bigEndianBytes: $0.key[9...]))
            })
    }

    /// Everything that requests can see, but for versions and times.
    private static func visible(_ fixture: NamespaceFixture) async throws -> [String] {
        var lines: [String] = []
        let containers = try await fixture.namespace.listContainers(
            of: Fixture.account, prefix: "", position: nil, limit: 10)
        for container in containers.containers {
            lines.append("\(container.name) \(container.metadata.entries) \(container.lease)")
            let address = ContainerAddress(account: Fixture.account, container: container.name)
            let page = try await fixture.namespace.listBlobs(address, BlobListQuery(includesUncommitted: true))
            for entry in page.entries {
                lines.append(ListingTests.text(entry))
                guard case .blob(let name, let shown) = entry else { continue }
                let bytes = try await fixture.get(name, in: address)
                lines.append("\(bytes.hashValue) \(bytes.count) \(shown.length)")
                lines.append(
                    "\(shown.headers) \(shown.metadata.entries) \(shown.tags) \(String(describing: shown.tier)) \(shown.lease)"
                )
                let blocks = try await fixture.namespace.blockList(
                    Fixture.blob(name, in: address), kind: .all, guard: .none)
                lines.append("\(blocks.committed) \(blocks.uncommitted)")
            }
        }
        for key in ["t", "u"] {
            let found = try await fixture.namespace.findBlobs(
                of: Fixture.account, in: nil, filter: .compare(key: key, .greaterOrEqual, value: ""), position: nil,
                limit: 10)
            lines.append("\(key): \(found.matches.map(\.name))")
        }
        return lines
    }

    // MARK: - Reads

    /// A read that fails holds nothing afterwards.
    @Test(arguments: [10, 30, 9_000]) func reads(length: Int) async throws {
        for number in 1...3 {
            let fixture = try await Fixture.started()
            try await fixture.put("a", Fixture.bytes(length))
            fixture.faultyMetadata.failCall(number, .before)
            do { _ = try await fixture.get("a") } catch { #expect(error.code == .unavailable) }
            fixture.faultyMetadata.failCall(number, .before)
            do {
                let reading = try await fixture.namespace.openBlob(Self.a, range: nil, ifRange: nil, guard: .none)
                _ = try await Fixture.pull(reading.body)
            } catch { #expect(error.code == .unavailable) }
            fixture.faultyMetadata.reset()
            fixture.faultyExtents.arm(.init(call: number - 1, timing: .before))
            do { _ = try await fixture.get("a") } catch { #expect(error.code == .unavailable) }
            fixture.faultyExtents.arm(nil)
            try await fixture.expectNothingLeft(deleting: ["a"])
        }
    }

    // MARK: - Sweeping

    /// What failed uploads left is freed at the next start, and nothing that has a name.
    @Test func sweeping() async throws {
        for number in 0..<6 {
            let fixture = try await Fixture.started()
            try await fixture.put("named", Fixture.bytes(50))
            try await fixture.stage("staged", "AAAA", Fixture.bytes(50))
            try await fixture.put("dropped", Fixture.bytes(50))
            try await fixture.delete("dropped")
            fixture.faultyMetadata.failCall(2, .before)
            await NamespaceTests.expect(.unavailable) { try await fixture.put("lost", Fixture.bytes(50)) }
            #expect(Self.leaked(fixture).count == 7)
            let restarted = fixture.reopened()
            restarted.faultyExtents.arm(.init(call: number, timing: number % 2 == 0 ? .before : .after))
            do { try await restarted.namespace.sweepUnnamedExtents() } catch { #expect(error.code == .unavailable) }
            restarted.faultyExtents.arm(nil)
            // New bytes come in while the sweeper is at work.
            try await restarted.put("new", Fixture.bytes(60))
            try await restarted.namespace.sweepUnnamedExtents()
            #expect(Self.leaked(restarted).isEmpty)
            #expect(try await restarted.get("named") == Fixture.bytes(50))
            #expect(try await restarted.get("new") == Fixture.bytes(60))
            try await restarted.commit("staged", BlockTests.latest("AAAA"))
            #expect(try await restarted.get("staged") == Fixture.bytes(50))
            #expect(try await restarted.check().findings.isEmpty)
            try await restarted.expectNothingLeft(deleting: ["named", "staged", "new"])
        }
    }

    @Test func pairing() async throws {
        let fixture = try await Fixture.started()
        await NamespaceTests.expect(.unavailable) {
            try await fixture.namespace.pairWithExtentStore(id: "one", isEmpty: false)
        }
        try await fixture.namespace.pairWithExtentStore(id: "one", isEmpty: true)
        try await fixture.namespace.pairWithExtentStore(id: "one", isEmpty: false)
        await NamespaceTests.expect(.unavailable) {
            try await fixture.namespace.pairWithExtentStore(id: "two", isEmpty: true)
        }
        #expect(try await fixture.check().findings.isEmpty)
    }
}
