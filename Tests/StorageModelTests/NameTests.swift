import StorageModel
import Testing

/// "Naming and referencing containers, blobs, and metadata", as rows.
@Suite struct NameTests {
    static func problem(_ body: () throws(StorageFailure) -> Void) -> StorageFailure.Code? {
        do {
            try body()
            return nil
        } catch { return error.code }
    }
    static let characters = StorageFailure.Code.invalidName(.characters)
    static let length = StorageFailure.Code.invalidName(.length)
    static let segment = StorageFailure.Code.invalidName(.segment)

    static func long(_ count: Int, _ text: String = "a") -> String { String(repeating: text, count: count) }

    @Test func accounts() {
        let rows: [(String, StorageFailure.Code?)] = [
            ("abc", nil), ("a1b2", nil), ("000", nil), (Self.long(24), nil), ("devstoreaccount1", nil),
            ("ab", Self.length),
            ("", Self.length), (Self.long(25), Self.length), ("Abc", Self.characters), ("a-b", Self.characters),
            ("a.b", Self.characters), ("äbc", Self.characters), ("ab\0", Self.characters), ("a b", Self.characters),
        ]
        for (name, expected) in rows {
            let found = Self.problem { () throws(StorageFailure) in _ = try AccountName(validating: name) }
            #expect(found == expected, "'\(name)'")
        }
    }

    static let containerRows: [(String, StorageFailure.Code?)] = [
        ("abc", nil), ("a-b", nil), ("a-b-c", nil), ("123", nil), (long(63), nil), ("$root", nil), ("$web", nil),
        ("$logs", nil), ("$blobchangefeed", nil), ("ab", length), ("", length), (long(64), length),
        ("Abc", characters), ("a_b", characters), ("a.b", characters), ("a--b", characters), ("-ab", characters),
        ("ab-", characters), ("---", characters), ("$other", characters), ("$ROOT", characters), ("äbc", characters),
        ("a/b", characters), ("ab\0", characters),
    ]

    @Test func containers() {
        for (name, expected) in Self.containerRows {
            let found = Self.problem { () throws(StorageFailure) in _ = try ContainerName(validating: name) }
            #expect(found == expected, "'\(name)'")
        }
    }

    @Test func reservedContainers() throws {
        for (name, creatable) in [("$root", true), ("$web", true), ("$logs", false), ("$blobchangefeed", false)] {
            let container = try ContainerName(validating: name)
            #expect(container.isReserved && container.isCreatable == creatable)
        }
        #expect(try !ContainerName(validating: "abc").isReserved)
        #expect(ContainerName.root.value == "$root")
    }

    static let blobRows: [(String, StorageFailure.Code?)] = [
        ("a", nil), (".gitignore", nil), ("...", nil), ("a/.b", nil), ("a/...", nil), ("a.", nil), ("a..", nil),
        ("a/b", nil), ("a/", nil), ("a/b/", nil), ("\u{A0}", nil), ("\u{FFFE}", nil), ("日本", nil), ("😀", nil),
        ("a b+c%2F?&#\\", nil), (" ", nil), ("a/ /b", nil), (long(1024), nil), (long(512, "😀"), nil),
        (long(1024, "日"), nil),
        (long(253, "a/") + "a", nil), (long(254, "a/"), nil),
        ("", length), (long(1025), length), (long(513, "😀"), length),
        ("\0", characters), ("a\0b", characters), ("\u{1}", characters), ("a\tb", characters), ("\u{1F}", characters),
        ("\u{7F}", characters), ("\u{80}", characters), ("a\u{9F}", characters),
        ("/", segment), ("/a", segment), ("a//b", segment), ("a//", segment), ("//", segment), (".", segment),
        ("..", segment), ("./", segment), ("a/.", segment), ("a/..", segment), ("a/./b", segment), ("a/../b", segment),
        ("../a", segment), (long(254, "a/") + "a", segment),
    ]

    @Test func blobs() {
        for (name, expected) in Self.blobRows {
            let found = Self.problem { () throws(StorageFailure) in _ = try BlobName(validating: name) }
            #expect(found == expected, "'\(name.prefix(30))' of \(name.utf16.count)")
        }
    }

    @Test func directoryMarkersAndAncestors() throws {
        let rows: [(String, Bool, [String])] = [
            ("a", false, []), ("a/", true, ["a"]), ("a/b", false, ["a"]), ("a/b/", true, ["a", "a/b"]),
            ("a/b/c.d", false, ["a", "a/b"]), ("a/\u{301}b/c", false, ["a", "a/\u{301}b"]),
        ]
        for (text, isMarker, ancestors) in rows {
            let name = try BlobName(validating: text)
            #expect(name.isDirectoryMarker == isMarker, "\(text)")
            #expect(name.ancestors.map { Array($0.utf8) } == ancestors.map { Array($0.utf8) }, "\(text)")
        }
    }

