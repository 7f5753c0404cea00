import Extents
import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// Staging and committing blocks.
@Suite struct BlockTests {
    typealias Fixture = NamespaceFixture
    static let a = Fixture.blob("a")

    static func entry(_ source: BlockListEntry.Source, _ id: String) -> BlockListEntry {
        BlockListEntry(source: source, id: BlockID(text: id))
    }
    static func latest(_ ids: String...) -> [BlockListEntry] { ids.map { entry(.latest, $0) } }

    static func listing(
        _ fixture: NamespaceFixture, _ kind: BlockListKind = .all
    ) async throws(StorageFailure) -> (committed: [String], uncommitted: [String]) {
        let listing = try await fixture.namespace.blockList(a, kind: kind, guard: .none)
        return (
            listing.committed.map { "\($0.id.text):\($0.size)" }, listing.uncommitted.map { "\($0.id.text):\($0.size)" }
        )
    }

    @Test func stageAndCommit() async throws {
        let fixture = try await Fixture.started()
        let parts = (0..<5).map { Fixture.bytes(10 + $0 * 7, salt: $0) }
        for (index, part) in parts.enumerated() { try await fixture.stage("a", "id\(index)", part) }
        await expect(.blobNotFound) { _ = try await fixture.get("a") }
        await expect(.blobNotFound) { _ = try await fixture.properties("a") }
        #expect(try await Self.listing(fixture) == ([], ["id0:10", "id1:17", "id2:24", "id3:31", "id4:38"]))
        let receipt = try await fixture.commit("a", Self.latest("id3", "id0", "id4", "id1", "id2"))
        #expect(try await fixture.get("a") == parts[3] + parts[0] + parts[4] + parts[1] + parts[2])
        #expect(try await fixture.properties("a").version == receipt.version)
        #expect(try await Self.listing(fixture) == (["id3:31", "id0:10", "id4:38", "id1:17", "id2:24"], []))
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    /// Committed, uncommitted and latest look where they say.
    @Test func sources() async throws {
        let fixture = try await Fixture.started()
        let (old, new, only) = (Fixture.bytes(20, salt: 1), Fixture.bytes(30, salt: 2), Fixture.bytes(40, salt: 3))
        func begin() async throws {
            try await fixture.stage("a", "X___", old)
            try await fixture.stage("a", "C___", only)
            try await fixture.commit("a", Self.latest("X___", "C___"))
            try await fixture.stage("a", "X___", new)
            try await fixture.stage("a", "U___", only)
        }
        let rows: [([BlockListEntry], [UInt8]?)] = [
            ([Self.entry(.committed, "X___")], old), ([Self.entry(.uncommitted, "X___")], new),
            ([Self.entry(.latest, "X___")], new), ([Self.entry(.latest, "C___")], only),
            ([Self.entry(.committed, "C___")], only), ([Self.entry(.uncommitted, "C___")], nil),
            ([Self.entry(.committed, "U___")], nil), ([Self.entry(.latest, "U___")], only),
            ([Self.entry(.latest, "none")], nil), ([], []),
            (
                [Self.entry(.committed, "X___"), Self.entry(.uncommitted, "X___"), Self.entry(.committed, "X___")],
                old + new + old
            ),
        ]
        for (list, expected) in rows {
            try await begin()
            guard let expected else {
                let before = try await Self.listing(fixture)
                await expect(.invalidBlockList) { try await fixture.commit("a", list) }
                #expect(try await fixture.get("a") == old + only)
                #expect(try await Self.listing(fixture) == before)
                continue
            }
            try await fixture.commit("a", list)
            #expect(try await fixture.get("a") == expected)
            #expect(
                try await Self.listing(fixture, .uncommitted).uncommitted.isEmpty,
                "blocks that a commit leaves out are dropped")
            #expect(try await fixture.check().findings.isEmpty)
        }
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    @Test func repeatedIDs() async throws {
        let fixture = try await Fixture.started()
        let (x, y) = (Fixture.bytes(20, salt: 1), Fixture.bytes(9, salt: 2))
        try await fixture.stage("a", "x", x)
        try await fixture.stage("a", "y", y)
        try await fixture.commit("a", Self.latest("x", "y", "x", "x"))
        #expect(try await fixture.get("a") == x + y + x + x)
        #expect(try await Self.listing(fixture).committed == ["x:20", "y:9", "x:20", "x:20"])
        try await fixture.commit("a", Self.latest("x", "x", "y", "y"))
        #expect(try await fixture.get("a") == x + x + y + y)
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.reap()
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    /// One block so often that its extent is named by several pages of the manifest.
    @Test func repeatedOverPages() async throws {
        let fixture = try await Fixture.started()
        let x = Fixture.bytes(20)
        try await fixture.stage("a", "x", x)
        try await fixture.stage("a", "y", [1])
        let ids = (0..<1_000).map { _ in "x" } + ["y"]
        try await fixture.commit("a", ids.map { Self.entry(.latest, $0) })
        let expected: [UInt8] = (0..<1_000).flatMap { _ -> [UInt8] in x } + [1]
        #expect(try await fixture.get("a") == expected)
        #expect(try await fixture.check().findings.isEmpty)
        // And once more out of what is committed, on top of a new block; then with the old one gone.
        try await fixture.stage("a", "z", x)
        try await fixture.commit("a", ["z"].map { Self.entry(.latest, $0) } + ids.map { Self.entry(.latest, $0) })
        #expect(try await fixture.get("a") == x + expected)
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.reap()
        #expect(try await fixture.get("a") == x + expected)
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    /// A retried Put Block List finds the same ids committed and succeeds.
    @Test func recommit() async throws {
        let fixture = try await Fixture.started()
        let parts = (0..<3).map { Fixture.bytes(40, salt: $0) }
        for (index, part) in parts.enumerated() { try await fixture.stage("a", "\(index)", part) }
        let first = try await fixture.commit("a", Self.latest("0", "1", "2"))
        let second = try await fixture.commit("a", Self.latest("0", "1", "2"))
        #expect(second.version > first.version)
        #expect(try await fixture.get("a") == parts[0] + parts[1] + parts[2])
        try await fixture.commit("a", Self.latest("2", "0"))
        #expect(try await fixture.get("a") == parts[2] + parts[0])
        try await fixture.reap()
        #expect(try await fixture.get("a") == parts[2] + parts[0])
        #expect(fixture.extents.stored.count == 10)
        await expect(.invalidBlockList) { try await fixture.commit("a", Self.latest("1")) }
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    @Test func restagedBlocks() async throws {
        let fixture = try await Fixture.started()
        try await fixture.stage("a", "x", Fixture.bytes(50, salt: 1))
        try await fixture.stage("a", "x", Fixture.bytes(20, salt: 2))
        #expect(try await Self.listing(fixture).uncommitted == ["x:20"])
        try await fixture.reap()
        #expect(fixture.extents.stored.count == 3)
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.commit("a", Self.latest("x"))
        #expect(try await fixture.get("a") == Fixture.bytes(20, salt: 2))
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    /// All uncommitted ids of a blob have one length; after the commit another one may begin.
    @Test func idLengths() async throws {
        let fixture = try await Fixture.started()
        try await fixture.stage("a", "AAAA", [1])
        await expect(.blockIDLengthMismatch) { try await fixture.stage("a", "AAAAAAAA", [2]) }
        #expect(fixture.extents.stored.count == 1)
        try await fixture.stage("b", "AAAAAAAA", [2])
        try await fixture.commit("a", Self.latest("AAAA"))
        try await fixture.stage("a", "AAAAAAAA", [2])
        await expect(.blockIDLengthMismatch) { try await fixture.stage("a", "AAAA", [1]) }
        try await fixture.commit("a", Self.latest("AAAA", "AAAAAAAA"))
        #expect(try await fixture.get("a") == [1, 2])
    }

    @Test func blocksHoldBytes() async throws {
        let fixture = try await Fixture.started()
        await expect(.invalidInput) { try await fixture.stage("a", "AAAA", []) }
        #expect(fixture.metadata.contents.allSatisfy { $0.key[0] != Keys.Kind.uncommittedBlob.rawValue })
    }

    /// What drops the staged blocks of a name besides a commit.
    @Test func droppedBlocks() async throws {
        for way in 0..<4 {
            let fixture = try await Fixture.started()
            if way == 3 { try await fixture.put("a", Fixture.bytes(50)) }
            try await fixture.stage("a", "AAAA", Fixture.bytes(50))
            try await fixture.stage("a", "BBBB", Fixture.bytes(5))
            switch way {
            case 0: try await fixture.put("a", [])
            case 1:
                try await fixture.put("source", [])
                _ = try await fixture.namespace.copyBlob(to: Self.a, copying("source"), guard: .none)
            default: try await fixture.delete("a")
            }
            if way < 2 {
                #expect(try await Self.listing(fixture).uncommitted == [])
                try await fixture.delete("a")
            } else {
                await expect(.blobNotFound) { _ = try await Self.listing(fixture) }
                await expect(.blobNotFound) { try await fixture.delete("a") }
            }
            if way == 1 { try await fixture.delete("source") }
            try await fixture.expectNothingLeft()
        }
    }

    /// Attribute writes leave staged blocks alone, and staging leaves the blob alone.
    @Test func stagingIsInvisible() async throws {
        let fixture = try await Fixture.started()
        let receipt = try await fixture.put("a", [1])
        let before = try await fixture.properties("a")
        fixture.world.advance(seconds: 100)
        try await fixture.stage("a", "AAAA", Fixture.bytes(50))
        let after = try await fixture.properties("a")
        #expect(after.version == receipt.version && after.lastModified == before.lastModified)
        #expect(try await fixture.get("a") == [1])
        #expect(try await fixture.namespace.changes(after: receipt.version, limit: 10).isEmpty)
        _ = try await fixture.namespace.setMetadata(Self.a, .empty, guard: .none)
        try await fixture.namespace.setTags(Self.a, .empty, guard: .none)
        #expect(try await Self.listing(fixture).uncommitted == ["AAAA:50"])
        let listed = try await fixture.namespace.listBlobs(
            Fixture.container, BlobListQuery(includesUncommitted: true))
        #expect(listed.entries.count == 1)
    }

    @Test func blockListKinds() async throws {
        let fixture = try await Fixture.started()
        await expect(.blobNotFound) { _ = try await Self.listing(fixture) }
        try await fixture.stage("a", "AAAA", [1])
        var listing = try await fixture.namespace.blockList(Self.a, kind: .all, guard: .none)
        #expect(listing.committedBlob == nil && listing.uncommitted.count == 1)
        try await fixture.commit("a", Self.latest("AAAA"))
        try await fixture.stage("a", "BBBB", [1, 2])
        #expect(try await Self.listing(fixture, .committed) == (["AAAA:1"], []))
        #expect(try await Self.listing(fixture, .uncommitted) == ([], ["BBBB:2"]))
        #expect(try await Self.listing(fixture, .all) == (["AAAA:1"], ["BBBB:2"]))
        listing = try await fixture.namespace.blockList(Self.a, kind: .uncommitted, guard: .none)
        #expect(listing.committedBlob?.length == 1)
        // A blob that was put whole has no blocks.
        for size in [0, 10, 50, 9_000] {
            try await fixture.put("a", Fixture.bytes(size))
            #expect(try await Self.listing(fixture) == ([], []))
        }
    }

    @Test func expiry() async throws {
        let fixture = try await Fixture.started()
        let week = Limits.uncommittedBlockLifetimeSeconds
        try await fixture.put("a", [9])
        try await fixture.stage("a", "AAAA", Fixture.bytes(30))
        fixture.world.advance(seconds: week - 1)
        try await fixture.stage("b", "AAAA", Fixture.bytes(30))
        try await fixture.stage("a", "BBBB", [1])
        // The week counts from the last block of the name.
        fixture.world.advance(seconds: week)
        try await fixture.namespace.expireStagedBlocks()
        #expect(try await Self.listing(fixture).uncommitted == ["AAAA:30", "BBBB:1"])
        try await fixture.stage("b", "AAAA", [2])
        fixture.world.advance(seconds: 1)
        try await fixture.namespace.expireStagedBlocks()
        #expect(try await Self.listing(fixture).uncommitted == [])
        #expect(try await fixture.get("a") == [9])
        let b = try await fixture.namespace.blockList(Fixture.blob("b"), kind: .all, guard: .none)
        #expect(b.uncommitted.count == 1)
        fixture.world.advance(seconds: week)
        try await fixture.namespace.expireStagedBlocks()
        await expect(.blobNotFound) {
            _ = try await fixture.namespace.blockList(Fixture.blob("b"), kind: .all, guard: .none)
        }
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    @Test func expiryOfManyNames() async throws {
        let fixture = try await Fixture.started()
        for number in 0..<1_100 { try await fixture.stage("name\(number)", "AAAA", [1]) }
        fixture.world.advance(seconds: Limits.uncommittedBlockLifetimeSeconds + 1)
        try await fixture.namespace.expireStagedBlocks()
        try await fixture.expectNothingLeft()
    }

    @Test func countLimits() async throws {
        let fixture = try await Fixture.started()
        try await fixture.stage("a", "AAAA", [1])
        let tooLong = [BlockListEntry](repeating: Self.entry(.latest, "AAAA"), count: Limits.blocksPerBlob + 1)
        await expect(.blockListTooLong(limit: Limits.blocksPerBlob)) { try await fixture.commit("a", tooLong) }
        // As if so many blocks had been staged: the count is a record of its own.
        let count = try #require(fixture.metadata.contents.first { $0.key[0] == Keys.Kind.uncommittedCount.rawValue })
        _ = try await fixture.metadata.transact { transaction throws(StorageFailure) in
            transaction.add(count.key, Int64(Limits.uncommittedBlocksPerBlob - 2))
        }
        try await fixture.stage("a", "BBBB", [1])
        await expect(.tooManyUncommittedBlocks) { try await fixture.stage("a", "CCCC", [1]) }
        try await fixture.stage("a", "AAAA", [2])
        try await fixture.commit("a", Self.latest("AAAA", "BBBB"))
        #expect(try await fixture.get("a") == [2, 1])
        try await fixture.stage("a", "CCCC", [1])
    }

    @Test func fullBlockList() async throws {
        let fixture = try await Fixture.started()
        try await fixture.stage("a", "AAAA", [1])
        let list = [BlockListEntry](repeating: Self.entry(.latest, "AAAA"), count: Limits.blocksPerBlob)
        try await fixture.commit("a", list)
        #expect(try await fixture.properties("a").length == Int64(Limits.blocksPerBlob))
        #expect(try await fixture.get("a", range: RangeRequest(first: 49_998, last: nil)) == [1, 1])
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    /// Blocks of one name can be staged all at once; the count comes out right.
    @Test func parallelStaging() async throws {
        let fixture = try await Fixture.started()
        try await fixture.stage("a", "b00", [0])
        await withTaskGroup(of: Void.self) { group in
            for number in 1..<40 {
                group.addTask {
                    await #expect(throws: Never.self) {
                        try await fixture.stage("a", "b\(number / 10)\(number % 10)", [UInt8(number)])
                    }
                }
            }
        }
        #expect(fixture.metadata.conflictCount == 0)
        #expect(try await fixture.check().findings.isEmpty)
        let list = (0..<40).map { Self.entry(.uncommitted, "b\($0 / 10)\($0 % 10)") }
        try await fixture.commit("a", list)
        #expect(try await fixture.get("a") == (0..<40).map { UInt8($0) })
    }

    // MARK: - Blocks out of blobs

    @Test(arguments: [10, 33, 100, 9_000]) func blocksFromBlobs(length: Int) async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(length)
        try await fixture.put("source", bytes)
        let used = fixture.extents.usage().usedBytes
        var expected: [UInt8] = []
        var list: [BlockListEntry] = []
        let cuts = [0, 1, 7, length / 3, length / 2, length - 1]
        for (index, first) in cuts.enumerated() {
            let last = min(length - 1, first + 12)
            let digests = try await fixture.namespace.putBlockFromBlob(
                Self.a, id: BlockID(text: "b\(index)"), source: Fixture.blob("source"),
                range: RangeRequest(first: Int64(first), last: Int64(last)), sourceConditions: .none, expectedMD5: nil,
                expectedCRC64: nil, lease: nil)
            #expect(digests.length == Int64(last - first + 1))
            expected += bytes[first...last]
            list.append(Self.entry(.uncommitted, "b\(index)"))
        }
        _ = try await fixture.namespace.putBlockFromBlob(
            Self.a, id: BlockID(text: "b9"), source: Fixture.blob("source"), range: nil, sourceConditions: .none,
            expectedMD5: nil, expectedCRC64: nil, lease: nil)
        expected += bytes
        list.append(Self.entry(.latest, "b9"))
        if length > 16 { #expect(fixture.extents.usage().usedBytes == used, "slices share the source's extents") }
        #expect(try await fixture.check().findings.isEmpty)
        // The source may go at any time.
        try await fixture.put("source", [1])
        try await fixture.reap()
        try await fixture.commit("a", list)
        #expect(try await fixture.get("a") == expected)
        try await fixture.delete("source")
        try await fixture.reap()
        #expect(try await fixture.get("a") == expected)
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    @Test func refusedBlocksFromBlobs() async throws {
        let fixture = try await Fixture.started()
        let receipt = try await fixture.put("source", Fixture.bytes(50))
        try await fixture.put("empty", [])
        try await fixture.put("archived", Fixture.bytes(50), attributes: BlobAttributes(tier: .archive))
        let other = Conditions(ifMatch: .versions([Version(receipt.version.rawValue + 1)]))
        let same = Conditions(ifNoneMatch: .versions([receipt.version]))
        let rows: [(StorageFailure.Code, String, RangeRequest?, Conditions)] = [
            (.copySourceNotFound, "none", nil, .none), (.copySourceArchived, "archived", nil, .none),
            (.sourceConditionNotMet, "source", nil, other), (.sourceConditionNotMet, "source", nil, same),
            (.rangeNotSatisfiable(length: 50), "source", RangeRequest(first: 0, last: 50), .none),
            (.rangeNotSatisfiable(length: 50), "source", RangeRequest(first: 50, last: nil), .none),
            (.invalidInput, "empty", nil, .none),
            (.rangeNotSatisfiable(length: 0), "empty", RangeRequest(first: 0, last: nil), .none),
        ]
        for (code, source, range, conditions) in rows {
            await expect(code) {
                _ = try await fixture.namespace.putBlockFromBlob(
                    Self.a, id: BlockID(text: "AAAA"), source: Fixture.blob(source), range: range,
                    sourceConditions: conditions, expectedMD5: nil, expectedCRC64: nil, lease: nil)
            }
        }
        await expect(.copySourceNotFound) {
            _ = try await fixture.namespace.putBlockFromBlob(
                Self.a, id: BlockID(text: "AAAA"), source: Fixture.blob("a", in: Fixture.container("none")), range: nil,
                sourceConditions: .none, expectedMD5: nil, expectedCRC64: nil, lease: nil)
        }
        await #expect(throws: StorageFailure.self) {
            _ = try await fixture.namespace.putBlockFromBlob(
                Self.a, id: BlockID(text: "AAAA"), source: Fixture.blob("source"), range: nil, sourceConditions: .none,
                expectedMD5: [UInt8](repeating: 0, count: 16), expectedCRC64: nil, lease: nil)
        }
        await #expect(throws: StorageFailure.self) {
            _ = try await fixture.namespace.putBlockFromBlob(
                Self.a, id: BlockID(text: "AAAA"), source: Fixture.blob("source"), range: nil, sourceConditions: .none,
                expectedMD5: nil, expectedCRC64: 1, lease: nil)
        }
        await expect(.blobNotFound) { _ = try await Self.listing(fixture) }
        try await fixture.expectNothingLeft(deleting: ["source", "empty", "archived"])
    }
}
