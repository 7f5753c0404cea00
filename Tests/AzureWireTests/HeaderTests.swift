import AzureWire
import StorageModel
import Testing

@Suite struct RangeHeaderTests {
    @Test(arguments: [
        ("bytes=0-", RangeRequest(first: 0, last: nil)), ("bytes=5-9", RangeRequest(first: 5, last: 9)),
        (" bytes=7-7 ", RangeRequest(first: 7, last: 7)), ("Bytes=1-2", RangeRequest(first: 1, last: 2)),
        ("bytes=0-99999999999999999999999", RangeRequest(first: 0, last: .max)),
        ("bytes=99999999999999999999999-", RangeRequest(first: .max, last: nil)),
        ("bytes=9223372036854775807-9223372036854775807", RangeRequest(first: .max, last: .max)),
    ])
    func accepts(text: String, range: RangeRequest) {
        #expect(RangeHeader.parse(text) == range)
    }

    @Test(arguments: [
        "", "bytes", "bytes=", "bytes=-", "bytes=-5", "bytes=5-4", "bytes=0-1,3-4", "bytes=a-b", "items=0-1", "bytes=0",
        "bytes=+1-2", "bytes=1--2", "bytes= 0-1", "bytes=0-1 ;", "0-1", "bytes=１-2",
    ])
    func ignores(text: String) {
        #expect(RangeHeader.parse(text) == nil)
    }

    @Test func contentRange() {
        #expect(RangeHeader.contentRange(0..<1, length: 10) == "bytes 0-0/10")
        #expect(RangeHeader.unsatisfied(length: 0) == "bytes */0")
    }
}

@Suite struct ConditionHeaderTests {
    static let one = "\"0x0000000000000001\""
    static let two = "\"0x0000000000000002\""
    static let early = "Fri, 01 Mar 2024 12:00:00 GMT"

    static func parse(
        _ use: ConditionHeaders.Use, _ headers: [String: [String]], _ family: ConditionHeaders = .target
    ) throws(AzureError) -> Conditions {
        try family.parse(use) { headers[$0] ?? [] }
    }

    @Test func lists() {
        func versions(_ text: String, _ comparison: ETagList.Comparison = .weak) -> (ETagCondition, Int)? {
            ETagList(text, comparison: comparison).map { ($0.condition, $0.count) }
        }
        #expect(versions("*")! == (.any, 1))
        #expect(versions(Self.one)! == (.versions([Version(1)]), 1))
        #expect(versions("0x0000000000000001")! == (.versions([Version(1)]), 1))
        #expect(versions("\(Self.one), \(Self.two)")! == (.versions([Version(1), Version(2)]), 2))
        #expect(versions("\"0x8DAB\",\(Self.one)")! == (.versions([Version(1)]), 2))
        #expect(versions("W/\(Self.one)")! == (.versions([Version(1)]), 1))
        #expect(versions("W/\(Self.one)", .strong)! == (.versions([]), 1))
        #expect(versions("abc")! == (.versions([]), 1))
    }

    @Test(arguments: ["", "  ", "\"a", "\"a\" \"b\"", "\"a\",", ",\"a\"", "*, \"a\"", "a,b", "\"a\"b", "W/\"", "**"])
    func malformedLists(text: String) {
        #expect(ETagList(text, comparison: .weak) == nil)
    }

    @Test func readsCombineAll() throws {
        let conditions = try Self.parse(
            .read,
            [
                "If-Match": [Self.one, Self.two], "If-None-Match": [Self.two], "If-Modified-Since": [Self.early],
                "If-Unmodified-Since": [Self.early], "x-ms-if-tags": ["a = 'b'"],
            ])
        #expect(conditions.ifMatch == .versions([Version(1), Version(2)]))
        #expect(conditions.ifNoneMatch == .versions([Version(2)]))
        #expect(conditions.ifModifiedSince == Timestamp(seconds: 1_709_294_400))
        #expect(conditions.ifUnmodifiedSince == Timestamp(seconds: 1_709_294_400))
        #expect(conditions.ifTags == .compare(key: "a", .equal, value: "b"))
    }

