import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// Tags and the search by them.
@Suite struct TagTests {
    typealias Fixture = NamespaceFixture
    static let account = Fixture.account

    static func find(
        _ fixture: NamespaceFixture, _ filter: TagFilter, in container: ContainerName? = nil, page: Int = 100
    ) async throws -> [String] {
        var names: [String] = []
        var position: ListPosition?
        repeat {
            let result = try await fixture.namespace.findBlobs(
                of: account, in: container, filter: filter, position: position, limit: page)
            #expect(result.matches.count <= page)
            names += result.matches.map { "\($0.container.value)/\($0.name)" }
            position = result.next.flatMap { ListPosition(text: $0.text) }
        } while position != nil
        return names
    }

    static let colours = ["amber", "blue", "blue sky", "bluer", "green", "red", ""]
    static let other = Fixture.container("other")

    /// Blobs `box/N` with colour N and size N % 3, and the same in `other` for even N.
    static func filled() async throws -> (NamespaceFixture, [(name: String, tags: Tags)]) {
        let fixture = try await Fixture.started()
        _ = try await fixture.namespace.createContainer(other, metadata: .empty, publicAccess: nil)
        var all: [(name: String, tags: Tags)] = []
        for (index, colour) in colours.enumerated() {
            let tags = Fixture.tags(("colour", colour), ("size", "\(index % 3)"))
            try await fixture.put("\(index)", [1], attributes: BlobAttributes(tags: tags))
            all.append(("box/\(index)", tags))
            guard index % 2 == 0 else { continue }
            try await fixture.put("\(index)", [1], in: other, attributes: BlobAttributes(tags: tags))
            all.append(("other/\(index)", tags))
        }
        try await fixture.put("untagged", [1])
        return (fixture, all)
    }

