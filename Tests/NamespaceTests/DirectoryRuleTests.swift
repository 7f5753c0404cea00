import Extents
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// Files and directories exclude each other, by every way in which a name can come to be.
@Suite struct DirectoryRuleTests {
    typealias Fixture = NamespaceFixture

    /// A way to bring a blob of one byte into being.
    struct Creation: Sendable, CustomStringConvertible {
        var description: String
        var run: @Sendable (NamespaceFixture, String) async throws(StorageFailure) -> Void
    }

    static let creations = [
        Creation(description: "Put Blob, inline") { fixture, name throws(StorageFailure) in
            try await fixture.put(name, [1])
        },
        Creation(description: "Put Blob, in extents") { fixture, name throws(StorageFailure) in
            try await fixture.put(name, Fixture.bytes(50))
        },
        Creation(description: "Put Blob, empty") { fixture, name throws(StorageFailure) in
            try await fixture.put(name, [])
        },
        Creation(description: "Put Block List") { fixture, name throws(StorageFailure) in
            try await fixture.stage(name, "AAAA", [1])
            try await fixture.commit(name, [BlockListEntry(source: .latest, id: BlockID(text: "AAAA"))])
        },
        Creation(description: "Put Block List, empty") { fixture, name throws(StorageFailure) in
            try await fixture.commit(name, [])
        },
        Creation(description: "Copy Blob") { fixture, name throws(StorageFailure) in
            try await fixture.put("source", [1])
            _ = try await fixture.namespace.copyBlob(to: Fixture.blob(name), copying("source"), guard: .none)
        },
    ]

    @Test(arguments: creations) func filesAndDirectories(creation: Creation) async throws {
        let fixture = try await Fixture.started()
        try await creation.run(fixture, "dir/file")
        try await creation.run(fixture, "dir/deep/er/file")
        try await creation.run(fixture, "dir.txt")
        try await creation.run(fixture, "dir0")
        for name in ["dir", "dir/deep", "dir/deep/er"] {
            await expect(.nameConflict, "\(name) is a directory") { try await creation.run(fixture, name) }
        }
        for name in ["dir/file/x", "dir/file/x/y", "dir.txt/x", "dir0/x/y/z"] {
            await expect(.nameConflict, "a file is in the way of \(name)") { try await creation.run(fixture, name) }
        }
        // Where the directory ends, a file may stand, and the other way round.
        try await fixture.delete("dir/deep/er/file")
        try await creation.run(fixture, "dir/deep")
        try await fixture.delete("dir/file")
        try await creation.run(fixture, "dir/file/x")
        #expect(try await fixture.check().findings.isEmpty)
    }

    @Test(arguments: creations) func overwritingStaysPossible(creation: Creation) async throws {
        let fixture = try await Fixture.started()
        for _ in 0..<2 {
            try await creation.run(fixture, "a/b")
            try await creation.run(fixture, "c")
        }
    }

