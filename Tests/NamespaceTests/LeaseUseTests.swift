import Extents
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// What leases do to other requests: "Lease Blob", the table of attempted actions and lease states.
@Suite struct LeaseUseTests {
    typealias Table = LeaseTableTests
    static let box = NamespaceFixture.container
    static let a = NamespaceFixture.blob("a")

    enum Expected: Equatable {
        case passes
        case refused(StorageFailure.Code)
    }

    static let missing = Expected.refused(.leaseIDMissing(.blob))
    static let wrong = Expected.refused(.leaseIDMismatch(.blob))
    static let lost = Expected.refused(.leaseLost(.blob))
    static let none = Expected.refused(.leaseNotPresent(.blob))

    // In the order of `Table.Start`: available, leased 30 s, leased for ever, breaking, broken, expired.
    static let writeRows: [(LeaseID?, [Expected])] = [
        (Table.a, [none, .passes, .passes, .passes, none, lost]),
        (Table.b, [none, wrong, wrong, wrong, none, none]),
        (nil, [.passes, missing, missing, missing, .passes, .passes]),
    ]
    /// Also writes for which the lease id is optional.
    static let readRows: [(LeaseID?, [Expected])] = [
        (Table.a, [none, .passes, .passes, .passes, none, lost]),
        (Table.b, [none, wrong, wrong, wrong, none, none]),
        (nil, [.passes, .passes, .passes, .passes, .passes, .passes]),
    ]

    struct Request: Sendable, CustomStringConvertible {
        var description: String
        var rows: [(LeaseID?, [Expected])]
        /// Broken and expired leases end with it.
        var endsLease = false
        var run: @Sendable (NamespaceFixture, LeaseID?) async throws(StorageFailure) -> Void
    }

    static let requests = [
        Request(description: "Put Blob", rows: writeRows, endsLease: true) { fixture, lease throws(StorageFailure) in
            try await fixture.put("a", [2], guard: Guard(lease: lease))
        },
        Request(description: "Put Block", rows: writeRows) { fixture, lease throws(StorageFailure) in
            try await fixture.stage("a", "AAAA", [2], lease: lease)
        },
        Request(description: "Put Block From URL", rows: writeRows) { fixture, lease throws(StorageFailure) in
            try await fixture.put("source", [3])
            _ = try await fixture.namespace.putBlockFromBlob(
                a, id: BlockID(text: "AAAA"), source: NamespaceFixture.blob("source"), range: nil,
                sourceConditions: .none, expectedMD5: nil, expectedCRC64: nil, lease: lease)
        },
        Request(description: "Put Block List", rows: writeRows, endsLease: true) {
            fixture, lease throws(StorageFailure) in
            try await fixture.commit("a", [], guard: Guard(lease: lease))
        },
        Request(description: "Set Properties", rows: writeRows, endsLease: true) {
            fixture, lease throws(StorageFailure) in
            _ = try await fixture.namespace.setProperties(a, ContentHeaders(), guard: Guard(lease: lease))
        },
        Request(description: "Set Metadata", rows: writeRows, endsLease: true) {
            fixture, lease throws(StorageFailure) in
            _ = try await fixture.namespace.setMetadata(a, .empty, guard: Guard(lease: lease))
        },
        Request(description: "Put Blob From URL", rows: writeRows, endsLease: true) {
            fixture, lease throws(StorageFailure) in
            try await fixture.put("source", [3])
            _ = try await fixture.namespace.copyBlob(
                to: a, copying("source", recordsCopy: false), guard: Guard(lease: lease))
        },
        Request(description: "Delete", rows: writeRows) { fixture, lease throws(StorageFailure) in
            try await fixture.delete("a", guard: Guard(lease: lease))
        },
        Request(description: "Set Tags", rows: readRows) { fixture, lease throws(StorageFailure) in
            try await fixture.namespace.setTags(a, .empty, guard: Guard(lease: lease))
        },
        Request(description: "Set Tier", rows: readRows) { fixture, lease throws(StorageFailure) in
            _ = try await fixture.namespace.setTier(a, .cool, priority: nil, guard: Guard(lease: lease))
        },
        Request(description: "Get Blob", rows: readRows) { fixture, lease throws(StorageFailure) in
            _ = try await fixture.get("a", guard: Guard(lease: lease))
        },
        Request(description: "HEAD", rows: readRows) { fixture, lease throws(StorageFailure) in
            _ = try await fixture.properties("a", guard: Guard(lease: lease))
        },
        Request(description: "Get Tags", rows: readRows) { fixture, lease throws(StorageFailure) in
            _ = try await fixture.namespace.tags(a, guard: Guard(lease: lease))
        },
        Request(description: "Get Block List", rows: readRows) { fixture, lease throws(StorageFailure) in
            _ = try await fixture.namespace.blockList(a, kind: .all, guard: Guard(lease: lease))
        },
    ]

    static func outcome(_ body: () async throws -> Void) async -> Expected {
        do {
            try await body()
            return .passes
        } catch { return .refused((error as? StorageFailure)?.code ?? .internal) }
    }

    @Test(arguments: requests) func requestOnLeasedBlob(request: Request) async throws {
        for (lease, row) in request.rows {
            for (start, expected) in zip(Table.Start.allCases, row) {
                let bench = try await LeaseBench(.blob, start)
                let found = await Self.outcome {
                    try await request.run(bench.fixture, lease)
                }
                #expect(found == expected, "\(request) with \(lease?.value ?? "no id") on \(start)")
                guard expected == .passes, request.description != "Delete" else { continue }
                let endedByIt = request.endsLease && (start == .broken || start == .expired)
                #expect(try await bench.view().state == (endedByIt ? .available : bench.startState))
            }
        }
    }

