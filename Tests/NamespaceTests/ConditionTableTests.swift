import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// "Specifying conditional headers for Blob service operations": which combinations let a read or a write pass.
@Suite struct ConditionTableTests {
    /// One condition of a request, as far as the blob is concerned.
    enum Term: CaseIterable { case absent, holds, fails }

    enum Result: Equatable { case passes, notModified, preconditionFailed, alreadyExists, notFound }

    static func conditions(
        _ match: Term, _ unmodified: Term, _ noneMatch: Term, _ modified: Term, _ blob: (Version, Timestamp)
    ) -> Conditions {
        let other = Version(blob.0.rawValue + 1_000)
        let (before, after) = (blob.1.adding(seconds: -1), blob.1.adding(seconds: 1))
        var conditions = Conditions()
        switch match {
        case .absent: break
        case .holds: conditions.ifMatch = .versions([other, blob.0])
        case .fails: conditions.ifMatch = .versions([other])
        }
        switch unmodified {
        case .absent: break
        case .holds: conditions.ifUnmodifiedSince = Timestamp(seconds: blob.1.seconds)
        case .fails: conditions.ifUnmodifiedSince = before
        }
        switch noneMatch {
        case .absent: break
        case .holds: conditions.ifNoneMatch = .versions([other])
        case .fails: conditions.ifNoneMatch = .versions([other, blob.0])
        }
        switch modified {
        case .absent: break
        case .holds: conditions.ifModifiedSince = before
        case .fails: conditions.ifModifiedSince = after
        }
        return conditions
    }

    static let combinations: [(Term, Term, Term, Term)] = Term.allCases.flatMap { match in
        Term.allCases.flatMap { unmodified in
            Term.allCases.flatMap { noneMatch in Term.allCases.map { (match, unmodified, noneMatch, $0) } }
        }
    }

    /// The fact sheet's truth table, extended by "absent": If-Match AND If-Unmodified-Since AND
    /// (If-None-Match OR If-Modified-Since).
    static func expectedRead(_ row: (Term, Term, Term, Term)) -> Result {
        if row.0 == .fails || row.1 == .fails { return .preconditionFailed }
        switch (row.2, row.3) {
        case (.absent, .absent), (.holds, _), (_, .holds): return .passes
        default: return .notModified
        }
    }

    /// Of a pair of the same kind the ETag counts.
    static func expectedWrite(_ row: (Term, Term, Term, Term)) -> Result {
        let first = row.0 == .absent ? row.1 : row.0
        let second = row.2 == .absent ? row.3 : row.2
        return first == .fails || second == .fails ? .preconditionFailed : .passes
    }

    static func result(_ body: () async throws -> Void) async -> Result? {
        do {
            try await body()
            return .passes
        } catch {
            switch (error as? StorageFailure)?.code {
            case .notModified: return .notModified
            case .preconditionFailed: return .preconditionFailed
            case .blobAlreadyExists: return .alreadyExists
            case .blobNotFound: return .notFound
            default: return nil
            }
        }
    }

    @Test func reads() async throws {
        let fixture = try await NamespaceFixture.started()
        let receipt = try await fixture.put("a", [1])
        let blob = (receipt.version, receipt.lastModified)
        for row in Self.combinations {
            let held = Guard(conditions: Self.conditions(row.0, row.1, row.2, row.3, blob))
            let expected = Self.expectedRead(row)
            #expect(await Self.result { _ = try await fixture.properties("a", guard: held) } == expected, "\(row)")
            #expect(await Self.result { _ = try await fixture.get("a", guard: held) } == expected, "\(row)")
            let ofTags = await Self.result {
                _ = try await fixture.namespace.tags(NamespaceFixture.blob("a"), guard: held)
            }
            #expect(ofTags == (expected == .notModified ? .preconditionFailed : expected), "\(row)")
        }
    }

    struct Write: Sendable, CustomStringConvertible {
        var description: String
        var creates = false
        var run: @Sendable (NamespaceFixture, Guard) async throws(StorageFailure) -> Void
    }

