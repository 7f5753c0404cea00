import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// One record per commit that anybody can see, in the commit's own transaction.
@Suite struct ChangeLogTests {
    typealias Fixture = NamespaceFixture
    static let a = Fixture.blob("a")
    static let box = Fixture.container

    @Test func everyOperationOnce() async throws {
        let fixture = NamespaceFixture()
        let name = fixture.namespace
        var expected: [(ChangeRecord.Operation, String?, Int64?)] = []
        func note(_ operation: ChangeRecord.Operation, _ blob: String? = nil, _ length: Int64? = nil) {
            expected.append((operation, blob, length))
        }
        try await name.setServiceProperties(ServiceProperties(), of: Fixture.account)
        note(.setServiceProperties)
        _ = try await name.createContainer(Self.box, metadata: .empty, publicAccess: nil)
        note(.createContainer)
        _ = try await name.setContainerMetadata(Self.box, .empty, guard: .none)
        note(.setContainerMetadata)
        _ = try await name.setContainerAccess(Self.box, publicAccess: nil, policies: [], guard: .none)
        note(.setContainerAccess)
        _ = try await name.leaseContainer(Self.box, .acquire(duration: .infinite, proposed: nil), conditions: .none)
        _ = try await name.leaseContainer(Self.box, .breakAfter(seconds: 0), conditions: .none)
        note(.leaseContainer)
        note(.leaseContainer)
        try await fixture.put("a", Fixture.bytes(50))
        note(.putBlob, "a", 50)
        try await fixture.stage("a", "AAAA", [1, 2])
        try await fixture.commit("a", BlockTests.latest("AAAA"))
        note(.commitBlocks, "a", 2)
        _ = try await name.copyBlob(to: Fixture.blob("b"), copying("a"), guard: .none)
        note(.copyBlob, "b", 2)
        _ = try await name.setProperties(Self.a, ContentHeaders(), guard: .none)
        note(.setProperties, "a", 2)
        _ = try await name.setMetadata(Self.a, .empty, guard: .none)
        note(.setMetadata, "a", 2)
        try await name.setTags(Self.a, .empty, guard: .none)
        note(.setTags, "a", 2)
        _ = try await name.setTier(Self.a, .cool, priority: nil, guard: .none)
        note(.setTier, "a", 2)
        _ = try await name.leaseBlob(Self.a, .acquire(duration: .seconds(15), proposed: nil), conditions: .none)
        _ = try await name.leaseBlob(Self.a, .breakAfter(seconds: 0), conditions: .none)
        note(.leaseBlob, "a", 2)
        note(.leaseBlob, "a", 2)
        try await fixture.delete("a")
        note(.deleteBlob, "a", 2)
        try await name.deleteContainer(Self.box, guard: .none)
        note(.deleteContainer)
        try await fixture.reap()

        let log = try await name.changes(after: Version(0), limit: 1_000)
        #expect(log.map(\.change.operation) == expected.map(\.0))
        #expect(log.map(\.change.blob) == expected.map(\.1))
        #expect(log.map(\.change.length) == expected.map(\.2))
        #expect(zip(log, log.dropFirst()).allSatisfy { $0.version < $1.version })
        #expect(log.allSatisfy { $0.change.account == Fixture.account && $0.change.time == fixture.world.now })
        #expect(log.dropFirst().allSatisfy { $0.change.container == "box" })
        #expect(Set(log.map(\.change.operation)).count == ChangeRecord.Operation.allCases.count)
    }

    /// A write's version is that of its log record.
    @Test func versionsAreEntityTags() async throws {
        let fixture = try await Fixture.started()
        for number in 0..<5 {
            let receipt = try await fixture.put("a", [UInt8(number)])
            let log = try await fixture.namespace.changes(
                after: Version(receipt.version.rawValue - 1), limit: 10)
            #expect(log.map(\.version) == [receipt.version])
            #expect(log.first?.change.operation == .putBlob)
        }
    }

    @Test func refusedWritesLeaveNoRecord() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", [1])
        let before = fixture.metadata.commitCount
        await expect(.blobAlreadyExists) {
            try await fixture.put("a", [1], guard: Guard(conditions: Conditions(ifNoneMatch: .any)))
        }
        await expect(.nameConflict) { try await fixture.put("a/b", Fixture.bytes(50)) }
        await expect(.blobNotFound) { try await fixture.delete("b") }
        await expect(.invalidBlockList) { try await fixture.commit("a", BlockTests.latest("none")) }
        #expect(fixture.metadata.commitCount == before)
    }

    @Test func pages() async throws {
        let fixture = try await Fixture.started()
        for number in 0..<10 { try await fixture.put("\(number)", [1]) }
        var names: [String] = []
        var position = Version(0)
        while true {
            let page = try await fixture.namespace.changes(after: position, limit: 3)
            guard let last = page.last else { break }
            #expect(page.count <= 3)
            names += page.compactMap(\.change.blob)
            position = last.version
        }
        #expect(names == (0..<10).map(String.init))
    }

    @Test func trimming() async throws {
        let week: Int64 = 7 * 24 * 3600
        for kept in 0...12 {
            let fixture = try await Fixture.started()
            for number in 0..<12 {
                // Old records first; staging and reaping leave gaps between the versions.
                if number == 12 - kept { fixture.world.advance(seconds: week + 1) }
                try await fixture.stage("staged", "AAAA", [UInt8(number)])
                try await fixture.reap()
                try await fixture.put("\(number)", [1])
            }
            if kept == 0 { fixture.world.advance(seconds: week + 1) }
            try await fixture.namespace.trimChangeLog()
            let names = try await fixture.namespace.changes(after: Version(0), limit: 100).map(\.change.blob)
            if kept == 12 { #expect(names.compactMap { $0 } == (0..<12).map(String.init)) }
            #expect(names.compactMap { $0 } == ((12 - kept)..<12).map(String.init))
            let commits = fixture.metadata.commitCount
            try await fixture.namespace.trimChangeLog()
            #expect(fixture.metadata.commitCount == commits, "nothing to trim, nothing written")
            #expect(try await fixture.check().findings.isEmpty)
        }
    }

    @Test func exactAge() async throws {
        let fixture = try await Fixture.started()
        fixture.world.advance(seconds: 7 * 24 * 3600)
        try await fixture.namespace.trimChangeLog()
        #expect(try await fixture.namespace.changes(after: Version(0), limit: 10).count == 1)
        fixture.world.advance(seconds: 1)
        try await fixture.namespace.trimChangeLog()
        #expect(try await fixture.namespace.changes(after: Version(0), limit: 10).isEmpty)
    }
}
