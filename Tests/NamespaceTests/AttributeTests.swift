import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// Which operation changes what: ETag, Last-Modified, creation time, tier; and tiers with their rehydration.
@Suite struct AttributeTests {
    typealias Fixture = NamespaceFixture
    static let a = Fixture.blob("a")

    struct Change: Sendable, CustomStringConvertible {
        var description: String
        var isWrite: Bool
        var run: @Sendable (NamespaceFixture) async throws(StorageFailure) -> Void
    }

    static let changes = [
        Change(description: "Put Blob", isWrite: true) { fixture throws(StorageFailure) in
            try await fixture.put("a", [2])
        },
        Change(description: "Put Block List", isWrite: true) { fixture throws(StorageFailure) in
            try await fixture.commit("a", [])
        },
        Change(description: "Copy", isWrite: true) { fixture throws(StorageFailure) in
            _ = try await fixture.namespace.copyBlob(to: a, copying("source"), guard: .none)
        },
        Change(description: "Set Properties", isWrite: true) { fixture throws(StorageFailure) in
            _ = try await fixture.namespace.setProperties(a, ContentHeaders(contentType: "x/y"), guard: .none)
        },
        Change(description: "Set Metadata", isWrite: true) { fixture throws(StorageFailure) in
            _ = try await fixture.namespace.setMetadata(a, Fixture.metadata(("n", "1")), guard: .none)
        },
        Change(description: "Set Tags", isWrite: false) { fixture throws(StorageFailure) in
            try await fixture.namespace.setTags(a, Fixture.tags(("n", "1")), guard: .none)
        },
        Change(description: "Set Tier", isWrite: false) { fixture throws(StorageFailure) in
            _ = try await fixture.namespace.setTier(a, .cool, priority: nil, guard: .none)
        },
        Change(description: "Lease", isWrite: false) { fixture throws(StorageFailure) in
            _ = try await fixture.namespace.leaseBlob(
                a, .acquire(duration: .seconds(15), proposed: nil), conditions: .none)
        },
        Change(description: "Put Block", isWrite: false) { fixture throws(StorageFailure) in
            try await fixture.stage("a", "AAAA", [2])
        },
    ]