    @Test func directoryMarkers() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("dir/", [])
        try await fixture.put("dir/file", [1])
        try await fixture.put("dir/sub/", [])
        try await fixture.put("dir/", [], attributes: BlobAttributes(metadata: Fixture.metadata(("k", "v"))))
        await expect(.nameConflict) { try await fixture.put("dir", [1]) }
        await expect(.nameConflict) { try await fixture.put("dir/sub", []) }
        await expect(.nameConflict) { try await fixture.put("dir/file/", []) }
        // A marker holds no bytes, by any way.
        for size in [1, 100] {
            await expect(.invalidName(.segment)) { try await fixture.put("other/", Fixture.bytes(size)) }
        }
        await expect(.invalidName(.segment)) { try await fixture.stage("other/", "AAAA", [1]) }
        await expect(.invalidName(.segment)) {
            _ = try await fixture.namespace.copyBlob(to: Fixture.blob("other/"), copying("dir/file"), guard: .none)
        }
        _ = try await fixture.namespace.copyBlob(to: Fixture.blob("other/"), copying("dir/"), guard: .none)
        // A marker alone makes a directory; without it the file may stand.
        await expect(.nameConflict) { try await fixture.put("other", [1]) }
        try await fixture.delete("other/")
        try await fixture.put("other", [1])
    }

    /// The length of a chunked body is not known before its end: an empty one makes a marker like any other.
    @Test func markersOfUnknownLength() async throws {
        let fixture = try await Fixture.started()
        var body = Fixture.body([])
        body.length = nil
        _ = try await fixture.namespace.putBlob(
            Fixture.blob("dir/"), body: body, attributes: BlobAttributes(), guard: .none)
        body = Fixture.body(Fixture.bytes(40))
        body.length = nil
        let tooMuch = body
        await expect(.invalidName(.segment)) {
            _ = try await fixture.namespace.putBlob(
                Fixture.blob("dir/"), body: tooMuch, attributes: BlobAttributes(), guard: .none)
        }
        #expect(fixture.extents.usage().usedBytes == 0)
    }

    @Test func folderBlobs() async throws {
        let fixture = try await Fixture.started()
        let folder = BlobAttributes(metadata: Fixture.directoryMark)
        try await fixture.put("dir", [], attributes: folder)
        try await fixture.put("dir/file", [1])
        try await fixture.put("dir", [], attributes: folder)
        try await fixture.put("top/file", [1])
        try await fixture.put("top", [], attributes: folder)
        // Upper case counts as well; bytes make it a file, and so does another value.
        try await fixture.put("caps/file", [1])
        try await fixture.put(
            "caps", [], attributes: BlobAttributes(metadata: Fixture.metadata(("hdi_isfolder", "TRUE"))))
        await expect(.nameConflict) { try await fixture.put("top", [1], attributes: folder) }
        await expect(.nameConflict) { try await fixture.put("top", Fixture.bytes(50), attributes: folder) }
        await expect(.nameConflict) {
            try await fixture.put(
                "top", [], attributes: BlobAttributes(metadata: Fixture.metadata(("hdi_isfolder", "false"))))
        }
        await expect(.nameConflict) { try await fixture.put("top", []) }
        await expect(.nameConflict) { try await fixture.commit("top", []) }
        try await fixture.commit("top", [], attributes: folder)
        // A file with the mark is a file.
        try await fixture.put("marked", [1], attributes: folder)
        await expect(.nameConflict) { try await fixture.put("marked/file", [1]) }
    }

    @Test func setMetadataKeepsTheRule() async throws {
        let fixture = try await Fixture.started()
        let dir = Fixture.blob("dir")
        try await fixture.put("dir", [], attributes: BlobAttributes(metadata: Fixture.directoryMark))
        _ = try await fixture.namespace.setMetadata(dir, .empty, guard: .none)
        await expect(.nameConflict) { try await fixture.put("dir/file", [1]) }
        _ = try await fixture.namespace.setMetadata(dir, Fixture.directoryMark, guard: .none)
        try await fixture.put("dir/file", [1])
        let version = try await fixture.properties("dir").version
        await expect(.nameConflict) { _ = try await fixture.namespace.setMetadata(dir, .empty, guard: .none) }
        #expect(try await fixture.properties("dir").version == version)
        _ = try await fixture.namespace.setMetadata(
            dir, Fixture.metadata(("hdi_isfolder", "true"), ("more", "1")), guard: .none)
        // Deleting the folder's blob leaves what is beneath.
        try await fixture.delete("dir")
        #expect(try await fixture.get("dir/file") == [1])
        await expect(.nameConflict) { try await fixture.put("dir", [1]) }
    }

    /// Staged blocks are nothing yet: they neither block a name nor are they blocked; the commit decides.
    @Test func stagedBlocksDoNotCount() async throws {
        let fixture = try await Fixture.started()
        try await fixture.stage("a/b", "AAAA", [1])
        try await fixture.put("a", [1])
        let list = [BlockListEntry(source: .latest, id: BlockID(text: "AAAA"))]
        await expect(.nameConflict) { try await fixture.commit("a/b", list) }
        try await fixture.delete("a")
        try await fixture.commit("a/b", list)
        #expect(try await fixture.get("a/b") == [1])
    }

    /// The rules of one container, however they are written, know nothing of another.
    @Test func containersAreApart() async throws {
        let fixture = try await Fixture.started()
        let other = Fixture.container("other")
        _ = try await fixture.namespace.createContainer(other, metadata: .empty, publicAccess: nil)
        try await fixture.put("a", [1])
        try await fixture.put("a/b", [1], in: other)
    }

    /// A combining mark behind a slash joins it in Swift's eyes; the path ends at the slash all the same.
    @Test func combiningMarks() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("dir", [1])
        await expect(.nameConflict) { try await fixture.put("dir/\u{301}x", [1]) }
        // Equivalent in Unicode, different in bytes: two blobs.
        try await fixture.put("caf\u{E9}", [1])
        try await fixture.put("cafe\u{301}", [2])
        #expect(try await fixture.get("caf\u{E9}") == [1])
        #expect(try await fixture.get("cafe\u{301}") == [2])
    }

    /// Whoever comes first wins, and only one does.
    @Test(arguments: 0..<20) func races(round: Int) async throws {
        let fixture = try await Fixture.started()
        let names = ["a", "a/b", "a/b/c", "a/b/c/d"]
        let winners = await withTaskGroup(of: String?.self) { group in
            for (index, name) in names.enumerated() {
                let creation = Self.creations[(index + round) % (Self.creations.count - 1)]
                group.addTask {
                    do throws(StorageFailure) {
                        try await creation.run(fixture, name)
                        return name
                    } catch {
                        #expect(error.code == .nameConflict)
                        return nil
                    }
                }
            }
            return await group.reduce(into: [String]()) { if let name = $1 { $0.append(name) } }
        }
        #expect(winners.count == 1)
        let listed = try await fixture.namespace.listBlobs(Fixture.container, BlobListQuery())
        #expect(listed.entries.count == 1)
    }
}