    @Test func nothingGiven() throws {
        #expect(try Self.parse(.read, [:]).isEmpty)
        #expect(try Self.parse(.write, ["If-Match": [""], "If-Modified-Since": [" "]]).isEmpty)
    }

    @Test func starOnReads() {
        #expect(throws: AzureError(.unsatisfiableCondition)) { try Self.parse(.read, ["If-None-Match": ["*"]]) }
        #expect(throws: Never.self) { try Self.parse(.write, ["If-None-Match": ["*"]]) }
        #expect(throws: Never.self) { try Self.parse(.read, ["If-Match": ["*"]]) }
    }

    @Test func writesDropTheWeakerOfAPair() throws {
        let none = try Self.parse(.write, ["If-None-Match": ["*"], "If-Modified-Since": [Self.early]])
        #expect(none == Conditions(ifNoneMatch: .any))
        let match = try Self.parse(.write, ["If-Match": [Self.one], "If-Unmodified-Since": [Self.early]])
        #expect(match == Conditions(ifMatch: .versions([Version(1)])))
    }

    @Test(arguments: [
        ["If-Match", "If-None-Match"], ["If-Match", "If-Modified-Since"], ["If-None-Match", "If-Unmodified-Since"],
        ["If-Modified-Since", "If-Unmodified-Since"], ["If-Match", "If-Unmodified-Since", "If-None-Match"],
    ])
    func writesRefuseOtherPairs(names: [String]) {
        var headers: [String: [String]] = [:]
        for name in names { headers[name] = [name.hasSuffix("Since") ? Self.early : Self.one] }
        #expect(throws: AzureError(.multipleConditionHeadersNotSupported)) { try Self.parse(.write, headers) }
    }

    @Test func writesTakeOneETag() {
        #expect(throws: AzureError.invalidHeaderValue("If-Match", "\(Self.one),\"x\"")) {
            try Self.parse(.write, ["If-Match": [Self.one, "\"x\""]])
        }
    }

    @Test func malformedValues() {
        #expect(throws: AzureError.invalidHeaderValue("If-Modified-Since", "yesterday")) {
            try Self.parse(.read, ["If-Modified-Since": ["yesterday"]])
        }
        #expect(throws: AzureError.invalidHeaderValue("If-Modified-Since", "\(Self.early),\(Self.early)")) {
            try Self.parse(.read, ["If-Modified-Since": [Self.early, Self.early]])
        }
        #expect(throws: AzureError.invalidHeaderValue("x-ms-if-tags", "a == b")) {
            try Self.parse(.read, ["x-ms-if-tags": ["a == b"]])
        }
        #expect(throws: AzureError.invalidHeaderValue("x-ms-source-if-match", "\"")) {
            try Self.parse(.write, ["x-ms-source-if-match": ["\""]], .source)
        }
    }

    @Test func useByVersion() throws {
        #expect(ConditionHeaders.Use.reading(try #require(ServiceVersion("2013-08-15"))) == .read)
        #expect(ConditionHeaders.Use.reading(try #require(ServiceVersion("2012-02-12"))) == .write)
    }

    @Test func ifRange() {
        #expect(ConditionHeaders.rangeValidator(Self.one) == .version(Version(1)))
        #expect(ConditionHeaders.rangeValidator("W/\(Self.one)") == .version(nil))
        #expect(ConditionHeaders.rangeValidator("*") == .version(nil))
        #expect(ConditionHeaders.rangeValidator("\(Self.one),\(Self.two)") == .version(nil))
        #expect(ConditionHeaders.rangeValidator(Self.early) == .lastModified(Timestamp(seconds: 1_709_294_400)))
        #expect(ConditionHeaders.rangeValidator("garbage") == .version(nil))
    }
}

