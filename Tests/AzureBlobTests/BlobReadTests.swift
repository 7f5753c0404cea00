import AzureWire
import NIOCore
import NIOHTTP1
import StorageModel
import Testing

@testable import AzureBlob

@Suite struct BlobReadTests {
    private static let text = "0123456789"

    private func fixture() async throws -> Fixture {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", Self.text)
        await fixture.put("empty", "")
        return fixture
    }

    @Test(arguments: [
        ("bytes=2-4", "234", "bytes 2-4/10"), ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=0-99", "0123456789", "bytes 0-9/10"),
        ("bytes=9-9", "9", "bytes 9-9/10"), ("bytes=0-99999999999999999999", "0123456789", "bytes 0-9/10"),
    ])
    func ranges(range: String, body: String, contentRange: String) async throws {
        let fixture = try await fixture()
        for name in ["Range", "x-ms-range"] {
            let reply = await fixture.send(.GET, "/box/a", [(name, range)])
            #expect(reply.status == 206)
            #expect(reply.text == body)
            #expect(reply["Content-Range"] == contentRange)
            #expect(reply["Content-MD5"] == nil)
            #expect(reply["x-ms-blob-content-md5"] != nil)
            #expect(reply["Accept-Ranges"] == "bytes")
        }
    }

    @Test(arguments: ["bytes=-3", "bytes=4-2", "bytes=1-2,4-5", "octets=1-2", "bytes=", "bytes=a-b"])
    func rangesThatCannotBeReadAreIgnored(range: String) async throws {
        let fixture = try await fixture()
        let reply = await fixture.send(.GET, "/box/a", [("x-ms-range", range)])
        #expect(reply.status == 200)
        #expect(reply.text == Self.text)
        #expect(reply["Content-MD5"] != nil)
    }

    @Test func serviceRangeWins() async throws {
        let fixture = try await fixture()
        let reply = await fixture.send(.GET, "/box/a", [("Range", "bytes=0-1"), ("x-ms-range", "bytes=5-6")])
        #expect(reply.text == "56")
    }

    @Test(arguments: [
        ("a", "bytes=10-", 10), ("a", "bytes=99-100", 10), ("empty", "bytes=0-", 0), ("empty", "bytes=0-0", 0),
    ])
    func outOfRange(name: String, range: String, length: Int) async throws {
        let fixture = try await fixture()
        let reply = await fixture.send(.GET, "/box/\(name)", [("Range", range)])
        #expect(reply.status == 416)
        #expect(reply.error == "InvalidRange")
        #expect(reply["Content-Range"] == "bytes */\(length)")
    }

    @Test func headIgnoresRanges() async throws {
        let fixture = try await fixture()
        let reply = await fixture.send(.HEAD, "/box/a", [("Range", "bytes=99-")])
        #expect(reply.status == 200)
        #expect(reply.headLength == 10)
    }

