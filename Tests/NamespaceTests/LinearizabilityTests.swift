import Namespace
import StorageModel
import StorageTestKit
import Testing

/// The checker itself: histories that are right are called right, and histories with a lie in them are not.
@Suite struct LinearizabilityTests {
    typealias Event = ModelHistory.Event

    static let container = NamespaceFixture.container("hot").container
    static let at = ModelAddress(container: container, blob: NamespaceFixture.blob("x").blob)
    static let judge: Linearizability = {
        let fixture = NamespaceFixture()
        return Linearizability(NamespaceSubject(fixture.namespace, clock: fixture.world))
    }()
    /// A container with nothing in it.
    static let empty: ModelStore = {
        var model = ModelStore(now: TestWorld.start)
        _ = model.apply(.createContainer(container, .empty), ModelReceipt(version: Version(1)))
        model.newest = Version(1)
        return model
    }()

    static func put(_ bytes: [UInt8], _ version: UInt64, _ invoked: Int, _ returned: Int, held: Guard = .none) -> Event
    {
        var receipt = ModelReceipt(version: Version(version))
        receipt.modified = TestWorld.start.seconds
        return Event(
            client: 0, invoked: invoked, returned: returned,
            operation: .putBlob(at, bytes, BlobAttributes(), held), outcome: .done(receipt))
    }

    static func get(_ bytes: [UInt8], _ version: UInt64, _ invoked: Int, _ returned: Int) -> Event {
        var sight = BlobSight(
            version: Version(version), createdOn: TestWorld.start.seconds, modified: TestWorld.start.seconds,
            length: Int64(bytes.count), headers: ContentHeaders(), lease: "available")
        (sight.metadata, sight.tagCount, sight.showsCopy) = ([], 0, false)
        return Event(
            client: 1, invoked: invoked, returned: returned, operation: .read(.get(at, nil, .none)),
            outcome: .done(ModelReceipt(seeing: .blob(sight, range: nil, bytes: bytes))))
    }

    static func refused(_ operation: ModelOperation, _ code: StorageFailure.Code, _ invoked: Int, _ returned: Int)
        -> Event
    {
        Event(
            client: 2, invoked: invoked, returned: returned, operation: operation,
            outcome: .refused(ModelRefusal("\(code)")))
    }

    static func delete(_ invoked: Int, _ returned: Int) -> Event {
        Event(
            client: 3, invoked: invoked, returned: returned, operation: .delete(at, .none),
            outcome: .done(ModelReceipt()))
    }

    private func verdict(_ events: [Event]) -> Linearizability.Verdict {
        Self.judge.judge(events.sorted { $0.invoked < $1.invoked }, from: Self.empty)
    }

    private func isRed(_ events: [Event]) -> Bool {
        if case .violated = verdict(events) { true } else { false }
    }

