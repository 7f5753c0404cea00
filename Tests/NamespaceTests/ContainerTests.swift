import Extents
import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

@Suite struct ContainerTests {
    typealias Fixture = NamespaceFixture
    static let box = Fixture.container

    @Test func lifeOfAContainer() async throws {
        let fixture = NamespaceFixture()
        await expect(.containerNotFound) { _ = try await fixture.namespace.containerProperties(Self.box, lease: nil) }
        await expect(.containerNotFound) { try await fixture.namespace.deleteContainer(Self.box, guard: .none) }
        let created = try await fixture.namespace.createContainer(
            Self.box, metadata: Fixture.metadata(("k", "v")), publicAccess: nil)
        await expect(.containerAlreadyExists) {
            _ = try await fixture.namespace.createContainer(Self.box, metadata: .empty, publicAccess: nil)
        }
        var found = try await fixture.namespace.containerProperties(Self.box, lease: nil)
        #expect(found.version == created.version && found.lastModified == created.lastModified)
        #expect(found.metadata["k"] == "v" && found.publicAccess == nil && found.policies.isEmpty)
        fixture.world.advance(seconds: 10)
        let changed = try await fixture.namespace.setContainerMetadata(Self.box, .empty, guard: .none)
        found = try await fixture.namespace.containerProperties(Self.box, lease: nil)
        #expect(changed.version > created.version && found.version == changed.version)
        #expect(found.metadata.isEmpty && found.lastModified == fixture.world.now)
        // Blobs inside change nothing of it, nor does a lease.
        try await fixture.put("a", [1])
        _ = try await fixture.namespace.leaseContainer(
            Self.box, .acquire(duration: .seconds(15), proposed: nil), conditions: .none)
        fixture.world.advance(seconds: 20)
        found = try await fixture.namespace.containerProperties(Self.box, lease: nil)
        #expect(found.version == changed.version && found.lastModified == changed.lastModified)
        try await fixture.namespace.deleteContainer(Self.box, guard: .none)
        await expect(.containerNotFound) { try await fixture.put("a", [1]) }
        await expect(.containerNotFound) { _ = try await fixture.get("a") }
    }

    @Test func accessPolicies() async throws {
        var options = Fixture.Options()
        options.configure = { $0.allowsPublicAccess = { $0.value == "devaccount" } }
        let fixture = try await Fixture.started(options)
        let policies = [
            AccessPolicy(id: "one", start: Timestamp(seconds: 5), expiry: nil, permissions: "rw"),
            AccessPolicy(id: "two", start: nil, expiry: Timestamp(nanoseconds: .max), permissions: nil),
        ]
        _ = try await fixture.namespace.setContainerAccess(
            Self.box, publicAccess: .blob, policies: policies, guard: .none)
        var found = try await fixture.namespace.containerProperties(Self.box, lease: nil)
        #expect(found.publicAccess == .blob && found.policies == policies)
        _ = try await fixture.namespace.setContainerMetadata(Self.box, Fixture.metadata(("k", "v")), guard: .none)
        #expect(try await fixture.namespace.containerProperties(Self.box, lease: nil).policies == policies)
        _ = try await fixture.namespace.setContainerAccess(
            Self.box, publicAccess: .container, policies: [], guard: .none)
        found = try await fixture.namespace.containerProperties(Self.box, lease: nil)
        #expect(found.publicAccess == .container && found.policies.isEmpty && found.metadata["k"] == "v")
    }

    @Test func publicAccessIsRefused() async throws {
        let fixture = try await Fixture.started()
        for level in [PublicAccess.blob, .container] {
            await expect(.publicAccessNotPermitted) {
                _ = try await fixture.namespace.setContainerAccess(
                    Self.box, publicAccess: level, policies: [], guard: .none)
            }
            await expect(.publicAccessNotPermitted) {
                _ = try await fixture.namespace.createContainer(
                    Fixture.container("other"), metadata: .empty, publicAccess: level)
            }
        }
        await expect(.containerNotFound) {
            _ = try await fixture.namespace.containerProperties(Fixture.container("other"), lease: nil)
        }
    }

    @Test func serviceNames() async throws {
        let fixture = NamespaceFixture()
        for name in ["$logs", "$blobchangefeed"] {
            await expect(.invalidName(.characters)) {
                _ = try await fixture.namespace.createContainer(
                    Fixture.container(name), metadata: .empty, publicAccess: nil)
            }
        }
    }