    @Test func everyOperator() async throws {
        let (fixture, all) = try await Self.filled()
        let operators: [(TagFilter.Comparison, (String, String) -> Bool)] = [
            (.equal, { $0 == $1 }), (.notEqual, { $0 != $1 }), (.less, { $0 < $1 }), (.lessOrEqual, { $0 <= $1 }),
            (.greater, { $0 > $1 }), (.greaterOrEqual, { $0 >= $1 }),
        ]
        for (comparison, holds) in operators {
            for value in Self.colours + ["b", "blue ", "zebra"] {
                let filter = TagFilter.compare(key: "colour", comparison, value: value)
                let expected = all.filter { holds($0.tags["colour"] ?? "", value) }.map(\.name).sorted()
                for page in [1, 2, 100] {
                    #expect(
                        try await Self.find(fixture, filter, page: page).sorted() == expected,
                        "\(comparison) '\(value)'")
                }
                let both = TagFilter.and(filter, .compare(key: "size", .greaterOrEqual, value: "1"))
                #expect(
                    try await Self.find(fixture, both).sorted()
                        == all.filter { holds($0.tags["colour"] ?? "", value) && ($0.tags["size"] ?? "") >= "1" }.map(
                            \.name
                        ).sorted())
            }
        }
    }

    @Test func bounds() async throws {
        let (fixture, _) = try await Self.filled()
        func compare(_ comparison: TagFilter.Comparison, _ value: String) -> TagFilter {
            .compare(key: "colour", comparison, value: value)
        }
        let between = TagFilter.and(compare(.greater, "blue"), compare(.less, "green"))
        #expect(try await Self.find(fixture, between) == ["box/2", "other/2", "box/3"])
        let twice = TagFilter.and(compare(.equal, "red"), compare(.equal, "blue"))
        #expect(try await Self.find(fixture, twice).isEmpty)
        let mixed = TagFilter.and(compare(.equal, "blue"), compare(.greater, "amber"))
        #expect(try await Self.find(fixture, mixed) == ["box/1"])
        #expect(try await Self.find(fixture, .and(compare(.greater, "blue"), compare(.equal, "amber"))).isEmpty)
    }

    @Test func scopes() async throws {
        let (fixture, _) = try await Self.filled()
        let size = TagFilter.compare(key: "size", .equal, value: "0")
        #expect(try await Self.find(fixture, size) == ["box/0", "box/3", "box/6", "other/0", "other/6"])
        #expect(try await Self.find(fixture, size, in: Self.other.container) == ["other/0", "other/6"])
        #expect(try await Self.find(fixture, .and(.container("other"), size)) == ["other/0", "other/6"])
        #expect(try await Self.find(fixture, .and(.container("none"), size)).isEmpty)
        await expect(.containerNotFound) {
            _ = try await fixture.namespace.findBlobs(
                of: Self.account, in: Fixture.container("none").container, filter: size, position: nil, limit: 10)
        }
        for filter in [TagFilter.container("box"), .or(size, .compare(key: "colour", .equal, value: "red"))] {
            await expect(.invalidInput) {
                _ = try await fixture.namespace.findBlobs(
                    of: Self.account, in: nil, filter: filter, position: nil, limit: 10)
            }
        }
        #expect(
            try await fixture.namespace.findBlobs(
                of: Fixture.account("nobody"), in: nil, filter: size, position: nil, limit: 10
            ).matches.isEmpty)
    }

    @Test func matchesCarryTheirTags() async throws {
        let (fixture, _) = try await Self.filled()
        let result = try await fixture.namespace.findBlobs(
            of: Self.account, in: nil, filter: .compare(key: "colour", .equal, value: "red"), position: nil, limit: 10)
        #expect(result.matches.first?.tags == Fixture.tags(("colour", "red"), ("size", "2")))
    }

    /// The index follows every write, at once.
    @Test func indexFollows() async throws {
        let fixture = try await Fixture.started()
        let a = Fixture.blob("a")
        let red = TagFilter.compare(key: "c", .equal, value: "red")
        let blue = TagFilter.compare(key: "c", .equal, value: "blue")
        func expectFound(_ reds: [String], _ blues: [String], line: Int = #line) async throws {
            #expect(try await Self.find(fixture, red) == reds.map { "box/\($0)" }, "line \(line)")
            #expect(try await Self.find(fixture, blue) == blues.map { "box/\($0)" }, "line \(line)")
            #expect(try await fixture.check().findings.isEmpty)
        }
        let redTags = Fixture.tags(("c", "red"))
        let blueTags = Fixture.tags(("c", "blue"), ("d", "1"))
        try await fixture.put("a", [1], attributes: BlobAttributes(tags: redTags))
        try await expectFound(["a"], [])
        try await fixture.namespace.setTags(a, blueTags, guard: .none)
        try await expectFound([], ["a"])
        _ = try await fixture.namespace.copyBlob(to: Fixture.blob("b"), copying("a", tags: .copy), guard: .none)
        try await expectFound([], ["a", "b"])
        try await fixture.put("a", [1])
        try await expectFound([], ["b"])
        try await fixture.commit("a", [], attributes: BlobAttributes(tags: redTags))
        try await expectFound(["a"], ["b"])
        try await fixture.delete("b")
        try await expectFound(["a"], [])
        // A deleted container's blobs are gone from the search before they are taken apart, and stay gone.
        try await fixture.namespace.deleteContainer(Fixture.container, guard: .none)
        #expect(try await Self.find(fixture, red).isEmpty)
        _ = try await fixture.namespace.createContainer(Fixture.container, metadata: .empty, publicAccess: nil)
        try await expectFound([], [])
        try await fixture.reap()
        try await expectFound([], [])
        try await fixture.expectNothingLeft()
    }

    @Test func getAndSet() async throws {
        let fixture = try await Fixture.started()
        let a = Fixture.blob("a")
        await expect(.blobNotFound) { _ = try await fixture.namespace.tags(a, guard: .none) }
        try await fixture.put("a", [1])
        #expect(try await fixture.namespace.tags(a, guard: .none) == .empty)
        let tags = Fixture.tags(("k", "v"), ("K", ""))
        try await fixture.namespace.setTags(a, tags, guard: .none)
        #expect(try await fixture.namespace.tags(a, guard: .none) == tags)
        try await fixture.namespace.setTags(a, .empty, guard: .none)
        #expect(try await fixture.properties("a").tags.isEmpty)
    }
}