    static let a = NamespaceFixture.blob("a")
    static let writes = [
        Write(description: "Put Blob", creates: true) { fixture, held throws(StorageFailure) in
            try await fixture.put("a", [2], guard: held)
        },
        Write(description: "Put Blob, large", creates: true) { fixture, held throws(StorageFailure) in
            try await fixture.put("a", NamespaceFixture.bytes(100), guard: held)
        },
        Write(description: "Put Block List", creates: true) { fixture, held throws(StorageFailure) in
            try await fixture.commit("a", [], guard: held)
        },
        Write(description: "Copy Blob", creates: true) { fixture, held throws(StorageFailure) in
            _ = try await fixture.namespace.copyBlob(to: a, copying("source"), guard: held)
        },
        Write(description: "Set Properties") { fixture, held throws(StorageFailure) in
            _ = try await fixture.namespace.setProperties(a, ContentHeaders(), guard: held)
        },
        Write(description: "Set Metadata") { fixture, held throws(StorageFailure) in
            _ = try await fixture.namespace.setMetadata(a, .empty, guard: held)
        },
        Write(description: "Set Tags") { fixture, held throws(StorageFailure) in
            try await fixture.namespace.setTags(a, .empty, guard: held)
        },
        Write(description: "Delete") { fixture, held throws(StorageFailure) in
            try await fixture.delete("a", guard: held)
        },
    ]