    /// The name is free at once, and nothing of the old container shows in the new one, reaped or not.
    @Test(arguments: [false, true]) func deleteAndRecreate(reapsBetween: Bool) async throws {
        let fixture = try await Fixture.started()
        let tags = BlobAttributes(tags: Fixture.tags(("k", "v")))
        for round in 0..<3 {
            try await fixture.put("empty", [], attributes: tags)
            try await fixture.put("inline", [1], attributes: tags)
            try await fixture.put("dir/small", Fixture.bytes(30), attributes: tags)
            try await fixture.put("large", Fixture.bytes(9_000), attributes: tags)
            _ = try await fixture.namespace.copyBlob(to: Fixture.blob("copy"), copying("large"), guard: .none)
            try await fixture.stage("staged", "AAAA", Fixture.bytes(30))
            try await fixture.stage("large", "AAAA", Fixture.bytes(30))
            let lease = try await fixture.namespace.leaseContainer(
                Self.box, .acquire(duration: .infinite, proposed: nil), conditions: .none)
            try await fixture.namespace.deleteContainer(Self.box, guard: Guard(lease: lease.id))
            if reapsBetween { try await fixture.reap() }
            _ = try await fixture.namespace.createContainer(Self.box, metadata: .empty, publicAccess: nil)
            let listed = try await fixture.namespace.listBlobs(Self.box, BlobListQuery(includesUncommitted: true))
            #expect(listed.entries.isEmpty, "round \(round)")
            for name in ["empty", "inline", "dir/small", "large", "copy"] {
                await expect(.blobNotFound) { _ = try await fixture.get(name) }
            }
            await expect(.blobNotFound) {
                _ = try await fixture.namespace.blockList(Fixture.blob("staged"), kind: .all, guard: .none)
            }
            let found = try await fixture.namespace.findBlobs(
                of: Fixture.account, in: nil, filter: ConditionTableTests.yes, position: nil, limit: 10)
            #expect(found.matches.isEmpty)
            #expect(try await fixture.namespace.containerProperties(Self.box, lease: nil).lease == .available)
            #expect(try await fixture.check().findings.isEmpty)
            // What the old one forbade is allowed.
            try await fixture.put("dir", [1])
            try await fixture.delete("dir")
        }
        try await fixture.reap()
        #expect(fixture.metadata.contents.filter { $0.key[0] == UInt8(ascii: "C") }.count == 1)
        try await fixture.expectNothingLeft()
    }

    /// More blobs and blocks than the reaper takes apart in one step.
    @Test func largeContainersGo() async throws {
        let fixture = try await Fixture.started()
        for number in 0..<600 {
            try await fixture.put("blob\(number)", Fixture.bytes(number % 40))
            try await fixture.stage("staged\(number)", "AAAA", Fixture.bytes(20))
        }
        try await fixture.namespace.deleteContainer(Self.box, guard: .none)
        try await fixture.expectNothingLeft()
    }

    @Test func serviceProperties() async throws {
        let fixture = NamespaceFixture()
        let account = Fixture.account
        #expect(try await fixture.namespace.serviceProperties(of: account) == .initial)
        var change = ServiceProperties()
        change.cors = [
            ServiceProperties.CORSRule(
                allowedOrigins: ["http://a"], allowedMethods: ["GET"], allowedHeaders: ["x-ms-*"], exposedHeaders: [],
                maxAgeSeconds: 5)
        ]
        try await fixture.namespace.setServiceProperties(change, of: account)
        var expected = ServiceProperties.initial
        expected.cors = change.cors
        #expect(try await fixture.namespace.serviceProperties(of: account) == expected)
        change = ServiceProperties()
        change.defaultServiceVersion = "2021-08-06"
        change.staticWebsite = ServiceProperties.StaticWebsite(
            enabled: true, indexDocument: "i", defaultIndexDocumentPath: nil, errorDocument404Path: "e")
        try await fixture.namespace.setServiceProperties(change, of: account)
        expected.defaultServiceVersion = "2021-08-06"
        expected.staticWebsite = change.staticWebsite
        let reopened = fixture.reopened()
        #expect(try await reopened.namespace.serviceProperties(of: account) == expected)
        #expect(try await reopened.namespace.serviceProperties(of: Fixture.account("other")) == .initial)
    }
}
