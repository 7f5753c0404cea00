import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// The state tables of "Lease Blob" and "Lease Container", cell by cell, on both kinds of subject.
@Suite struct LeaseTableTests {
    enum Subject: CaseIterable { case blob, container }

    /// How the subject's lease A stands when the action comes.
    enum Start: CaseIterable {
        case available, leasedFixed, leasedInfinite, breaking, broken, expired
    }

    struct Row: CustomStringConvertible {
        var action: String
        /// In the order of `Start`.
        var expected: [Expected]
        var description: String { action }
    }

    enum Expected: Equatable {
        /// The state afterwards and the id that owns it.
        case state(LeaseView.State, LeaseID?)
        case stateAndTime(LeaseView.State, Int)
        case refused(StorageFailure.Code)
    }

    static let a = LeaseID(stored: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa")
    static let b = LeaseID(stored: "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb")
    static let c = LeaseID(stored: "cccccccc-cccc-4ccc-8ccc-cccccccccccc")
    /// Stands for the id that the node makes up.
    static let x = LeaseID(stored: "made up")

    static let present = Expected.refused(.leaseAlreadyPresent)
    static let mismatch = Expected.refused(.leaseIDMismatchWithLeaseOperation)
    static let absent = Expected.refused(.leaseNotPresentWithLeaseOperation)
    static let cannotAcquire = Expected.refused(.leaseIsBreakingAndCannotBeAcquired)
    static let cannotChange = Expected.refused(.leaseIsBreakingAndCannotBeChanged)
    static let cannotRenew = Expected.refused(.leaseIsBrokenAndCannotBeRenewed)
    static func leased(_ id: LeaseID) -> Expected { .state(.leased, id) }
    static func timed(_ state: LeaseView.State, _ seconds: Int) -> Expected { .stateAndTime(state, seconds) }
    static let free = Expected.state(.available, nil)

    static let actions: [(String, LeaseAction)] = [
        ("acquire", .acquire(duration: .seconds(40), proposed: nil)),
        ("acquire A", .acquire(duration: .seconds(40), proposed: a)),
        ("acquire B", .acquire(duration: .infinite, proposed: b)),
        ("break 0", .breakAfter(seconds: 0)),
        ("break 10", .breakAfter(seconds: 10)),
        ("break 60", .breakAfter(seconds: 60)),
        ("break", .breakAfter(seconds: nil)),
        ("change A to B", .change(a, proposed: b)),
        ("change B to A", .change(b, proposed: a)),
        ("change B to C", .change(b, proposed: c)),
        ("renew A", .renew(a)),
        ("renew B", .renew(b)),
        ("release A", .release(a)),
        ("release B", .release(b)),
    ]

    // Leased for 30 s of which 30 are left; breaking with 20 s left.
    //                 available,  leased 30 s,          leased for ever,     breaking,             broken,            expired
    static let rows = [
        Row(action: "acquire", expected: [leased(x), present, present, present, leased(x), leased(x)]),
        Row(action: "acquire A", expected: [leased(a), leased(a), leased(a), cannotAcquire, leased(a), leased(a)]),
        Row(action: "acquire B", expected: [leased(b), present, present, present, leased(b), leased(b)]),
        Row(
            action: "break 0",
            expected: [
                absent, timed(.broken, 0), timed(.broken, 0), timed(.broken, 0), timed(.broken, 0), timed(.broken, 0),
            ]),
        Row(
            action: "break 10",
            expected: [
                absent, timed(.breaking, 10), timed(.breaking, 10), timed(.breaking, 10), timed(.broken, 0),
                timed(.broken, 0),
            ]),
        Row(
            action: "break 60",
            expected: [
                absent, timed(.breaking, 30), timed(.breaking, 60), timed(.breaking, 20), timed(.broken, 0),
                timed(.broken, 0),
            ]),
        Row(
            action: "break",
            expected: [
                absent, timed(.breaking, 30), timed(.broken, 0), timed(.breaking, 20), timed(.broken, 0),
                timed(.broken, 0),
            ]),
        Row(action: "change A to B", expected: [absent, leased(b), leased(b), cannotChange, absent, absent]),
        Row(action: "change B to A", expected: [absent, leased(a), leased(a), cannotChange, absent, absent]),
        Row(action: "change B to C", expected: [absent, mismatch, mismatch, mismatch, absent, absent]),
        Row(action: "renew A", expected: [mismatch, leased(a), leased(a), cannotRenew, cannotRenew, leased(a)]),
        Row(action: "renew B", expected: [mismatch, mismatch, mismatch, mismatch, mismatch, mismatch]),
        Row(action: "release A", expected: [mismatch, free, free, free, free, free]),
        Row(action: "release B", expected: [mismatch, mismatch, mismatch, mismatch, mismatch, mismatch]),
    ]

    @Test(arguments: Subject.allCases, rows) func leaseActions(subject: Subject, row: Row) async throws {
        let action = try #require(Self.actions.first { $0.0 == row.action }).1
        for (start, expected) in zip(Start.allCases, row.expected) {
            let bench = try await LeaseBench(subject, start)
            let found = await bench.outcome(of: action)
            #expect(found == expected, "\(row.action) on a \(subject) that is \(start)")
            if case .refused = expected { #expect(try await bench.view().state == bench.startState) }
        }
    }

    @Test func actionsAreAllInTheTable() { #expect(Self.actions.map(\.0) == Self.rows.map(\.action)) }

    @Test(arguments: Subject.allCases) func timePasses(subject: Subject) async throws {
        var bench = try await LeaseBench(subject, .leasedFixed)
        bench.fixture.world.advance(seconds: 29)
        #expect(try await bench.view() == LeaseView(state: .leased, isInfinite: false))
        bench.fixture.world.advance(seconds: 1)
        #expect(try await bench.view() == LeaseView(state: .expired, isInfinite: nil))

        bench = try await LeaseBench(subject, .breaking)
        #expect(try await bench.view() == LeaseView(state: .breaking, isInfinite: nil))
        bench.fixture.world.advance(seconds: 20)
        #expect(try await bench.view() == LeaseView(state: .broken, isInfinite: nil))

        bench = try await LeaseBench(subject, .leasedInfinite)
        bench.fixture.world.advance(seconds: 1 << 30)
        #expect(try await bench.view() == LeaseView(state: .leased, isInfinite: true))
    }

    /// Renewing starts the clock anew with the duration of the acquire; an acquire by the holder sets a new one.
    @Test(arguments: Subject.allCases) func clocksRestart(subject: Subject) async throws {
        let bench = try await LeaseBench(subject, .leasedFixed)
        bench.fixture.world.advance(seconds: 25)
        #expect(await bench.outcome(of: .renew(Self.a)) == Self.leased(Self.a))
        bench.fixture.world.advance(seconds: 29)
        #expect(try await bench.view().state == .leased)
        #expect(await bench.outcome(of: .acquire(duration: .seconds(60), proposed: Self.a)) == Self.leased(Self.a))
        bench.fixture.world.advance(seconds: 59)
        #expect(try await bench.view().state == .leased)
        bench.fixture.world.advance(seconds: 1)
        #expect(try await bench.view().state == .expired)
    }

    @Test func renewAfterExpiryNeedsAnUntouchedBlob() async throws {
        let bench = try await LeaseBench(.blob, .expired)
        try await bench.fixture.put("a", [2])
        #expect(await bench.outcome(of: .renew(Self.a)) == Self.mismatch)
        // A container's lease does not care.
        let other = try await LeaseBench(.container, .expired)
        _ = try await other.fixture.namespace.setContainerMetadata(
            NamespaceFixture.container, .empty, guard: .none)
        #expect(await other.outcome(of: .renew(Self.a)) == Self.leased(Self.a))
    }

    @Test func changedLeaseKeepsItsClock() async throws {
        let bench = try await LeaseBench(.blob, .leasedFixed)
        bench.fixture.world.advance(seconds: 20)
        #expect(await bench.outcome(of: .change(Self.a, proposed: Self.b)) == Self.leased(Self.b))
        bench.fixture.world.advance(seconds: 10)
        #expect(try await bench.view().state == .expired)
    }

    @Test func leaseOfWhatIsNotThere() async throws {
        let fixture = try await NamespaceFixture.started()
        try await fixture.stage("staged", "AAAA", [1])
        for name in ["missing", "staged"] {
            await expect(.blobNotFound) {
                _ = try await fixture.namespace.leaseBlob(
                    NamespaceFixture.blob(name), .acquire(duration: .infinite, proposed: nil), conditions: .none)
            }
        }
        await expect(.containerNotFound) {
            _ = try await fixture.namespace.leaseContainer(
                NamespaceFixture.container("none"), .acquire(duration: .infinite, proposed: nil), conditions: .none)
        }
    }

    @Test func leaseConditionsCount() async throws {
        let fixture = try await NamespaceFixture.started()
        let receipt = try await fixture.put("a", [1])
        let other = Conditions(ifMatch: .versions([Version(receipt.version.rawValue + 1)]))
        await expect(.preconditionFailed) {
            _ = try await fixture.namespace.leaseBlob(
                NamespaceFixture.blob("a"), .acquire(duration: .infinite, proposed: nil), conditions: other)
        }
        await expect(.preconditionFailed) {
            _ = try await fixture.namespace.leaseContainer(
                NamespaceFixture.container, .acquire(duration: .infinite, proposed: nil),
                conditions: Conditions(ifModifiedSince: fixture.world.now))
        }
    }
}

/// A blob or container with lease A in a given state.
struct LeaseBench {
    let fixture: NamespaceFixture
    let subject: LeaseTableTests.Subject
    let startState: LeaseView.State

    init(_ subject: LeaseTableTests.Subject, _ start: LeaseTableTests.Start) async throws {
        fixture = try await NamespaceFixture.started()
        self.subject = subject
        let a = LeaseTableTests.a
        try await fixture.put("a", [1])
        startState =
            switch start {
            case .available: .available
            case .leasedFixed, .leasedInfinite: .leased
            case .breaking: .breaking
            case .broken: .broken
            case .expired: .expired
            }
        switch start {
        case .available: break
        case .leasedFixed: _ = try await apply(.acquire(duration: .seconds(30), proposed: a))
        case .leasedInfinite: _ = try await apply(.acquire(duration: .infinite, proposed: a))
        case .breaking:
            _ = try await apply(.acquire(duration: .infinite, proposed: a))
            _ = try await apply(.breakAfter(seconds: 20))
        case .broken:
            _ = try await apply(.acquire(duration: .infinite, proposed: a))
            _ = try await apply(.breakAfter(seconds: 0))
        case .expired:
            _ = try await apply(.acquire(duration: .seconds(15), proposed: a))
            fixture.world.advance(seconds: 15)
        }
        #expect(try await view().state == startState)
    }

    func apply(_ action: LeaseAction) async throws(StorageFailure) -> LeaseReceipt {
        switch subject {
        case .blob:
            try await fixture.namespace.leaseBlob(NamespaceFixture.blob("a"), action, conditions: .none)
        case .container:
            try await fixture.namespace.leaseContainer(NamespaceFixture.container, action, conditions: .none)
        }
    }

    func view() async throws -> LeaseView {
        switch subject {
        case .blob: try await fixture.properties("a").lease
        case .container:
            try await fixture.namespace.containerProperties(NamespaceFixture.container, lease: nil).lease
        }
    }

    /// What an action does; who holds the lease then is found out by asking for it.
    func outcome(of action: LeaseAction) async -> LeaseTableTests.Expected {
        do throws(StorageFailure) {
            let before = try await version()
            let receipt = try await apply(action)
            #expect(receipt.write.version == before, "a lease changed the ETag")
            guard try await version() == before else { return .refused(.internal) }
            let state: LeaseView.State
            do { state = try await view().state } catch { return .refused(.internal) }
            if let seconds = receipt.remainingSeconds { return .stateAndTime(state, seconds) }
            guard let id = receipt.id else { return .state(state, nil) }
            try await checkHolder(id)
            let known = [LeaseTableTests.a, LeaseTableTests.b, LeaseTableTests.c]
            return .state(state, known.contains(id) ? id : LeaseTableTests.x)
        } catch { return .refused(error.code) }
    }

    private func version() async throws(StorageFailure) -> Version {
        switch subject {
        case .blob: try await fixture.properties("a").version
        case .container:
            try await fixture.namespace.containerProperties(NamespaceFixture.container, lease: nil).version
        }
    }

    private func checkHolder(_ id: LeaseID) async throws(StorageFailure) {
        switch subject {
        case .blob: _ = try await fixture.properties("a", guard: Guard(lease: id))
        case .container:
            _ = try await fixture.namespace.containerProperties(NamespaceFixture.container, lease: id)
        }
    }
}

/// The call fails with this code and no other.
func expect(
    _ code: StorageFailure.Code, _ comment: @autoclosure () -> Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async {
    do {
        try await body()
        Issue.record("succeeded instead of \(code) \(comment()?.description ?? "")", sourceLocation: sourceLocation)
    } catch {
        #expect((error as? StorageFailure)?.code == code, comment(), sourceLocation: sourceLocation)
    }
}
