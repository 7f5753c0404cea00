import AzureWire
import NIOHTTP1
import StorageTestKit
import Testing

@testable import AzureBlob

/// Leases over HTTP: the tables of Lease Blob, with A the current id and B another.
@Suite struct LeaseTests {
    static let a = "aaaaaaaa-0000-0000-0000-000000000000"
    static let b = "bbbbbbbb-0000-0000-0000-000000000000"
    static let c = "cccccccc-0000-0000-0000-000000000000"

    enum State: CaseIterable { case available, leased, breaking, broken, expired }

    private static func inState(_ state: State) async throws -> Fixture {
        let fixture = try await Fixture.withContainer()
        await fixture.put("x", "x")
        guard state != .available else { return fixture }
        let acquired = await fixture.lease("acquire", duration: "30", proposed: a)
        #expect(acquired.status == 201)
        switch state {
        case .available, .leased: break
        case .breaking: #expect(await fixture.lease("break", period: "20").status == 202)
        case .broken: #expect(await fixture.lease("break", period: "0").status == 202)
        case .expired: fixture.world.advance(seconds: 31)
        }
        return fixture
    }

    /// One cell of the table: 2xx, or the code of the refusal.
    struct Row: Sendable {
        var action: String
        var id: String?
        var proposed: String?
        var period: String?
        var expected: [String]
    }

    private static let mismatch = "LeaseIdMismatchWithLeaseOperation"
    private static let absent = "LeaseNotPresentWithLeaseOperation"

    static let rows: [Row] = [
        Row(action: "acquire", expected: ["201", "LeaseAlreadyPresent", "LeaseAlreadyPresent", "201", "201"]),
        Row(
            action: "acquire", proposed: a,
            expected: ["201", "201", "LeaseIsBreakingAndCannotBeAcquired", "201", "201"]),
        Row(
            action: "acquire", proposed: b,
            expected: ["201", "LeaseAlreadyPresent", "LeaseAlreadyPresent", "201", "201"]),
        Row(action: "break", period: "0", expected: [absent, "202", "202", "202", "202"]),
        Row(action: "break", period: "10", expected: [absent, "202", "202", "202", "202"]),
        Row(action: "break", expected: [absent, "202", "202", "202", "202"]),
        Row(
            action: "change", id: a, proposed: b,
            expected: [absent, "200", "LeaseIsBreakingAndCannotBeChanged", absent, absent]),
        Row(
            action: "change", id: b, proposed: a,
            expected: [absent, "200", "LeaseIsBreakingAndCannotBeChanged", absent, absent]),
        Row(action: "change", id: b, proposed: c, expected: [absent, mismatch, mismatch, absent, absent]),
        Row(
            action: "renew", id: a,
            expected: [mismatch, "200", "LeaseIsBrokenAndCannotBeRenewed", "LeaseIsBrokenAndCannotBeRenewed", "200"]),
        Row(action: "renew", id: b, expected: [mismatch, mismatch, mismatch, mismatch, mismatch]),
        Row(action: "release", id: a, expected: [mismatch, "200", "200", "200", "200"]),
        Row(action: "release", id: b, expected: [mismatch, mismatch, mismatch, mismatch, mismatch]),
    ]