    /// Copy Blob has one more rule: the destination's lease is infinite.
    @Test func copyOntoLeasedBlob() async throws {
        let rows: [(LeaseID?, [Expected])] = [
            (Table.a, [Self.none, .refused(.infiniteLeaseRequired), .passes, .passes, Self.none, Self.lost]),
            (Table.b, [Self.none, Self.wrong, Self.wrong, Self.wrong, Self.none, Self.none]),
            (nil, [.passes, Self.missing, Self.missing, Self.missing, .passes, .passes]),
        ]
        for (lease, row) in rows {
            for (start, expected) in zip(Table.Start.allCases, row) {
                let bench = try await LeaseBench(.blob, start)
                try await bench.fixture.put("source", [3])
                let found = await Self.outcome {
                    _ = try await bench.fixture.namespace.copyBlob(
                        to: Self.a, copying("source"), guard: Guard(lease: lease))
                }
                #expect(found == expected, "with \(lease?.value ?? "no id") on \(start)")
            }
        }
    }

    /// Only Delete Container needs the id of a container's lease; blobs inside are not protected by it.
    @Test func requestsOnLeasedContainer() async throws {
        let missing = Expected.refused(.leaseIDMissing(.container))
        let wrong = Expected.refused(.leaseIDMismatch(.container))
        let lost = Expected.refused(.leaseLost(.container))
        let none = Expected.refused(.leaseNotPresent(.container))
        let checked: [(LeaseID?, [Expected])] = [
            (Table.a, [none, .passes, .passes, .passes, none, lost]),
            (Table.b, [none, wrong, wrong, wrong, none, none]),
            (nil, [.passes, .passes, .passes, .passes, .passes, .passes]),
        ]
        var delete = checked
        delete[2].1 = [.passes, missing, missing, missing, .passes, .passes]
        typealias Run = @Sendable (NamespaceFixture, LeaseID?) async throws(StorageFailure) -> Void
        let requests: [(String, [(LeaseID?, [Expected])], Run)] = [
            (
                "delete", delete,
                { fixture, lease throws(StorageFailure) in
                    try await fixture.namespace.deleteContainer(Self.box, guard: Guard(lease: lease))
                }
            ),
            (
                "properties", checked,
                { fixture, lease throws(StorageFailure) in
                    _ = try await fixture.namespace.containerProperties(Self.box, lease: lease)
                }
            ),
            (
                "set metadata", checked,
                { fixture, lease throws(StorageFailure) in
                    _ = try await fixture.namespace.setContainerMetadata(Self.box, .empty, guard: Guard(lease: lease))
                }
            ),
            (
                "set access", checked,
                { fixture, lease throws(StorageFailure) in
                    _ = try await fixture.namespace.setContainerAccess(
                        Self.box, publicAccess: nil, policies: [], guard: Guard(lease: lease))
                }
            ),
        ]
        for (name, rows, run) in requests {
            for (lease, row) in rows {
                for (start, expected) in zip(Table.Start.allCases, row) {
                    let bench = try await LeaseBench(.container, start)
                    let found = await Self.outcome { try await run(bench.fixture, lease) }
                    #expect(found == expected, "\(name) with \(lease?.value ?? "no id") on \(start)")
                    if name != "delete" {
                        try await bench.fixture.put("inside", [1])
                        try await bench.fixture.delete("inside")
                    }
                }
            }
        }
    }

    @Test func leaseIDOnMissingBlob() async throws {
        let fixture = try await NamespaceFixture.started()
        await expect(.leaseNotPresent(.blob)) { try await fixture.put("a", [1], guard: Guard(lease: Table.a)) }
        await expect(.leaseNotPresent(.blob)) { try await fixture.stage("a", "AAAA", [1], lease: Table.a) }
        await expect(.leaseNotPresent(.blob)) { try await fixture.commit("a", [], guard: Guard(lease: Table.a)) }
        await expect(.blobNotFound) { _ = try await fixture.get("a", guard: Guard(lease: Table.a)) }
    }

    /// A lease outlives the content: overwriting with the id keeps it, deleting ends it.
    @Test func leaseSurvivesOverwrite() async throws {
        let bench = try await LeaseBench(.blob, .leasedInfinite)
        let fixture = bench.fixture
        try await fixture.put("a", NamespaceFixture.bytes(100), guard: Guard(lease: Table.a))
        try await fixture.commit("a", [], guard: Guard(lease: Table.a))
        #expect(try await fixture.properties("a").lease == LeaseView(state: .leased, isInfinite: true))
        try await fixture.delete("a", guard: Guard(lease: Table.a))
        try await fixture.put("a", [1])
        #expect(try await fixture.properties("a").lease == .available)
    }

    /// A copy does not take the source's lease along, and needs no id for a leased source.
    @Test func copiesOfLeasedBlobs() async throws {
        let bench = try await LeaseBench(.blob, .leasedInfinite)
        _ = try await bench.fixture.namespace.copyBlob(to: NamespaceFixture.blob("b"), copying("a"), guard: .none)
        #expect(try await bench.fixture.properties("b").lease == .available)
    }
}