    @Test func histories() {
        // One after the other.
        #expect(verdict([Self.put([1], 2, 1, 2), Self.get([1], 2, 3, 4)]) == .linearizable)
        // A read that overlaps a write may see it or not.
        #expect(verdict([Self.put([1], 2, 1, 2), Self.put([2], 3, 3, 6), Self.get([1], 2, 4, 5)]) == .linearizable)
        #expect(verdict([Self.put([1], 2, 1, 2), Self.put([2], 3, 3, 6), Self.get([2], 3, 4, 5)]) == .linearizable)
        // The order of two overlapping writes is that of their versions, not of their invocations.
        #expect(verdict([Self.put([1], 3, 1, 6), Self.put([2], 2, 2, 5), Self.get([1], 3, 7, 8)]) == .linearizable)
        // A read before anything was there.
        #expect(
            verdict([Self.refused(.read(.get(Self.at, nil, .none)), .blobNotFound, 1, 4), Self.put([1], 2, 2, 3)])
                == .linearizable)
        #expect(verdict([]) == .linearizable)
    }

    @Test func staleRead() {
        #expect(isRed([Self.put([1], 2, 1, 2), Self.put([2], 3, 3, 4), Self.get([1], 2, 5, 6)]))
        // New, then old again: each alone overlaps the write, both together contradict each other.
        #expect(
            isRed([
                Self.put([1], 2, 1, 2), Self.put([2], 3, 3, 10), Self.get([2], 3, 4, 5), Self.get([1], 2, 6, 7),
            ]))
        #expect(isRed([Self.put([1], 2, 1, 2), Self.refused(.read(.get(Self.at, nil, .none)), .blobNotFound, 3, 4)]))
    }

    @Test func lostUpdate() {
        // Two writes on the condition that the blob is still version 2: one of them must be refused.
        let held = Guard(conditions: Conditions(ifMatch: .versions([Version(2)])))
        let events = [Self.put([1], 2, 1, 2), Self.put([2], 3, 3, 6, held: held), Self.put([3], 4, 4, 5, held: held)]
        #expect(isRed(events))
        let refused = Self.refused(.putBlob(Self.at, [3], BlobAttributes(), held), .preconditionFailed, 4, 5)
        #expect(verdict([events[0], events[1], refused]) == .linearizable)
        // A create-only write that succeeds on top of another.
        let create = Guard(conditions: Conditions(ifNoneMatch: .any))
        #expect(isRed([Self.put([1], 2, 1, 3, held: create), Self.put([2], 3, 2, 4, held: create)]))
    }

    @Test func versions() {
        // The same ETag for two contents.
        #expect(isRed([Self.put([1], 2, 1, 2), Self.put([2], 2, 3, 4)]))
        // An ETag that goes back.
        #expect(isRed([Self.put([1], 3, 1, 2), Self.put([2], 2, 3, 4)]))
        // Bytes of one write under the ETag of another.
        #expect(isRed([Self.put([1], 2, 1, 4), Self.put([2], 3, 2, 3), Self.get([1], 3, 5, 6)]))
    }

    @Test func leases() {
        // Two clients that both got the lease, each with an id of its own.
        func acquire(_ id: String, seeing version: UInt64 = 2, _ invoked: Int, _ returned: Int) -> Event {
            var receipt = ModelReceipt(version: Version(version), lease: LeaseID(stored: id))
            receipt.modified = TestWorld.start.seconds
            return Event(
                client: 4, invoked: invoked, returned: returned,
                operation: .leaseBlob(Self.at, .acquire(duration: .infinite, proposed: nil), .none),
                outcome: .done(receipt))
        }
        let first = acquire("11111111-aaaa-4aaa-8aaa-aaaaaaaaaaaa", 3, 5)
        let put = Self.put([1], 2, 1, 2)
        #expect(verdict([put, first]) == .linearizable)
        #expect(isRed([put, first, acquire("22222222-aaaa-4aaa-8aaa-aaaaaaaaaaaa", 4, 6)]))
        // A write without the lease's id while it is held.
        #expect(isRed([put, first, Self.put([2], 3, 6, 7)]))
        let overlapping = Self.put([2], 3, 3, 7)
        #expect(
            verdict([put, overlapping, acquire("33333333-aaaa-4aaa-8aaa-aaaaaaaaaaaa", seeing: 3, 4, 6)])
                == .linearizable)
    }

    @Test func deletes() {
        #expect(verdict([Self.put([1], 2, 1, 2), Self.delete(3, 4)]) == .linearizable)
        #expect(isRed([Self.put([1], 2, 1, 2), Self.delete(3, 4), Self.delete(5, 6)]))
        #expect(isRed([Self.put([1], 2, 1, 2), Self.delete(3, 4), Self.get([1], 2, 5, 6)]))
    }

    /// A search that gives up has not found the history right.
    @Test func boundedSearch() {
        var judge = Self.judge
        judge.maximumSteps = 3
        let events = (0..<4).map { Self.put([UInt8($0)], UInt64(5 - $0), $0 + 1, $0 + 10) }
        #expect(judge.judge(events, from: Self.empty) == .undecided(steps: 4))
        #expect(verdict(events) == .linearizable)
    }

    // MARK: - Listings

    private func list(_ entries: [(String, UInt64)], _ invoked: Int, _ returned: Int) -> Event {
        let page = entries.map { name, version in
            ModelSight.PageEntry.blob(
                name: Array(name.utf8),
                BlobSight(
                    version: Version(version), createdOn: 0, modified: 0, length: 1, headers: ContentHeaders(),
                    lease: "available"))
        }
        return Event(
            client: 5, invoked: invoked, returned: returned, operation: .read(.list(Self.container, ModelListing())),
            outcome: .done(ModelReceipt(seeing: .page(page, hasMore: false))))
    }

    @Test func listings() {
        let source = NamespaceFixture.blob("source").blob
        func problem(_ events: [Event], _ listing: Event) -> String? {
            ListingRule(events, standing: [source: Version(1)]).problem(listing)
        }
        let put = Self.put([1], 2, 1, 2)
        #expect(problem([put], list([("source", 1), ("x", 2)], 3, 4)) == nil)
        #expect(problem([put], list([("source", 1)], 3, 4)) == "x: is missing")
        #expect(problem([put], list([("x", 2)], 3, 4)) == "source: is missing")
        #expect(problem([put], list([("x", 2), ("source", 1)], 3, 4)) == "source stands after x")
        #expect(problem([put], list([("source", 1), ("x", 2), ("x", 2)], 3, 4)) == "x stands after x")
        #expect(problem([put], list([("source", 1), ("x", 3)], 3, 4))?.contains("nobody has written") == true)
        let deleted = [put, Self.delete(3, 4)]
        #expect(problem(deleted, list([("source", 1)], 5, 6)) == nil)
        #expect(problem(deleted, list([("source", 1), ("x", 2)], 5, 6)) == "x: is listed after its deletion")
        // While the deletion is under way both are right.
        let deleting = [put, Self.delete(3, 8)]
        #expect(problem(deleting, list([("source", 1)], 5, 6)) == nil)
        #expect(problem(deleting, list([("source", 1), ("x", 2)], 5, 6)) == nil)
    }
}
