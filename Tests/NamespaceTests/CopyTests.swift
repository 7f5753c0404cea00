import Crypto
import Extents
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// Copies within the node share bytes and nothing else.
@Suite struct CopyTests {
    typealias Fixture = NamespaceFixture
    static let source = Fixture.blob("source")
    static let target = Fixture.blob("target")

    /// Empty, inline, pieces in the record, one page, several pages.
    static let lengths = [0, 10, 30, 100, 20_000]

    @Test(arguments: lengths) func copyOutlivesItsSource(length: Int) async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(length)
        try await fixture.put("source", bytes)
        let used = fixture.extents.usage().usedBytes
        _ = try await fixture.namespace.copyBlob(to: Self.target, copying("source"), guard: .none)
        _ = try await fixture.namespace.copyBlob(to: Fixture.blob("third"), copying("target"), guard: .none)
        #expect(fixture.extents.usage().usedBytes == used)
        try await fixture.reap()
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.put("source", Fixture.bytes(50, salt: 9))
        try await fixture.reap()
        #expect(try await fixture.get("target") == bytes)
        try await fixture.delete("source")
        try await fixture.reap()
        #expect(try await fixture.get("target") == bytes)
        try await fixture.delete("target")
        try await fixture.reap()
        #expect(try await fixture.get("third") == bytes)
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.expectNothingLeft(deleting: ["third"])
    }

    @Test(arguments: lengths) func copyOntoItself(length: Int) async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(length)
        try await fixture.put("source", bytes)
        let before = try await fixture.properties("source")
        try await fixture.stage("source", "AAAA", Fixture.bytes(30))
        for round in 0..<3 {
            let receipt = try await fixture.namespace.copyBlob(
                to: Self.source, copying("source", metadata: Fixture.metadata(("round", "\(round)"))), guard: .none)
            #expect(receipt.write.version > before.version)
            if round == 1 { try await fixture.reap() }
        }
        #expect(try await fixture.get("source") == bytes)
        #expect(try await fixture.properties("source").metadata["round"] == "2")
        #expect(try await fixture.properties("source").createdOn == before.createdOn)
        try await fixture.reap()
        #expect(try await fixture.get("source") == bytes)
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.expectNothingLeft(deleting: ["source"])
    }

    @Test func committedBlocksComeAlong() async throws {
        let fixture = try await Fixture.started()
        try await fixture.stage("source", "x", Fixture.bytes(30))
        try await fixture.stage("source", "y", Fixture.bytes(9_000))
        try await fixture.commit("source", BlockTests.latest("x", "y"))
        _ = try await fixture.namespace.copyBlob(to: Self.target, copying("source"), guard: .none)
        try await fixture.delete("source")
        try await fixture.reap()
        let listing = try await fixture.namespace.blockList(Self.target, kind: .all, guard: .none)
        #expect(listing.committed.map(\.id.text) == ["x", "y"])
        try await fixture.commit("target", BlockTests.latest("y"))
        try await fixture.reap()
        #expect(try await fixture.get("target") == Fixture.bytes(9_000))
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.expectNothingLeft(deleting: ["target"])
    }

    @Test func whatIsCopied() async throws {
        let fixture = try await Fixture.started()
        let md5 = [UInt8](repeating: 3, count: 16)
        let headers = ContentHeaders(
            contentType: "text/x", contentEncoding: "e", contentLanguage: "l", contentDisposition: "d",
            cacheControl: "c", contentMD5: md5)
        let attributes = BlobAttributes(
            headers: headers, metadata: Fixture.metadata(("k", "v")), tags: Fixture.tags(("t", "1")), tier: .cool)
        try await fixture.put("source", Fixture.bytes(40), attributes: attributes)
        let now = fixture.world.now
        let receipt = try await fixture.namespace.copyBlob(to: Self.target, copying("source"), guard: .none)
        #expect(receipt.contentMD5 == md5)
        var found = try await fixture.properties("target")
        #expect(found.headers == headers && found.metadata == attributes.metadata && found.tags.isEmpty)
        #expect(found.tier == nil)
        #expect(
            found.copy
                == CopyRecord(
                    id: receipt.copyID, status: .success, source: "http://node/source", bytesDone: 40, bytesTotal: 40,
                    completedOn: now))
        #expect(LeaseID(receipt.copyID) != nil, "a copy id is a GUID")
        // Given parts replace; tags come along when asked.
        _ = try await fixture.namespace.copyBlob(
            to: Self.target,
            copying(
                "source", headers: ContentHeaders(contentType: "x/y"), metadata: Fixture.metadata(("m", "n")),
                tags: .copy, tier: .cold, recordsCopy: false), guard: .none)
        found = try await fixture.properties("target")
        #expect(found.headers == ContentHeaders(contentType: "x/y") && found.metadata["m"] == "n")
        #expect(found.tags == attributes.tags && found.tier == .cold && found.copy == nil)
        _ = try await fixture.namespace.copyBlob(
            to: Self.target, copying("source", tags: .replace(Fixture.tags(("u", "2")))), guard: .none)
        #expect(try await fixture.properties("target").tags == Fixture.tags(("u", "2")))
        #expect(try await fixture.properties("target").tier == .cold, "the tier stays unless given")
    }

    /// Any later write but lease and tags takes the copy's record away.
    @Test func copyRecordEnds() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("source", [1])
        let writes: [(Bool, () async throws -> Void)] = [
            (
                true,
                {
                    _ = try await fixture.namespace.leaseBlob(
                        Self.target, .acquire(duration: .infinite, proposed: nil), conditions: .none)
                    _ = try await fixture.namespace.leaseBlob(Self.target, .breakAfter(seconds: 0), conditions: .none)
                }
            ),
            (true, { try await fixture.stage("target", "AAAA", [1]) }),
            (false, { _ = try await fixture.namespace.setMetadata(Self.target, .empty, guard: .none) }),
            (false, { _ = try await fixture.namespace.setProperties(Self.target, ContentHeaders(), guard: .none) }),
            (false, { try await fixture.put("target", [2]) }),
        ]
        for (stays, write) in writes {
            _ = try await fixture.namespace.copyBlob(to: Self.target, copying("source"), guard: .none)
            try await write()
            #expect(try await (fixture.properties("target").copy != nil) == stays)
        }
    }

    @Test func refusedCopies() async throws {
        let fixture = try await Fixture.started()
        let receipt = try await fixture.put("source", [1])
        try await fixture.put("archived", [1], attributes: BlobAttributes(tier: .archive))
        try await fixture.stage("staged", "AAAA", [1])
        let other = Conditions(ifMatch: .versions([Version(receipt.version.rawValue + 1)]))
        let rows: [(StorageFailure.Code, CopyRequest)] = [
            (.copySourceNotFound, copying("none")), (.copySourceNotFound, copying("staged")),
            (.copySourceNotFound, copying("source", in: Fixture.container("none"))),
            (.copySourceArchived, copying("archived")),
            (.sourceConditionNotMet, copying("source", conditions: other)),
            (.sourceConditionNotMet, copying("source", conditions: Conditions(ifNoneMatch: .any))),
            (.sourceConditionNotMet, copying("source", conditions: Conditions(ifModifiedSince: fixture.world.now))),
            (.sourceConditionNotMet, copying("source", conditions: Conditions(ifTags: ConditionTableTests.yes))),
        ]
        for (code, request) in rows {
            await expect(code) { _ = try await fixture.namespace.copyBlob(to: Self.target, request, guard: .none) }
        }
        await expect(.containerNotFound) {
            _ = try await fixture.namespace.copyBlob(
                to: Fixture.blob("a", in: Fixture.container("none")), copying("source"), guard: .none)
        }
        await expect(.blobNotFound) { _ = try await fixture.properties("target") }
    }

    /// The MD5 that a caller gives for the source is that of its bytes, whatever the source's Content-MD5 says.
    @Test(arguments: [10, 100]) func sourceMD5(length: Int) async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(length)
        let md5 = Array(Insecure.MD5.hash(data: bytes))
        let lie = [UInt8](repeating: 7, count: 16)
        for stored in [nil, lie, md5] {
            try await fixture.put(
                "source", bytes, attributes: BlobAttributes(headers: ContentHeaders(contentMD5: stored)))
            _ = try await fixture.namespace.copyBlob(
                to: Self.target, copying("source", expectedMD5: md5), guard: .none)
            try await fixture.delete("target")
            await expect(.md5Mismatch(given: lie, computed: md5)) {
                _ = try await fixture.namespace.copyBlob(
                    to: Self.target, copying("source", expectedMD5: lie), guard: .none)
            }
            await expect(.blobNotFound) { _ = try await fixture.properties("target") }
        }
        await expect(.copySourceNotFound) {
            _ = try await fixture.namespace.copyBlob(to: Self.target, copying("none", expectedMD5: md5), guard: .none)
        }
    }

    @Test func betweenContainers() async throws {
        let fixture = try await Fixture.started()
        let other = Fixture.container("other")
        _ = try await fixture.namespace.createContainer(other, metadata: .empty, publicAccess: nil)
        for length in Self.lengths {
            try await fixture.put("source", Fixture.bytes(length), in: other)
            _ = try await fixture.namespace.copyBlob(
                to: Fixture.blob("copy\(length)"), copying("source", in: other), guard: .none)
        }
        try await fixture.namespace.deleteContainer(other, guard: .none)
        try await fixture.reap()
        for length in Self.lengths { #expect(try await fixture.get("copy\(length)") == Fixture.bytes(length)) }
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.expectNothingLeft(deleting: Self.lengths.map { "copy\($0)" })
    }
}