    /// Names are as different as their bytes, and sort by them.
    @Test func blobsByBytes() throws {
        let (composed, decomposed) = (try BlobName(validating: "\u{E9}"), try BlobName(validating: "e\u{301}"))
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed, composed]).count == 2)
        #expect(decomposed < composed)
        let sorted = try ["a", "a!", "a/b", "a0", "b", "A", "é", "\u{FFFD}", "😀"].map { try BlobName(validating: $0) }
            .sorted()
        #expect(sorted.map(\.value) == ["A", "a", "a!", "a/b", "a0", "b", "é", "\u{FFFD}", "😀"])
    }

    // MARK: - Metadata and tags

    @Test func metadataNames() {
        let bad = StorageFailure.Code.invalidMetadata
        let rows: [([String], StorageFailure.Code?)] = [
            (["a"], nil), (["_"], nil), (["_1"], nil), (["a1_b"], nil), (["Key"], nil), (["é"], nil), ([], nil),
            (["a", "b"], nil), ([""], bad), (["1a"], bad), (["a-b"], bad), (["a b"], bad), (["a.b"], bad),
            (["a", "A"], bad),
            (["x", "y", "x"], bad),
        ]
        for (names, expected) in rows {
            let found = Self.problem { () throws(StorageFailure) in
                _ = try UserMetadata(validating: names.map { ($0, "v") })
            }
            #expect(found == expected, "\(names)")
        }
    }

    @Test func metadataSizes() throws {
        for (size, fits) in [(Limits.metadataBytes, true), (Limits.metadataBytes + 1, false)] {
            let pairs = [("k", Self.long(100)), ("rest", Self.long(size - 105))]
            let found = Self.problem { () throws(StorageFailure) in _ = try UserMetadata(validating: pairs) }
            #expect(found == (fits ? nil : .metadataTooLarge))
        }
        let metadata = try UserMetadata(validating: [("Zed", "1"), ("Alpha", "TWO")])
        #expect(
            metadata.entries.map(\.key) == ["alpha", "zed"] && metadata["alpha"] == "TWO" && metadata["Zed"] == nil)
    }

    @Test func directoryMetadata() throws {
        for (value, marks) in [("true", true), ("TRUE", true), ("false", false), ("", false), ("1", false)] {
            #expect(try UserMetadata(validating: [("Hdi_IsFolder", value)]).marksDirectory == marks)
        }
        #expect(!UserMetadata.empty.marksDirectory)
    }

    @Test func tags() {
        let rows: [([(String, String)], StorageFailure.TagProblem?)] = [
            ([], nil), ([("k", "")], nil), ([("k", "v"), ("K", "v")], nil),
            ([("a Z0+-./:=_", "a Z0+-./:=_")], nil), ([(Self.long(128), Self.long(256))], nil),
            ((0..<10).map { ("\($0)", "v") }, nil), ((0..<11).map { ("\($0)", "v") }, .tooMany),
            ([("", "v")], .emptyKey), ([("k", "1"), ("k", "2")], .duplicateKey),
            ([(Self.long(129), "v")], .invalidKeyOrValue),
            ([("k", Self.long(257))], .invalidKeyOrValue), ([("k!", "v")], .invalidKeyOrValue),
            ([("k", "v'")], .invalidKeyOrValue), ([("k", "é")], .invalidKeyOrValue),
            ([("k", "a\0")], .invalidKeyOrValue),
        ]
        for (pairs, problem) in rows {
            let found = Self.problem { () throws(StorageFailure) in _ = try Tags(validating: pairs) }
            #expect(found == problem.map { .invalidTags($0) }, "\(pairs)")
        }
    }

    // MARK: - Small values

    @Test func entityTags() {
        for value in [0, 1, 0xABC, UInt64.max] {
            let version = Version(value)
            #expect(version.etagText.utf8.count == 18)
            #expect(Version(etagText: version.etagText) == version)
        }
        #expect(Version(0xABC).etagText == "0x0000000000000ABC")
        for sign in ["-", "+"] { #expect(Version(etagText: "0x\(sign)000000000000000") == nil) }
        for text in [
            "", "0x1", "0x000000000000000G", "0X0000000000000001", "0x+000000000000001", "\"0x0000000000000001\"",
            "0x00000000000000001",
        ] {
            #expect(Version(etagText: text) == nil, "\(text)")
        }
    }

    @Test func leaseIDs() {
        let canonical = "01234567-89ab-cdef-0123-456789abcdef"
        for text in [
            canonical, "01234567-89AB-CDEF-0123-456789ABCDEF", "0123456789abcdef0123456789abcdef", "{\(canonical)}",
            "(\(canonical))",
        ] {
            #expect(LeaseID(text)?.value == canonical, "\(text)")
        }
        for text in [
            "", "abc", "{\(canonical))", "(\(canonical)", "{0123456789abcdef0123456789abcdef}", canonical + "0",
            String(canonical.dropLast()) + "g", "01234567+89ab-cdef-0123-456789abcdef",
        ] {
            #expect(LeaseID(text) == nil, "\(text)")
        }
    }

    @Test func ranges() {
        let rows: [(Int64, Int64?, Int64, Range<Int64>?)] = [
            (0, nil, 10, 0..<10), (0, 0, 10, 0..<1), (3, 5, 10, 3..<6), (3, 9, 10, 3..<10), (3, 10, 10, 3..<10),
            (9, nil, 10, 9..<10), (9, .max, 10, 9..<10), (10, nil, 10, nil), (10, 20, 10, nil), (0, nil, 0, nil),
            (0, 0, 0, nil),
            (.max, nil, 10, nil),
        ]
        for (first, last, length, expected) in rows {
            #expect(
                RangeRequest(first: first, last: last).resolve(length: length) == expected,
                "\(first)-\(last ?? -1)/\(length)")
        }
    }

    @Test func secondsRoundDown() {
        for (nanoseconds, seconds) in [
            (0, 0), (999_999_999, 0), (1_000_000_000, 1), (-1, -1), (-1_000_000_000, -1), (Int64.max, 9_223_372_036),
        ] as [(Int64, Int64)] {
            #expect(Timestamp(nanoseconds: nanoseconds).seconds == seconds)
        }
        #expect(Timestamp(seconds: 5).adding(seconds: -7) == Timestamp(seconds: -2))
    }

    @Test func tagFilters() throws {
        let tags = try Tags(validating: [("k", "b"), ("n", "10")])
        let container = try ContainerName(validating: "box")
        func compare(_ comparison: TagFilter.Comparison, _ value: String) -> Bool {
            TagFilter.compare(key: "k", comparison, value: value).matches(tags, container: container)
        }
        let table: [(TagFilter.Comparison, [Bool])] = [
            (.equal, [false, true, false]), (.notEqual, [true, false, true]), (.less, [false, false, true]),
            (.lessOrEqual, [false, true, true]), (.greater, [true, false, false]),
            (.greaterOrEqual, [true, true, false]),
        ]
        for (comparison, expected) in table {
            #expect(["a", "b", "ba"].map { compare(comparison, $0) } == expected, "\(comparison)")
            let absent = TagFilter.compare(key: "absent", comparison, value: "a")
            #expect(!absent.matches(tags, container: container), "an absent tag meets no comparison")
        }
        let (yes, no) = (TagFilter.container("box"), TagFilter.container("other"))
        for (left, right, and, or) in [
            (yes, yes, true, true), (yes, no, false, true), (no, yes, false, true), (no, no, false, false),
        ] {
            #expect(TagFilter.and(left, right).matches(tags, container: container) == and)
            #expect(TagFilter.or(left, right).matches(tags, container: container) == or)
        }
        #expect(
            TagFilter.and(.compare(key: "x", .equal, value: ""), .or(.compare(key: "y", .less, value: ""), yes)).keys
                == ["x", "y"])
    }

    @Test func servicePropertiesMerge() {
        var change = ServiceProperties()
        #expect(ServiceProperties.initial.merging(change) == .initial)
        change.cors = []
        change.deleteRetention = .init(enabled: true, days: 5)
        let merged = ServiceProperties.initial.merging(change)
        #expect(merged.deleteRetention?.days == 5 && merged.logging == ServiceProperties.initial.logging)
    }

    @Test func worldsMakeIDs() {
        let bytes = Locked<UInt8>(0)
        let world = World(
            now: { Timestamp(seconds: 0) }, monotonicNanoseconds: { 0 },
            randomBytes: { count in
                (0..<count).map { _ in
                    bytes.withLock { value in
                        defer { value &+= 17 }; return value
                    }
                }
            },
            sleep: { _ in })
        let id = world.uuid()
        #expect(LeaseID(id)?.value == id)
        #expect(Array(id)[14] == "4" && "89ab".contains(Array(id)[19]))
        #expect(world.uuid() != id)
    }
}