    @Test(arguments: rows) func actions(row: Row) async throws {
        for (state, expected) in zip(State.allCases, row.expected) {
            let fixture = try await Self.inState(state)
            let reply = await fixture.lease(
                row.action, id: row.id, duration: row.action == "acquire" ? "30" : nil, period: row.period,
                proposed: row.proposed)
            #expect((reply.error ?? "\(reply.status)") == expected, "\(row.action) in \(state)")
            if reply.error != nil { #expect(reply.status == 409) }
        }
    }

    static let uses: [(HTTPMethod, String?, [String])] = [
        (.PUT, a, ["LeaseNotPresentWithBlobOperation", "201", "201", "LeaseNotPresentWithBlobOperation", "LeaseLost"]),
        (
            .PUT, b,
            [
                "LeaseNotPresentWithBlobOperation", "LeaseIdMismatchWithBlobOperation",
                "LeaseIdMismatchWithBlobOperation", "LeaseNotPresentWithBlobOperation",
                "LeaseNotPresentWithBlobOperation",
            ]
        ),
        (.PUT, nil, ["201", "LeaseIdMissing", "LeaseIdMissing", "201", "201"]),
        (.GET, a, ["LeaseNotPresentWithBlobOperation", "200", "200", "LeaseNotPresentWithBlobOperation", "LeaseLost"]),
        (
            .GET, b,
            [
                "LeaseNotPresentWithBlobOperation", "LeaseIdMismatchWithBlobOperation",
                "LeaseIdMismatchWithBlobOperation", "LeaseNotPresentWithBlobOperation",
                "LeaseNotPresentWithBlobOperation",
            ]
        ),
        (.GET, nil, ["200", "200", "200", "200", "200"]),
        (.DELETE, nil, ["202", "LeaseIdMissing", "LeaseIdMissing", "202", "202"]),
    ]

    @Test(arguments: uses) func use(method: HTTPMethod, id: String?, expected: [String]) async throws {
        for (state, outcome) in zip(State.allCases, expected) {
            let fixture = try await Self.inState(state)
            var headers = id.map { [("x-ms-lease-id", $0)] } ?? []
            if method == .PUT { headers.append(("x-ms-blob-type", "BlockBlob")) }
            let reply = await fixture.send(method, "/box/x", headers, body: method == .PUT ? [1] : nil)
            #expect((reply.error ?? "\(reply.status)") == outcome, "\(method) in \(state)")
            if reply.error != nil { #expect(reply.status == 412) }
        }
    }

    @Test func answers() async throws {
        let fixture = try await Self.inState(.available)
        let etag = await fixture.send(.HEAD, "/box/x").etag
        let acquired = await fixture.lease("acquire", duration: "-1", proposed: Self.a)
        #expect(acquired["x-ms-lease-id"] == Self.a)
        #expect(acquired.etag == etag)
        let head = await fixture.send(.HEAD, "/box/x")
        #expect(head["x-ms-lease-state"] == "leased" && head["x-ms-lease-status"] == "locked")
        #expect(head["x-ms-lease-duration"] == "infinite")
        #expect(head.etag == etag)
        #expect(await fixture.lease("change", id: Self.a, proposed: Self.b)["x-ms-lease-id"] == Self.b)
        #expect(await fixture.lease("renew", id: Self.b)["x-ms-lease-id"] == Self.b)
        let broken = await fixture.lease("break")
        #expect(broken["x-ms-lease-time"] == "0")
        #expect(broken["x-ms-lease-id"] == nil)
        #expect(await fixture.lease("release", id: Self.b).status == 200)
        let generated = await fixture.lease("acquire", duration: "15")
        #expect(generated["x-ms-lease-id"]?.utf8.count == 36)
    }

    @Test(
        arguments: [
            ([("x-ms-lease-action", "hold")], "InvalidHeaderValue"), ([], "MissingRequiredHeader"),
            ([("x-ms-lease-action", "acquire")], "MissingRequiredHeader"),
            ([("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "14")], "InvalidHeaderValue"),
            ([("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "61")], "InvalidHeaderValue"),
            ([("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "x")], "InvalidHeaderValue"),
            (
                [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "30"), ("x-ms-proposed-lease-id", "x")],
                "InvalidHeaderValue"
            ),
            ([("x-ms-lease-action", "break"), ("x-ms-lease-break-period", "61")], "InvalidHeaderValue"),
            ([("x-ms-lease-action", "renew")], "MissingRequiredHeader"),
            ([("x-ms-lease-action", "change"), ("x-ms-lease-id", LeaseTests.a)], "MissingRequiredHeader"),
        ] as [([(String, String)], String)])
    func badHeaders(headers: [(String, String)], code: String) async throws {
        let fixture = try await Self.inState(.available)
        for path in ["/box/x?comp=lease", "/box?restype=container&comp=lease"] {
            let reply = await fixture.send(.PUT, path, headers)
            #expect(reply.status == 400)
            #expect(reply.error == code)
        }
    }

    @Test func leaseBeforeExistence() async throws {
        let fixture = try await Self.inState(.leased)
        let star = ("If-None-Match", "*")
        #expect(await fixture.put("x", "y", [star]).error == "LeaseIdMissing")
        #expect(await fixture.put("x", "y", [star, ("x-ms-lease-id", Self.a)]).error == nil)
        #expect(await fixture.lease("renew", id: Self.a, name: "none").error == "BlobNotFound")
        #expect(await fixture.put("none", "y", [("x-ms-lease-id", Self.a)]).error == "LeaseNotPresentWithBlobOperation")
    }
}

extension Fixture {
    func lease(
        _ action: String, id: String? = nil, duration: String? = nil, period: String? = nil, proposed: String? = nil,
        name: String = "x"
    ) async -> Reply {
        var headers = [("x-ms-lease-action", action)]
        if let id { headers.append(("x-ms-lease-id", id)) }
        if let duration { headers.append(("x-ms-lease-duration", duration)) }
        if let period { headers.append(("x-ms-lease-break-period", period)) }
        if let proposed { headers.append(("x-ms-proposed-lease-id", proposed)) }
        return await send(.PUT, "/box/\(name)?comp=lease", headers)
    }
}
