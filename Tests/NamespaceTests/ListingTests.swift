import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// Listings against what a sorted array of names says, page by page.
@Suite struct ListingTests {
    typealias Fixture = NamespaceFixture

    static func text(_ entry: BlobListResult.Entry) -> String {
        switch entry {
        case .blob(let name, _): "blob \(name)"
        case .uncommitted(let name, _): "staged \(name)"
        case .prefix(let name): "prefix \(name)"
        }
    }

    /// All pages of a listing, each fetched with the position that the one before gave, as text.
    static func pages(
        _ fixture: NamespaceFixture, _ query: BlobListQuery, of size: Int
    ) async throws -> [String] {
        var query = query
        query.limit = size
        var all: [String] = []
        while true {
            let page = try await fixture.namespace.listBlobs(Fixture.container, query)
            #expect(page.entries.count <= size)
            all += page.entries.map(text)
            guard let next = page.next else { return all }
            #expect(page.entries.count == size, "a short page goes on")
            query.position = ListPosition(text: next.text)
            #expect(query.position == next)
        }
    }

    /// What a listing must be, from the names alone.
    static func expected(
        committed: [String], staged: [String], prefix: String, delimiter: String?, from: String = ""
    ) -> [String] {
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        let names = (committed.map { ($0, "blob") } + staged.filter { !committed.contains($0) }.map { ($0, "staged") })
            .filter { bytes($0.0).starts(with: bytes(prefix)) && !bytes($0.0).lexicographicallyPrecedes(bytes(from)) }
            .sorted { bytes($0.0).lexicographicallyPrecedes(bytes($1.0)) }
        var entries: [String] = []
        for (name, kind) in names {
            let rest = bytes(name).dropFirst(bytes(prefix).count)
            if let delimiter, let range = firstRange(of: bytes(delimiter), in: Array(rest)) {
                let common = bytes(prefix) + rest.prefix(range.upperBound)
                let entry = "prefix " + String(decoding: common, as: UTF8.self)
                if entries.last != entry { entries.append(entry) }
            } else {
                entries.append("\(kind) \(name)")
            }
        }
        return entries
    }

    private static func firstRange(of needle: [UInt8], in hay: [UInt8]) -> Range<Int>? {
        guard hay.count >= needle.count else { return nil }
        return (0...(hay.count - needle.count)).first { Array(hay[$0..<$0 + needle.count]) == needle }
            .map { $0..<$0 + needle.count }
    }

    static let committed = [
        "A", "Z", "a", "b/1", "b/2", "b/2.txt", "b/c/1", "b/c/d/e", "b!", "b0", "logs--x--1", "logs--x--2", "logs--y",
        "logs-z", "u\u{E9}", "u\u{65}\u{301}", "日本/語", "😀", "\u{FFFD}x", "a b", "a+b", "a%2Fb", "tab\u{A0}here",
        "\u{2028}line", "\u{FFFE}ctl", "q?x=1&y", "\"quoted\"", "<xml>", "c:\\dos", "m/", "m/n",
    ]
    static let staged = ["a", "b/2", "b/3", "b/c/d/f", "aa", "zz/only", "s/1", "s/2", "logs--x--3", "~"]

    static func filled() async throws -> NamespaceFixture {
        let fixture = try await Fixture.started()
        for name in committed { try await fixture.put(name, name.hasSuffix("/") ? [] : [1]) }
        for name in staged { try await fixture.stage(name, "AAAA", [1]) }
        return fixture
    }

    @Test func everyPageSize() async throws {
        let fixture = try await Self.filled()
        for prefix in ["", "b", "b/", "b/c", "logs--", "logs", "u", "日", "none", "b/2", "a", "zz"] {
            for delimiter in [nil, "/", "--", "-", "--x--", "b", "日本"] {
                for includes in [false, true] {
                    let query = BlobListQuery(prefix: prefix, delimiter: delimiter, includesUncommitted: includes)
                    let expected = Self.expected(
                        committed: Self.committed, staged: includes ? Self.staged : [], prefix: prefix,
                        delimiter: delimiter)
                    let sizes =
                        prefix.isEmpty && includes ? Array(1...(expected.count + 1)) : [1, 2, 3, expected.count + 1]
                    for size in sizes {
                        let found = try await Self.pages(fixture, query, of: size)
                        #expect(found == expected, "prefix '\(prefix)' delimiter \(delimiter ?? "none") size \(size)")
                    }
                }
            }
        }
    }