    @Test(arguments: writes) func writesOntoWhatIsThere(write: Write) async throws {
        for row in Self.combinations {
            let fixture = try await NamespaceFixture.started()
            try await fixture.put("source", [3])
            let receipt = try await fixture.put("a", [1])
            let blob = (receipt.version, receipt.lastModified)
            let held = Guard(conditions: Self.conditions(row.0, row.1, row.2, row.3, blob))
            let found = await Self.result { try await write.run(fixture, held) }
            #expect(found == Self.expectedWrite(row), "\(write) \(row)")
            if found != .passes { #expect(try await fixture.properties("a").version == receipt.version) }
        }
    }

    static let yes = TagFilter.compare(key: "k", .equal, value: "v")
    static let no = TagFilter.compare(key: "k", .notEqual, value: "v")

    /// Conditions with a star, on tags, and on a blob that is missing or only staged.
    static let special:
        [(
            String, Conditions, onExisting: (creating: Result, other: Result),
            onMissing: (creating: Result, other: Result)
        )] = [
            ("none", .none, (.passes, .passes), (.passes, .notFound)),
            ("If-Match *", Conditions(ifMatch: .any), (.passes, .passes), (.preconditionFailed, .preconditionFailed)),
            (
                "If-Match value", Conditions(ifMatch: .versions([])), (.preconditionFailed, .preconditionFailed),
                (.preconditionFailed, .preconditionFailed)
            ),
            (
                "If-None-Match *", Conditions(ifNoneMatch: .any), (.alreadyExists, .preconditionFailed),
                (.passes, .notFound)
            ),
            ("If-None-Match value", Conditions(ifNoneMatch: .versions([])), (.passes, .passes), (.passes, .notFound)),
            (
                "dates", Conditions(ifModifiedSince: Timestamp(seconds: 1 << 33)),
                (.preconditionFailed, .preconditionFailed), (.passes, .notFound)
            ),
            (
                "dates", Conditions(ifUnmodifiedSince: Timestamp(seconds: 1)),
                (.preconditionFailed, .preconditionFailed), (.passes, .notFound)
            ),
            ("tags hold", Conditions(ifTags: yes), (.passes, .passes), (.preconditionFailed, .notFound)),
            (
                "tags fail", Conditions(ifTags: no), (.preconditionFailed, .preconditionFailed),
                (.preconditionFailed, .notFound)
            ),
        ]

    @Test(arguments: writes) func specialConditions(write: Write) async throws {
        for (name, conditions, onExisting, onMissing) in Self.special {
            for blob in ["there", "missing", "staged"] {
                let fixture = try await NamespaceFixture.started()
                try await fixture.put("source", [3])
                if blob == "there" {
                    try await fixture.put("a", [1], attributes: BlobAttributes(tags: NamespaceFixture.tags(("k", "v"))))
                }
                if blob == "staged" { try await fixture.stage("a", "AAAA", [1]) }
                let pair = blob == "there" ? onExisting : onMissing
                var expected = write.creates ? pair.creating : pair.other
                // Deleting a name that has only staged blocks drops them, unless it is a condition's business.
                if write.description == "Delete", blob == "staged", conditions.isEmpty { expected = .passes }
                let held = Guard(conditions: conditions)
                let found = await Self.result { try await write.run(fixture, held) }
                #expect(found == expected, "\(write), \(name), \(blob)")
            }
        }
    }

    @Test func readsOfWhatIsMissing() async throws {
        let fixture = try await NamespaceFixture.started()
        for (name, conditions, _, _) in Self.special {
            let held = Guard(conditions: conditions)
            #expect(await Self.result { _ = try await fixture.properties("a", guard: held) } == .notFound, "\(name)")
        }
    }

    @Test func tagConditionsOfReads() async throws {
        let fixture = try await NamespaceFixture.started()
        try await fixture.put("a", [1], attributes: BlobAttributes(tags: NamespaceFixture.tags(("k", "v"))))
        for (filter, expected) in [(Self.yes, Result.passes), (Self.no, .preconditionFailed)] {
            let held = Guard(conditions: Conditions(ifTags: filter))
            #expect(await Self.result { _ = try await fixture.get("a", guard: held) } == expected)
            #expect(
                await Self.result {
                    _ = try await fixture.namespace.blockList(Self.a, kind: .all, guard: held)
                } == expected)
            #expect(
                await Self.result {
                    _ = try await fixture.namespace.setTier(Self.a, .cool, priority: nil, guard: held)
                } == expected)
        }
    }

    /// Dates compare at the precision of a second.
    @Test func datesIgnoreFractions() async throws {
        let fixture = try await NamespaceFixture.started()
        let receipt = try await fixture.put("a", [1])
        #expect(receipt.lastModified.nanoseconds % 1_000_000_000 != 0)
        let second = Timestamp(seconds: receipt.lastModified.seconds)
        _ = try await fixture.properties("a", guard: Guard(conditions: Conditions(ifUnmodifiedSince: second)))
        await expect(.notModified) {
            _ = try await fixture.properties("a", guard: Guard(conditions: Conditions(ifModifiedSince: second)))
        }
    }

    /// A creating write with If-None-Match of * onto a leased blob: see the fact sheet on clients.
    @Test func createOnlyWithLease() async throws {
        let fixture = try await NamespaceFixture.started()
        try await fixture.put("a", [1])
        let id = try #require(
            try await fixture.namespace.leaseBlob(
                Self.a, .acquire(duration: .infinite, proposed: nil), conditions: .none
            ).id)
        let createOnly = Conditions(ifNoneMatch: .any)
        await expect(.leaseIDMissing(.blob)) { try await fixture.put("a", [2], guard: Guard(conditions: createOnly)) }
        await expect(.leaseIDMismatch(.blob)) {
            try await fixture.put("a", [2], guard: Guard(conditions: createOnly, lease: LeaseTableTests.b))
        }
        try await fixture.put("a", [2], guard: Guard(conditions: createOnly, lease: id))
        #expect(try await fixture.get("a") == [2])
    }

    @Test func containerConditions() async throws {
        let fixture = try await NamespaceFixture.started()
        let now = fixture.world.now
        let unmet = [Conditions(ifModifiedSince: now), Conditions(ifUnmodifiedSince: now.adding(seconds: -1))]
        let met = [Conditions(ifModifiedSince: now.adding(seconds: -1)), Conditions(ifUnmodifiedSince: now)]
        let box = NamespaceFixture.container
        for (conditions, expected) in unmet.map({ ($0, Result.preconditionFailed) }) + met.map({ ($0, .passes) }) {
            let held = Guard(conditions: conditions)
            #expect(
                await Self.result {
                    _ = try await fixture.namespace.setContainerMetadata(box, .empty, guard: held)
                } == expected)
            #expect(
                await Self.result {
                    _ = try await fixture.namespace.setContainerAccess(
                        box, publicAccess: nil, policies: [], guard: held)
                } == expected)
            if expected == .preconditionFailed {
                #expect(
                    await Self.result {
                        try await fixture.namespace.deleteContainer(box, guard: held)
                    } == expected)
            }
        }
        try await fixture.namespace.deleteContainer(box, guard: Guard(conditions: met[1]))
    }
}

/// A request to copy a blob of the fixture's container.
func copying(
    _ name: String, in container: ContainerAddress = NamespaceFixture.container, conditions: Conditions = .none,
    headers: ContentHeaders? = nil, metadata: UserMetadata? = nil, tags: CopyRequest.TagChoice = .replace(.empty),
    tier: AccessTier? = nil, recordsCopy: Bool = true, expectedMD5: [UInt8]? = nil
) -> CopyRequest {
    CopyRequest(
        source: NamespaceFixture.blob(name, in: container), sourceConditions: conditions,
        sourceURL: "http://node/\(name)", headers: headers, metadata: metadata, tags: tags, tier: tier,
        recordsCopy: recordsCopy, expectedMD5: expectedMD5)
}
