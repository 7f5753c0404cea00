import Extents
import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// Damage is found, called damage and traced to its blob; it never turns into absence or other bytes.
@Suite struct StoreCheckTests {
    typealias Fixture = NamespaceFixture
    typealias Kind = StoreCheckReport.Finding.Kind

    static let container = ContainerID(1)

    static func filled() async throws -> NamespaceFixture {
        let fixture = try await Fixture.started()
        let tags = BlobAttributes(tags: Fixture.tags(("k", "v")))
        try await fixture.put("inline", [1, 2, 3])
        try await fixture.put("small", Fixture.bytes(20), attributes: tags)
        try await fixture.put("paged", Fixture.bytes(9_000))
        _ = try await fixture.namespace.copyBlob(to: Fixture.blob("copy"), copying("small"), guard: .none)
        _ = try await fixture.namespace.copyBlob(to: Fixture.blob("shared"), copying("paged"), guard: .none)
        try await fixture.stage("staged", "AAAA", Fixture.bytes(20))
        #expect(try await fixture.check().findings.isEmpty)
        return fixture
    }

    static func entries(_ fixture: NamespaceFixture, _ kind: Keys.Kind) -> [MetadataEntry] {
        fixture.metadata.contents.filter { $0.key[0] == kind.rawValue }
    }
    static func set(_ fixture: NamespaceFixture, _ key: [UInt8], _ value: [UInt8]) async throws {
        _ = try await fixture.metadata.transact { transaction throws(StorageFailure) in transaction.set(key, value) }
    }
    static func delete(_ fixture: NamespaceFixture, _ key: [UInt8]) async throws {
        _ = try await fixture.metadata.transact { transaction throws(StorageFailure) in transaction.delete(key) }
    }
    static func record(_ fixture: NamespaceFixture, _ name: String) throws -> BlobRecord {
        let entry = try #require(fixture.metadata.contents.first { $0.key == Keys.blob(container, name) })
        return try BlobRecord(decoding: entry.value)
    }
    static func extent(_ fixture: NamespaceFixture, of name: String) throws -> Extent {
        guard case .pieces(let pieces) = try record(fixture, name).content else { throw StorageFailure(.internal) }
        return pieces[0].extent
    }

    static func findings(_ fixture: NamespaceFixture, _ kind: Kind, naming subject: String) async throws -> [String] {
        let report = try await fixture.check()
        return report.findings.filter { $0.kind == kind && ($0.subject + " " + $0.text).contains(subject) }
            .map { "\($0.subject): \($0.text)" }
    }

    @Test func cleanStoreIsCounted() async throws {
        let fixture = try await Self.filled()
        let report = try await fixture.check()
        #expect(report.containers == 1 && report.blobs == 5 && report.stagedBlocks == 1)
        #expect(report.extents == 3 + 1125 + 3)
        #expect(report.bytesVerified == 20 + 9_000 + 20)
        #expect(report.findingsDropped == 0 && report.trashRecords == 0)
    }

    @Test func corruptedBytes() async throws {
        let fixture = try await Self.filled()
        let extent = try Self.extent(fixture, of: "small")
        fixture.extents.corrupt(extent.id, at: 3)
        let found = try await Self.findings(fixture, .damagedExtent, naming: "devaccount/box/small")
        #expect(found.count == 1)
        #expect(found.first?.contains("devaccount/box/copy") == true, "every blob that holds the extent is named")
        await expect(.damaged) { _ = try await fixture.get("small") }
        await expect(.damaged) {
            let body = try await fixture.namespace.openBlob(
                Fixture.blob("small"), range: nil, ifRange: nil, guard: .none
            ).body
            _ = try await Fixture.pull(body)
        }
        // Without looking at the bytes nothing can be found.
        let quick = try await StoreCheck(metadata: fixture.metadata, extents: fixture.extents).run(verifiesBytes: false)
        { _, _ in }
        #expect(quick.findings.isEmpty && quick.bytesVerified == 0)
        let damaged = Locked<[Extent]>([])
        let scrubbed = try await fixture.namespace.scrub(bytesPerSecond: 0) { one in
            damaged.withLock { $0.append(one.extent) }
        }
        #expect(scrubbed.damaged.map(\.extent) == [extent] && damaged.withLock { $0 } == [extent])
    }