    @Test func startFrom() async throws {
        let fixture = try await Self.filled()
        for from in ["", "A", "a", "b/", "b/2", "b/2.", "b/c/d", "logs--x--2", "zzz", "\u{10FFFF}"] {
            for delimiter in [nil, "/"] {
                let query = BlobListQuery(delimiter: delimiter, startFrom: from, includesUncommitted: true)
                let expected = Self.expected(
                    committed: Self.committed, staged: Self.staged, prefix: "", delimiter: delimiter, from: from)
                for size in [1, 4, 100] { #expect(try await Self.pages(fixture, query, of: size) == expected) }
            }
        }
        let query = BlobListQuery(prefix: "b/", startFrom: "b/2")
        #expect(
            try await Self.pages(fixture, query, of: 2) == ["blob b/2", "blob b/2.txt", "blob b/c/1", "blob b/c/d/e"])
    }

    /// Between two pages the container may change: a listing goes on from the position, whatever is there.
    @Test func changesBetweenPages() async throws {
        let fixture = try await Fixture.started()
        for name in ["a", "b", "c", "d"] { try await fixture.put(name, [1]) }
        var query = BlobListQuery(limit: 2)
        let first = try await fixture.namespace.listBlobs(Fixture.container, query)
        #expect(first.entries.map(Self.text) == ["blob a", "blob b"])
        try await fixture.delete("c")
        try await fixture.put("bb", [1])
        try await fixture.put("cc", [1])
        query.position = first.next
        query.limit = 10
        let second = try await fixture.namespace.listBlobs(Fixture.container, query)
        #expect(second.entries.map(Self.text) == ["blob cc", "blob d"])
    }

    @Test func whatIsListed() async throws {
        let fixture = try await Fixture.started()
        let attributes = BlobAttributes(
            headers: ContentHeaders(contentType: "x/y"), metadata: Fixture.metadata(("k", "v")),
            tags: Fixture.tags(("t", "1")), tier: .cool)
        try await fixture.put("a", Fixture.bytes(50), attributes: attributes)
        try await fixture.stage("b", "AAAA", [1])
        let page = try await fixture.namespace.listBlobs(
            Fixture.container, BlobListQuery(includesUncommitted: true))
        guard case .blob("a", let listed)? = page.entries.first, case .uncommitted("b", let on)? = page.entries.last
        else {
            Issue.record("lists \(page.entries)")
            return
        }
        let direct = try await fixture.properties("a")
        #expect(listed.version == direct.version && listed.length == 50 && listed.headers == direct.headers)
        #expect(listed.metadata == direct.metadata && listed.tags == direct.tags && listed.tier == .cool)
        #expect(on == fixture.world.now)
        await expect(.containerNotFound) {
            _ = try await fixture.namespace.listBlobs(Fixture.container("none"), BlobListQuery())
        }
    }

    /// A delimiter listing of a large tree reads what it answers, not what lies beneath.
    @Test func delimiterSeeks() async throws {
        let fixture = try await Fixture.started()
        for directory in 0..<3 { for file in 0..<200 { try await fixture.put("d\(directory)/f\(file)", [1]) } }
        let found = try await Self.pages(fixture, BlobListQuery(delimiter: "/"), of: 2)
        #expect(found == ["prefix d0/", "prefix d1/", "prefix d2/"])
    }

    @Test func positionsAsText() {
        for length in 1...20 {
            let position = ListPosition(from: Fixture.bytes(length, salt: length))
            #expect(ListPosition(text: position.text) == position)
            #expect(position.text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
        }
        for text in ["", "1!", "2!AAAA", "1!A", "1!AB", "AAAA", "1!AA=", "1!+/AA", "1!AAA A", "1!é"] {
            let parsed = ListPosition(text: text)
            #expect(parsed == nil || parsed?.text == text, "\(text)")
        }
        #expect(ListPosition(text: "1!" + String(repeating: "A", count: 20_000)) == nil)
    }

    // MARK: - Containers

    @Test func containers() async throws {
        let fixture = NamespaceFixture()
        let names = ["$root", "$web", "abc", "abcd", "abd", "b-1", "b-2", "zzz"]
        for name in names.reversed() {
            _ = try await fixture.namespace.createContainer(
                Fixture.container(name), metadata: Fixture.metadata(("name", "x")), publicAccess: nil)
        }
        let stranger = ContainerAddress(account: Fixture.account("devaccount2"), container: Fixture.container.container)
        _ = try await fixture.namespace.createContainer(stranger, metadata: .empty, publicAccess: nil)
        for prefix in ["", "a", "abc", "b-", "c", "$"] {
            let expected = names.filter { $0.hasPrefix(prefix) }
            for size in 1...(names.count + 1) {
                var found: [String] = []
                var position: ListPosition?
                repeat {
                    let page = try await fixture.namespace.listContainers(
                        of: Fixture.account, prefix: prefix, position: position, limit: size)
                    found += page.containers.map(\.name.value)
                    position = page.next
                } while position != nil
                #expect(found == expected)
            }
        }
        #expect(
            try await fixture.namespace.listContainers(
                of: Fixture.account("nobody"), prefix: "", position: nil, limit: 10
            ).containers.isEmpty)
    }
}