    @Test func rangeChecksums() async throws {
        let fixture = try await fixture()
        let range = ("x-ms-range", "bytes=2-4")
        let md5 = await fixture.send(.GET, "/box/a", [range, ("x-ms-range-get-content-md5", "true")])
        #expect(md5.status == 206 && md5.text == "234")
        #expect(md5["Content-MD5"] == Base64.encode(BodyChecksums.md5(ByteBuffer(string: "234"))))
        let crc = await fixture.send(.GET, "/box/a", [range, ("x-ms-range-get-content-crc64", "true")])
        #expect(crc["x-ms-content-crc64"] == ChecksumHeaders.crc64Text(BodyChecksums.crc64(ByteBuffer(string: "234"))))
        #expect(crc["Content-MD5"] == nil)
        #expect(await fixture.send(.GET, "/box/a", [("x-ms-range-get-content-md5", "true")]).status == 400)
        let both = [range, ("x-ms-range-get-content-md5", "true"), ("x-ms-range-get-content-crc64", "true")]
        #expect(await fixture.send(.GET, "/box/a", both).status == 400)
        #expect(
            await fixture.send(.GET, "/box/a", [range, ("x-ms-range-get-content-md5", "maybe")]).error
                == "InvalidHeaderValue")
        #expect(await fixture.send(.GET, "/box/a", [("x-ms-range-get-content-md5", "false")]).status == 200)
    }

    @Test func rangeChecksumsAreForFourMebibytes() async throws {
        let fixture = try await Fixture.withContainer()
        let bytes = (0..<(4 << 20 + 10)).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }
        await fixture.send(.PUT, "/box/big", [("x-ms-blob-type", "BlockBlob")], body: bytes)
        let option = ("x-ms-range-get-content-crc64", "true")
        let reply = await fixture.send(.GET, "/box/big", [("x-ms-range", "bytes=5-\(4 << 20 + 4)"), option])
        #expect(reply.status == 206)
        #expect(reply.body == Array(bytes[5..<(4 << 20 + 5)]))
        #expect(
            reply["x-ms-content-crc64"] == ChecksumHeaders.crc64Text(BodyChecksums.crc64(ByteBuffer(bytes: reply.body)))
        )
        let long = await fixture.send(.GET, "/box/big", [("x-ms-range", "bytes=0-\(4 << 20)"), option])
        #expect(long.status == 400)
        #expect(long.error == "OutOfRangeInput")
    }

    @Test func ifRange() async throws {
        let fixture = try await fixture()
        let etag = await fixture.send(.HEAD, "/box/a").etag
        let range = ("Range", "bytes=0-1")
        #expect(await fixture.send(.GET, "/box/a", [range, ("If-Range", etag)]).status == 206)
        #expect(await fixture.send(.GET, "/box/a", [range, ("If-Range", "\"0x0000000000000000\"")]).status == 200)
        #expect(await fixture.send(.GET, "/box/a", [range, ("If-Range", fixture.date())]).status == 206)
        #expect(await fixture.send(.GET, "/box/a", [range, ("If-Range", fixture.date(-5))]).status == 200)
    }

    @Test func missingThings() async throws {
        let fixture = try await fixture()
        #expect(await fixture.send(.GET, "/nobox/a").error == "ContainerNotFound")
        #expect(await fixture.send(.GET, "/box/none").error == "BlobNotFound")
        for match in ["*", "\"0x0000000000000001\""] {
            #expect(await fixture.send(.GET, "/box/none", [("If-Match", match)]).status == 404)
            #expect(await fixture.send(.HEAD, "/box/none", [("If-Match", match)]).status == 404)
        }
        #expect(await fixture.send(.GET, "/box/a", [("x-ms-encryption-key", "x")]).status == 409)
        #expect(await fixture.send(.GET, "/box/a", [("x-ms-structured-body", "XSM/2.0")]).error == "UnsupportedHeader")
    }

    @Test(arguments: ["a b", "ä", "日本語", "a+b", "a%25b", "a#b?c", "dir/sub/x", "a'b(c)!*", "a\u{1F600}"])
    func oddNames(name: String) async throws {
        let fixture = try await Fixture.withContainer()
        let path = PercentCoding.encode(name)
        #expect(await fixture.put(path, name).status == 201)
        #expect(await fixture.send(.GET, "/box/\(path)").text == name)
        #expect(await fixture.send(.GET, "/box/\(PercentCoding.encode(name, keeping: .slashes))").text == name)
        let list = await fixture.send(.GET, "/box?restype=container&comp=list")
        let expected = name.replacing("&", with: "&amp;")
        #expect(list.elements("Name") == [expected])
    }
}

/// Conditions over HTTP: the truth tables of the conditional header pages.
@Suite struct ConditionTests {
    /// If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since: true passes, false fails, nil is absent.
    static let reads: [([Bool?], Int)] = [
        ([true, true, true, true], 200), ([true, true, false, true], 200), ([true, true, true, false], 200),
        ([true, true, false, false], 304), ([false, nil, nil, nil], 412), ([nil, false, nil, nil], 412),
        ([nil, nil, false, nil], 304), ([nil, nil, nil, false], 304), ([nil, nil, true, nil], 200),
        ([nil, nil, nil, true], 200), ([false, true, false, false], 412), ([true, false, false, false], 412),
        ([nil, nil, false, true], 200), ([nil, nil, true, false], 200), ([true, nil, nil, nil], 200),
    ]

    private static func headers(_ terms: [Bool?], etag: String, fixture: Fixture) -> [(String, String)] {
        let other = "\"0x00000000DEADBEEF\""
        let values: [(String, String, String)] = [
            ("If-Match", etag, other), ("If-Unmodified-Since", fixture.date(60), fixture.date(-60)),
            ("If-None-Match", other, etag), ("If-Modified-Since", fixture.date(-60), fixture.date(60)),
        ]
        return zip(terms, values).compactMap { term, value in
            term.map { (value.0, $0 ? value.1 : value.2) }
        }
    }