    @Test(arguments: changes) func versions(change: Change) async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("source", [3])
        try await fixture.put("a", [1], attributes: BlobAttributes(metadata: Fixture.metadata(("k", "v"))))
        let before = try await fixture.properties("a")
        fixture.world.advance(seconds: 100)
        try await change.run(fixture)
        let after = try await fixture.properties("a")
        #expect((after.version > before.version) == change.isWrite)
        #expect((after.version == before.version) == !change.isWrite)
        #expect(after.lastModified == (change.isWrite ? fixture.world.now : before.lastModified))
        #expect(after.createdOn == before.createdOn)
        // What the listing shows is the same.
        let listed = try await fixture.namespace.listBlobs(Fixture.container, BlobListQuery(prefix: "a"))
        guard case .blob("a", let shown)? = listed.entries.first else {
            Issue.record("the blob is not listed")
            return
        }
        #expect(shown.version == after.version && shown.lastModified == after.lastModified)
    }

    /// A write onto a missing or only staged blob is refused or creates; nothing in between.
    @Test(arguments: changes) func missingBlobs(change: Change) async throws {
        let creating = ["Put Blob", "Put Block List", "Copy", "Put Block"].contains(change.description)
        for staged in [false, true] {
            let fixture = try await Fixture.started()
            try await fixture.put("source", [3])
            if staged { try await fixture.stage("a", "AAAA", [1]) }
            if creating {
                try await change.run(fixture)
            } else {
                await expect(.blobNotFound) { try await change.run(fixture) }
            }
        }
        let fixture = NamespaceFixture()
        await expect(.containerNotFound) { try await change.run(fixture) }
    }

    /// What a write does not give is cleared, but for the lease, the tier and the time of creation.
    @Test func overwritingClears() async throws {
        let fixture = try await Fixture.started()
        let full = BlobAttributes(
            headers: ContentHeaders(
                contentType: "x/y", cacheControl: "c", contentMD5: [UInt8](repeating: 1, count: 16)),
            metadata: Fixture.metadata(("k", "v")), tags: Fixture.tags(("t", "1")), tier: .cool)
        for way in 0..<2 {
            try await fixture.put("a", [1], attributes: full)
            let before = try await fixture.properties("a")
            #expect(before.headers == full.headers && before.tags == full.tags && before.tier == .cool)
            fixture.world.advance(seconds: 10)
            if way == 0 { try await fixture.put("a", [2]) } else { try await fixture.commit("a", []) }
            let after = try await fixture.properties("a")
            #expect(after.headers == ContentHeaders() && after.metadata.isEmpty && after.tags.isEmpty)
            #expect(after.tier == .cool && after.tierChangedOn == before.tierChangedOn)
            #expect(after.createdOn == before.createdOn)
            try await fixture.delete("a")
            fixture.world.advance(seconds: 10)
            try await fixture.put("a", [3])
            #expect(try await fixture.properties("a").createdOn == fixture.world.now)
            #expect(try await fixture.properties("a").tier == nil)
        }
    }

    @Test func setPropertiesReplacesAll() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put(
            "a", [1], attributes: BlobAttributes(headers: ContentHeaders(contentType: "x/y", contentLanguage: "de")))
        let headers = ContentHeaders(contentType: "p/q", contentDisposition: "inline", contentMD5: [1, 2])
        _ = try await fixture.namespace.setProperties(Self.a, headers, guard: .none)
        #expect(try await fixture.properties("a").headers == headers)
    }

    // MARK: - Tiers

    @Test func tiersChange() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", [1])
        #expect(try await fixture.properties("a").tier == nil)
        for tier in [AccessTier.cool, .cold, .hot, .archive] {
            fixture.world.advance(seconds: 10)
            let receipt = try await fixture.namespace.setTier(Self.a, tier, priority: nil, guard: .none)
            #expect(!receipt.isPending)
            let found = try await fixture.properties("a")
            #expect(found.tier == tier && found.tierChangedOn == fixture.world.now)
        }
        let changed = try await fixture.properties("a").tierChangedOn
        fixture.world.advance(seconds: 10)
        _ = try await fixture.namespace.setTier(Self.a, .archive, priority: nil, guard: .none)
        #expect(try await fixture.properties("a").tierChangedOn == changed)
    }

    @Test func archivedBlobs() async throws {
        for serves in [false, true] {
            var options = Fixture.Options()
            options.configure = { $0.servesArchived = serves }
            let fixture = try await Fixture.started(options)
            try await fixture.put("a", Fixture.bytes(40), attributes: BlobAttributes(tier: .archive))
            let attempts: [(String, () async throws -> Void)] = [
                ("get", { _ = try await fixture.get("a") }),
                ("range", { _ = try await fixture.get("a", range: RangeRequest(first: 1, last: 2)) }),
                ("metadata", { _ = try await fixture.namespace.setMetadata(Self.a, .empty, guard: .none) }),
                (
                    "properties",
                    { _ = try await fixture.namespace.setProperties(Self.a, ContentHeaders(), guard: .none) }
                ),
                ("put", { try await fixture.put("a", [1]) }),
                ("commit", { try await fixture.commit("a", []) }),
            ]
            for (name, attempt) in attempts {
                let found = await LeaseUseTests.outcome(attempt)
                #expect(found == (serves ? .passes : .refused(.blobArchived)), "\(name), served: \(serves)")
            }
            // These are always possible.
            _ = try await fixture.properties("a")
            try await fixture.namespace.setTags(Self.a, Fixture.tags(("k", "v")), guard: .none)
            try await fixture.delete("a")
        }
    }

    @Test func rehydration() async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(40)
        try await fixture.put("a", bytes, attributes: BlobAttributes(tier: .archive))
        let version = try await fixture.properties("a").version
        #expect(try await fixture.namespace.setTier(Self.a, .cool, priority: .standard, guard: .none).isPending)
        var found = try await fixture.properties("a")
        #expect(found.tier == .archive && found.rehydration == Rehydration(target: .cool, priority: .standard))
        await expect(.blobArchived) { _ = try await fixture.get("a") }
        for tier in [AccessTier.hot, .cold, .archive] {
            await expect(.blobBeingRehydrated) {
                _ = try await fixture.namespace.setTier(Self.a, tier, priority: nil, guard: .none)
            }
        }
        #expect(try await fixture.namespace.setTier(Self.a, .cool, priority: .high, guard: .none).isPending)
        #expect(try await fixture.properties("a").rehydration?.priority == .high)
        _ = try await fixture.namespace.setTier(Self.a, .cool, priority: .standard, guard: .none)
        #expect(try await fixture.properties("a").rehydration?.priority == .high)
        fixture.world.advance(seconds: 9)
        await expect(.blobArchived) { _ = try await fixture.get("a") }
        fixture.world.advance(seconds: 1)
        let due = fixture.world.now
        #expect(try await fixture.get("a") == bytes)
        fixture.world.advance(seconds: 50)
        found = try await fixture.properties("a")
        #expect(found.tier == .cool && found.rehydration == nil && found.tierChangedOn == due)
        #expect(found.version == version)
        // And the stored record follows with the next write.
        _ = try await fixture.namespace.setMetadata(Self.a, .empty, guard: .none)
        #expect(try await fixture.properties("a").tier == .cool)
        _ = try await fixture.namespace.setTier(Self.a, .hot, priority: nil, guard: .none)
        #expect(try await fixture.properties("a").tier == .hot)
    }

    @Test func deleteByTierTime() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", [1])
        fixture.world.advance(seconds: 100)
        _ = try await fixture.namespace.setTier(Self.a, .cool, priority: nil, guard: .none)
        let changed = fixture.world.now
        let refused: [(Timestamp?, Timestamp?)] = [(changed, nil), (nil, changed.adding(seconds: -1))]
        for (modified, unmodified) in refused {
            await expect(.preconditionFailed) {
                try await fixture.namespace.deleteBlob(
                    Self.a, guard: .none, tierModifiedSince: modified, tierUnmodifiedSince: unmodified)
            }
        }
        try await fixture.namespace.deleteBlob(
            Self.a, guard: .none, tierModifiedSince: changed.adding(seconds: -1), tierUnmodifiedSince: changed)
        await expect(.blobNotFound) { _ = try await fixture.properties("a") }
    }
}