    @Test func lostBytes() async throws {
        let fixture = try await Self.filled()
        let pages = try #require(Self.entries(fixture, .content).last)
        guard case .pieces(let pieces) = try ContentPage(decoding: pages.value) else { throw StorageFailure(.internal) }
        fixture.extents.lose(pieces[0].extent.id)
        #expect(try await Self.findings(fixture, .damagedExtent, naming: "box/paged").count == 1)
        await expect(.damaged) { _ = try await fixture.get("paged") }
        // The other end of the blob is fine.
        #expect(
            try await fixture.get("paged", range: RangeRequest(first: 0, last: 99))
                == Array(Fixture.bytes(9_000)[..<100]))
    }

    @Test func corruptedStagedBlock() async throws {
        let fixture = try await Self.filled()
        let block = try StagedBlockRecord(decoding: try #require(Self.entries(fixture, .stagedBlock).first).value)
        fixture.extents.corrupt(block.pieces[0].extent.id, at: 0)
        #expect(try await Self.findings(fixture, .damagedExtent, naming: "no committed blob").count == 1)
    }

    /// Any record of any kind that does not read is a finding, never a crash and never silence.
    @Test(arguments: Keys.Kind.allCases) func brokenRecords(kind: Keys.Kind) async throws {
        let fixture = try await Self.filled()
        try await fixture.namespace.setServiceProperties(ServiceProperties(), of: Fixture.account)
        try await Self.set(fixture, Keys.storeIdentity, StoreIdentityRecord.encode("extents"))
        try await fixture.put("trashed", Fixture.bytes(30))
        try await fixture.delete("trashed")
        #expect(try await fixture.check().findings.isEmpty)
        let entry = try #require(Self.entries(fixture, kind).first)
        let broken: [[UInt8]] = [
            [], [0], [99] + entry.value.dropFirst(), Array(entry.value.dropLast()), entry.value + [0],
            [UInt8](repeating: 0xFF, count: entry.value.count + 1),
        ]
        // An index entry has no value, and a count that does not read counts as another number.
        for value in broken where kind != .tagIndex {
            if kind == .uncommittedCount, value.count == 8 { continue }
            try await Self.set(fixture, entry.key, value)
            let findings = try await fixture.check().findings
            #expect(!findings.isEmpty, "\(kind) \(value.prefix(4))…")
            if kind == .blob || kind == .content {
                let texts = findings.map { $0.subject + $0.text }
                #expect(texts.contains { $0.contains("box/") }, "the blob is named: \(texts)")
            }
        }
        try await Self.set(fixture, entry.key, entry.value)
        #expect(try await fixture.check().findings.isEmpty)
    }

    /// Keys that no code of ours writes.
    @Test(arguments: Keys.Kind.allCases) func strayKeys(kind: Keys.Kind) async throws {
        let fixture = try await Self.filled()
        for key in [[kind.rawValue], [kind.rawValue, 1, 2], [kind.rawValue] + [UInt8](repeating: 0xEE, count: 40)] {
            let value = Self.entries(fixture, kind).first?.value ?? [1, 2, 3]
            try await Self.set(fixture, key, value)
            _ = try await fixture.check()
            try await Self.delete(fixture, key)
        }
        #expect(try await fixture.check().findings.isEmpty)
    }

    @Test func manifestsWithoutTheirParts() async throws {
        let fixture = try await Self.filled()
        let inline = try Self.record(fixture, "inline")
        try await Self.delete(fixture, Keys.content(inline.contentID, at: 0))
        #expect(try await Self.findings(fixture, .brokenManifest, naming: "box/inline").count == 1)
        await expect(.damaged) { _ = try await fixture.get("inline") }
        let paged = try Self.record(fixture, "paged")
        try await Self.delete(fixture, Keys.content(paged.contentID, at: 8_192))
        #expect(try await !Self.findings(fixture, .brokenManifest, naming: "box/paged").isEmpty)
        #expect(try await !Self.findings(fixture, .brokenManifest, naming: "box/shared").isEmpty)
        await expect(.damaged) { _ = try await fixture.get("paged") }
        #expect(
            try await fixture.get("paged", range: RangeRequest(first: 0, last: 8_191))
                == Array(Fixture.bytes(9_000)[..<8_192]))
    }

    @Test func firstPageMissing() async throws {
        let fixture = try await Self.filled()
        let paged = try Self.record(fixture, "paged")
        try await Self.delete(fixture, Keys.content(paged.contentID, at: 0))
        #expect(try await !Self.findings(fixture, .brokenManifest, naming: "box/paged").isEmpty)
        await expect(.damaged) { _ = try await fixture.get("paged") }
    }

    @Test func lengthsThatDisagree() async throws {
        for name in ["inline", "small", "paged"] {
            let fixture = try await Self.filled()
            var record = try Self.record(fixture, name)
            record.length += 1
            try await Self.set(fixture, Keys.blob(Self.container, name), record.encode())
            #expect(try await Self.findings(fixture, .brokenManifest, naming: "box/\(name)").count == 1)
            await expect(.damaged) { _ = try await fixture.get(name) }
        }
    }

    @Test func extentRecords() async throws {
        var fixture = try await Self.filled()
        let extent = try Self.extent(fixture, of: "small")
        let key = ExtentRecord.key(extent)
        try await Self.delete(fixture, key)
        #expect(try await Self.findings(fixture, .brokenManifest, naming: "box/small").count == 1)
        for (length, crc, holders) in [(extent.length, extent.crc64, 3), (extent.length, extent.crc64, 1)] {
            try await Self.set(fixture, key, ExtentRecord(length: length, crc64: crc, holders: holders).encode())
            #expect(try await Self.findings(fixture, .holderCount, naming: "extent 1:").count == 1)
        }
        try await Self.set(
            fixture, key, ExtentRecord(length: extent.length, crc64: extent.crc64 ^ 1, holders: 2).encode())
        #expect(try await !Self.findings(fixture, .brokenManifest, naming: "box/small").isEmpty)

        fixture = try await Self.filled()
        let stray = Extent(id: ExtentID(group: 9, position: 9), length: 5, crc64: 5)
        try await Self.set(fixture, ExtentRecord.key(stray), ExtentRecord(length: 5, crc64: 5, holders: 1).encode())
        #expect(try await Self.findings(fixture, .holderCount, naming: "extent 9:9").count == 1)
    }

    @Test func manifestSharing() async throws {
        let fixture = try await Self.filled()
        let paged = try Self.record(fixture, "paged")
        let key = Keys.manifestSharing(paged.contentID)
        try await Self.set(fixture, key, ManifestSharingRecord.encode(3))
        #expect(try await Self.findings(fixture, .holderCount, naming: "manifest").count == 1)
        try await Self.delete(fixture, key)
        #expect(try await Self.findings(fixture, .holderCount, naming: "manifest").count == 1)
    }

    @Test func manifestsNobodyNames() async throws {
        let fixture = try await Self.filled()
        for name in ["paged", "shared"] { try await Self.delete(fixture, Keys.blob(Self.container, name)) }
        #expect(try await Self.findings(fixture, .brokenManifest, naming: "no blob names it").count == 1)
    }

    @Test func tagIndex() async throws {
        let fixture = try await Self.filled()
        let entry = try #require(Self.entries(fixture, .tagIndex).first)
        try await Self.delete(fixture, entry.key)
        #expect(try await Self.findings(fixture, .tagIndex, naming: "small").count == 1)
        try await Self.set(fixture, entry.key, [])
        let stray = Keys.tagIndex(Fixture.account, key: "k", value: "w", container: Self.container, name: "small")
        try await Self.set(fixture, stray, [])
        #expect(try await Self.findings(fixture, .tagIndex, naming: "small").count == 1)
    }

    @Test func stagedBlocks() async throws {
        for kind in [Keys.Kind.uncommittedBlob, .uncommittedCount, .lastBlockWrite, .stagedBlock] {
            let fixture = try await Self.filled()
            let entry = try #require(Self.entries(fixture, kind).first)
            try await Self.delete(fixture, entry.key)
            #expect(try await !Self.findings(fixture, .uncommittedBlocks, naming: "box/staged").isEmpty, "\(kind)")
        }
        let fixture = try await Self.filled()
        let entry = try #require(Self.entries(fixture, .stagedBlock).first)
        var block = try StagedBlockRecord(decoding: entry.value)
        block.length += 1
        try await Self.set(fixture, entry.key, block.encode())
        #expect(try await Self.findings(fixture, .uncommittedBlocks, naming: "box/staged").count == 1)
    }

    @Test func containers() async throws {
        var fixture = try await Self.filled()
        try await Self.delete(fixture, Keys.containerByID(Self.container))
        #expect(try await !Self.findings(fixture, .container, naming: "box").isEmpty)
        fixture = try await Self.filled()
        try await Self.delete(fixture, Keys.container(Fixture.container))
        #expect(try await Self.findings(fixture, .container, naming: "devaccount/box").count == 1)
    }

    /// Broken trash does not keep the rest of the trash from being taken apart.
    @Test func brokenTrash() async throws {
        let fixture = try await Self.filled()
        try await fixture.delete("inline")
        let first = try #require(Self.entries(fixture, .trash).first)
        try await Self.set(fixture, first.key, [1, 2, 3])
        for name in ["small", "copy", "paged", "shared", "staged"] { try await fixture.delete(name) }
        try await fixture.reap()
        #expect(Self.entries(fixture, .trash).map(\.key) == [first.key])
        #expect(fixture.extents.stored.isEmpty)
        #expect(try await fixture.check().findings.count == 1)
    }
}