    @Test(arguments: reads) func read(terms: [Bool?], status: Int) async throws {
        let fixture = try await Fixture.withContainer()
        let etag = await fixture.put("a", "x").etag
        let headers = Self.headers(terms, etag: etag, fixture: fixture)
        for (method, path) in [(HTTPMethod.GET, "/box/a"), (.HEAD, "/box/a"), (.GET, "/box/a?comp=metadata")] {
            let reply = await fixture.send(method, path, headers)
            #expect(reply.status == status, "\(method) \(path)")
            if status != 200 { #expect(reply.error == "ConditionNotMet") }
            if status == 304 { #expect(reply.body.isEmpty && reply["Content-Type"] == nil) }
        }
    }

    static let writes: [([Bool?], Int, String?)] = [
        ([true, nil, nil, nil], 201, nil), ([false, nil, nil, nil], 412, "ConditionNotMet"),
        ([nil, true, nil, nil], 201, nil), ([nil, false, nil, nil], 412, "ConditionNotMet"),
        ([nil, nil, true, nil], 201, nil), ([nil, nil, false, nil], 412, "ConditionNotMet"),
        ([nil, nil, nil, true], 201, nil), ([nil, nil, nil, false], 412, "ConditionNotMet"),
        ([nil, nil, true, false], 201, nil), ([true, false, nil, nil], 201, nil),
        ([true, nil, true, nil], 400, "MultipleConditionHeadersNotSupported"),
        ([true, nil, nil, true], 400, "MultipleConditionHeadersNotSupported"),
    ]

    @Test(arguments: writes) func write(terms: [Bool?], status: Int, code: String?) async throws {
        let fixture = try await Fixture.withContainer()
        let etag = await fixture.put("a", "x").etag
        let headers = Self.headers(terms, etag: etag, fixture: fixture)
        let reply = await fixture.put("a", "y", headers)
        #expect(reply.status == status)
        #expect(reply.error == code)
        #expect(await fixture.send(.GET, "/box/a").text == (status == 201 ? "y" : "x"))
    }

    @Test func starConditions() async throws {
        let fixture = try await Fixture.withContainer()
        let none = [("If-None-Match", "*")]
        #expect(await fixture.put("a", "x", [("If-Match", "*")]).error == "ConditionNotMet")
        #expect(await fixture.put("a", "x", [("If-Match", "\"0x0000000000000001\"")]).status == 412)
        #expect(await fixture.put("a", "x", none).status == 201)
        let again = await fixture.put("a", "y", none)
        #expect(again.status == 409)
        #expect(again.error == "BlobAlreadyExists")
        let commit = await fixture.send(.PUT, "/box/a?comp=blocklist", none, body: Array("<BlockList/>".utf8))
        #expect(commit.error == "BlobAlreadyExists")
        #expect(await fixture.put("a", "y", [("If-Match", "*")]).status == 201)
        #expect(await fixture.send(.GET, "/box/a", none).error == "UnsatisfiableCondition")
        #expect(await fixture.send(.DELETE, "/box/a", none).status == 412)
        #expect(await fixture.send(.PUT, "/box/a?comp=metadata", none).status == 412)
    }

    @Test func tagConditions() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x", [("x-ms-tags", "k=v")])
        let met = [("x-ms-if-tags", "\"k\" = 'v' OR \"z\" <> 'q'")]
        let unmet = [("x-ms-if-tags", "\"k\" = 'w'")]
        for (method, path) in [
            (HTTPMethod.GET, "/box/a"), (.HEAD, "/box/a"), (.GET, "/box/a?comp=blocklist"), (.GET, "/box/a?comp=tags"),
            (.PUT, "/box/a?comp=metadata"), (.PUT, "/box/a?comp=properties"),
        ] {
            #expect(await fixture.send(method, path, unmet).status == 412, "\(method) \(path)")
            #expect(await fixture.send(method, path, met).status == 200, "\(method) \(path)")
        }
        #expect(await fixture.send(.PUT, "/box/a?comp=tier", unmet + [("x-ms-access-tier", "Cool")]).status == 412)
        #expect(await fixture.put("a", "y", unmet).status == 412)
        #expect(await fixture.send(.DELETE, "/box/a", unmet).status == 412)
        #expect(await fixture.send(.DELETE, "/box/a", met).status == 202)
    }
}