@Suite struct TagExpressionTests {
    private typealias Filter = TagFilter

    @Test func queries() {
        #expect(TagExpression.parse("\"a b\"='x'", dialect: .query) == .compare(key: "a b", .equal, value: "x"))
        #expect(
            TagExpression.parse(" @container = 'box' AND k>='1' and \"k\" < '' ", dialect: .query)
                == .and(
                    .and(.container("box"), .compare(key: "k", .greaterOrEqual, value: "1")),
                    .compare(key: "k", .less, value: "")))
        #expect(TagExpression.parse("a<='1'", dialect: .query) == .compare(key: "a", .lessOrEqual, value: "1"))
        #expect(TagExpression.parse("a>'1'", dialect: .query) == .compare(key: "a", .greater, value: "1"))
        #expect(TagExpression.parse("android='1'", dialect: .query) == .compare(key: "android", .equal, value: "1"))
    }

    @Test func headers() {
        let a = Filter.compare(key: "a", .notEqual, value: "1")
        let b = Filter.compare(key: "b", .equal, value: "2")
        let c = Filter.compare(key: "c", .equal, value: "3")
        #expect(TagExpression.parse("a <> '1' OR b='2' AND c='3'", dialect: .header) == .or(a, .and(b, c)))
        #expect(TagExpression.parse("(a <> '1' OR b='2') AND c='3'", dialect: .header) == .and(.or(a, b), c))
    }

    @Test(arguments: [
        "", "a", "a=", "a=1", "a='1", "'a'='1'", "a='1' AND", "AND a='1'", "a='1' b='2'", "a='1' OR b='2'", "a<>'1'",
        "(a='1')", "@container>'x'", "@other='x'", "\"\"='x'", "a=='1'", "a='1';", "a.b='1'", "a='1' ANDb='2'",
    ])
    func refusedQueries(text: String) {
        #expect(TagExpression.parse(text, dialect: .query) == nil)
    }

    @Test(arguments: ["@container='x'", "(a='1'", "a='1')", "()", "NOT a='1'", "a='1' OR", "a><'1'"])
    func refusedHeaders(text: String) {
        #expect(TagExpression.parse(text, dialect: .header) == nil)
    }

    @Test func bounds() {
        let chain = { Array(repeating: "a='1'", count: $0).joined(separator: " AND ") }
        #expect(TagExpression.parse(chain(128), dialect: .query) != nil)
        #expect(TagExpression.parse(chain(129), dialect: .query) == nil)
        let nested = { String(repeating: "(", count: $0) + "a='1'" + String(repeating: ")", count: $0) }
        #expect(TagExpression.parse(nested(16), dialect: .header) != nil)
        #expect(TagExpression.parse(nested(17), dialect: .header) == nil)
        #expect(TagExpression.parse(nested(1_000_000), dialect: .header) == nil)
        #expect(TagExpression.parse("\"\(String(repeating: "k", count: 129))\"='1'", dialect: .query) == nil)
        #expect(TagExpression.parse("a='\(String(repeating: "v", count: 257))'", dialect: .query) == nil)
    }
}

@Suite struct TagsHeaderTests {
    @Test func parses() throws {
        let pairs = try #require(TagsHeader.parse("k%201=v+1&k2=&k3=a=b"))
        #expect(pairs.map(\.0) == ["k 1", "k2", "k3"])
        #expect(pairs.map(\.1) == ["v 1", "", "a=b"])
        #expect(TagsHeader.parse("")?.isEmpty == true)
        #expect(TagsHeader.parse("k") == nil)
        #expect(TagsHeader.parse("k=%zz") == nil)
    }

    @Test func formats() throws {
        let tags = try Tags(validating: [("b", "x/y z"), ("a+", "=")])
        #expect(TagsHeader.format(tags) == "a%2B=%3D&b=x%2Fy%20z")
        #expect(TagsHeader.format(.empty) == "")
    }
}
