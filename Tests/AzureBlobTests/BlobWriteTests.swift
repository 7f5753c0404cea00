import AzureWire
import HTTPExchange
import NIOCore
import NIOHTTP1
import StorageModel
import Testing

@testable import AzureBlob

@Suite struct BlobWriteTests {
    private static let type = [("x-ms-blob-type", "BlockBlob")]
    private static let hello = Array("hello world".utf8)
    private static let helloMD5 = "XrY7u+Ae7tCTyyK7j1rNww=="
    private static let helloCRC = "vo7q9sPVKY0="

    private static func id(_ text: String) -> String { PercentCoding.encode(Base64.encode(Array(text.utf8))) }
    private static func list(_ entries: (String, String)...) -> [UInt8] {
        let inner = entries.map { "<\($0.0)>\(Base64.encode(Array($0.1.utf8)))</\($0.0)>" }.joined()
        return Array("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>\(inner)</BlockList>".utf8)
    }

    @Test func putBlobAnswersAndStores() async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(
            .PUT, "/box/dir/a%20b.txt",
            Self.type + [
                ("Content-Type", "text/plain"), ("x-ms-blob-content-language", "de"), ("Content-Encoding", "gzip"),
                ("x-ms-blob-content-disposition", "inline"), ("x-ms-blob-cache-control", "no-store"),
                ("Cache-Control", "max-age=1"), ("x-ms-meta-Key", "v"), ("x-ms-tags", "a=1&b=x%20y"),
                ("x-ms-access-tier", "Cool"),
            ], body: Self.hello)
        #expect(reply.status == 201)
        #expect(reply["Content-MD5"] == Self.helloMD5)
        #expect(reply["x-ms-content-crc64"] == Self.helloCRC)
        #expect(reply["x-ms-request-server-encrypted"] == "true")
        #expect(reply["Last-Modified"] == fixture.date())
        let head = await fixture.send(.HEAD, "/box/dir%2Fa%20b.txt")
        #expect(head.status == 200)
        #expect(head.headLength == 11)
        let expected = [
            "ETag": reply.etag, "Content-Type": "text/plain", "Content-Language": "de", "Content-Encoding": "gzip",
            "Content-Disposition": "inline", "Cache-Control": "no-store", "Content-MD5": Self.helloMD5,
            "x-ms-meta-key": "v", "x-ms-tag-count": "2", "x-ms-access-tier": "Cool", "x-ms-blob-type": "BlockBlob",
            "x-ms-lease-state": "available", "x-ms-lease-status": "unlocked", "x-ms-server-encrypted": "true",
            "Accept-Ranges": "bytes", "x-ms-creation-time": fixture.date(), "Last-Modified": fixture.date(),
        ]
        for (name, value) in expected { #expect(head[name] == value, "\(name)") }
        #expect(head["x-ms-access-tier-inferred"] == nil)
        #expect(head["x-ms-lease-duration"] == nil)
        let get = await fixture.send(.GET, "/box/dir/a%20b.txt")
        #expect(get.body == Self.hello)
    }

    @Test func defaults() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x")
        let head = await fixture.send(.HEAD, "/box/a")
        #expect(head["Content-Type"] == "application/octet-stream")
        #expect(head["x-ms-access-tier"] == "Hot")
        #expect(head["x-ms-access-tier-inferred"] == "true")
        #expect(head["x-ms-tag-count"] == nil)
    }

    @Test(
        arguments: [
            ([("x-ms-blob-type", "PageBlob")], 400, "InvalidHeaderValue"),
            ([], 400, "MissingRequiredHeader"),
            ([("x-ms-blob-type", "BlockBlob"), ("Content-MD5", "XXXXXXXXXXXXXXXXXXXXXQ==")], 400, "Md5Mismatch"),
            ([("x-ms-blob-type", "BlockBlob"), ("Content-MD5", "short")], 400, "InvalidMd5"),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-content-crc64", "AAAAAAAAAAA=")], 400, "Crc64Mismatch"),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-content-crc64", "AAAA")], 400, "InvalidHeaderValue"),
            (
                [("x-ms-blob-type", "BlockBlob"), ("x-ms-blob-content-md5", "XXXXXXXXXXXXXXXXXXXXXQ==")], 400,
                "Md5Mismatch"
            ),
            (
                [
                    ("x-ms-blob-type", "BlockBlob"), ("x-ms-content-crc64", "vo7q9sPVKY0="),
                    ("Content-MD5", "XrY7u+Ae7tCTyyK7j1rNww=="),
                ], 400, "BothCrc64AndMd5HeaderPresent"
            ),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-access-tier", "Lukewarm")], 400, "InvalidHeaderValue"),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-tags", "a")], 400, "InvalidHeaderValue"),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-tags", "a=b%3F")], 400, "InvalidTag"),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-meta-1", "x")], 400, "InvalidMetadata"),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-encryption-key", "x")], 409, "FeatureNotSupportedForAccount"),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-encryption-scope", "x")], 409, "FeatureNotSupportedForAccount"),
            (
                [("x-ms-blob-type", "BlockBlob"), ("x-ms-immutability-policy-mode", "locked")], 409,
                "FeatureNotSupportedForAccount"
            ),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-legal-hold", "true")], 409, "FeatureNotSupportedForAccount"),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-structured-body", "XSM/2.0")], 400, "UnsupportedHeader"),
            (
                [("x-ms-blob-type", "BlockBlob"), ("x-ms-structured-body", "XSM/1.0; properties=crc64")], 400,
                "MissingRequiredHeader"
            ),
            ([("x-ms-blob-type", "BlockBlob"), ("x-ms-lease-id", "x")], 400, "InvalidHeaderValue"),
            ([("x-ms-blob-type", "BlockBlob"), ("If-Match", "\"a\", \"b\"")], 400, "InvalidHeaderValue"),
            (
                [("x-ms-blob-type", "BlockBlob"), ("If-Match", "\"0x1\""), ("If-None-Match", "*")], 400,
                "MultipleConditionHeadersNotSupported"
            ),
            ([("x-ms-blob-type", "BlockBlob"), ("If-Modified-Since", "soon")], 400, "InvalidHeaderValue"),
        ] as [([(String, String)], Int, String)])
    func refusedPutsLeaveNothing(headers: [(String, String)], status: Int, code: String) async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.PUT, "/box/a", headers, body: Self.hello)
        #expect(reply.status == status)
        #expect(reply.error == code)
        #expect(await fixture.send(.GET, "/box/a").error == "BlobNotFound")
    }

    @Test func checksumsThatAgree() async throws {
        let fixture = try await Fixture.withContainer()
        let md5 = await fixture.send(.PUT, "/box/a", Self.type + [("Content-MD5", Self.helloMD5)], body: Self.hello)
        #expect(md5.status == 201)
        let crc = await fixture.send(
            .PUT, "/box/a", Self.type + [("x-ms-content-crc64", Self.helloCRC)], body: Self.hello)
        #expect(crc.status == 201)
        #expect(crc["x-ms-content-crc64"] == Self.helloCRC)
        #expect(crc["Content-MD5"] == Self.helloMD5)
        // The blob's own MD5 counts before the body's.
        let both = Self.type + [("x-ms-blob-content-md5", Self.helloMD5), ("Content-MD5", "XXXXXXXXXXXXXXXXXXXXXQ==")]
        #expect(await fixture.send(.PUT, "/box/a", both, body: Self.hello).status == 201)
        let wrong = await fixture.send(
            .PUT, "/box/a", Self.type + [("Content-MD5", "XXXXXXXXXXXXXXXXXXXXXQ==")], body: Self.hello)
        #expect(wrong.elements("ServerCalculatedMd5") == [Self.helloMD5])
    }

    @Test func lengths() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(await fixture.send(.PUT, "/box/a", Self.type, body: Self.hello, chunked: true).status == 201)
        #expect(await fixture.send(.GET, "/box/a").body == Self.hello)
        #expect(await fixture.send(.PUT, "/box/empty", Self.type, body: []).status == 201)
        let empty = await fixture.send(.GET, "/box/empty")
        #expect(empty.status == 200 && empty.body.isEmpty)
        var unframed = fixture.request(.PUT, "/box/b", Self.type, body: [])
        unframed.body = TestBody([], declaredLength: 0, isFramed: false)
        #expect(await Reply(fixture.service.respond(to: unframed)).error == "MissingContentLengthHeader")
    }

    @Test(arguments: [
        ("2023-11-03", 5000, "/box/a"), ("2019-07-07", 256, "/box/a"), ("2015-12-11", 64, "/box/a"),
        ("2023-11-03", 4000, "/box/a?comp=block&blockid=AAAA"), ("2019-07-07", 100, "/box/a?comp=block&blockid=AAAA"),
        ("2015-12-11", 4, "/box/a?comp=block&blockid=AAAA"),
    ])
    func limitsByVersion(version: String, mebibytes: Int64, path: String) async throws {
        let fixture = try await Fixture.withContainer()
        let limit = mebibytes << 20
        let request = fixture.request(.PUT, path, Self.type, body: [], version: version, declaring: limit + 1)
        let reply = await Reply(fixture.service.respond(to: request))
        #expect(reply.status == 413)
        #expect(reply.error == "RequestBodyTooLarge")
        #expect(reply.elements("MaxLimit") == ["\(limit)"])
        let body = try #require(request.body as? TestBody)
        #expect(!body.wasPulled)
    }

    @Test func chunkedBodiesAreBoundedWhileTheyStream() async throws {
        let fixture = try await Fixture.withContainer()
        let bytes = [UInt8](repeating: 7, count: 4 << 20 + 1)
        let reply = await fixture.send(
            .PUT, "/box/a?comp=block&blockid=AAAA", body: bytes, version: "2015-12-11", chunked: true)
        #expect(reply.status == 413)
        #expect(reply.elements("MaxLimit") == ["\(4 << 20)"])
    }

    // MARK: Blocks

    @Test func blocksBecomeABlob() async throws {
        let fixture = try await Fixture.withContainer()
        let first = await fixture.send(
            .PUT, "/box/a?comp=block&blockid=\(Self.id("1"))", [("Content-MD5", Self.helloMD5)], body: Self.hello)
        #expect(first.status == 201)
        #expect(first["Content-MD5"] == Self.helloMD5)
        #expect(first["x-ms-content-crc64"] == Self.helloCRC)
        #expect(first["ETag"] == nil && first["Last-Modified"] == nil)
        let second = await fixture.send(.PUT, "/box/a?comp=block&blockid=\(Self.id("2"))", body: Array("!".utf8))
        #expect(second.status == 201)
        #expect(second["x-ms-content-crc64"] != nil && second["Content-MD5"] == nil)
        #expect(await fixture.send(.GET, "/box/a").error == "BlobNotFound")

        let uncommitted = await fixture.send(.GET, "/box/a?comp=blocklist&blocklisttype=all")
        #expect(uncommitted.status == 200)
        #expect(uncommitted["ETag"] == nil)
        #expect(uncommitted["x-ms-blob-content-length"] == "0")
        #expect(uncommitted.elements("Size") == ["11", "1"])
        #expect(uncommitted.text.contains("<CommittedBlocks />"))

        let body = Self.list(("Latest", "1"), ("Uncommitted", "2"), ("Latest", "1"))
        let commit = await fixture.send(
            .PUT, "/box/a?comp=blocklist",
            [
                ("x-ms-blob-content-type", "text/x"), ("Content-Type", "application/xml"), ("x-ms-meta-a", "1"),
                ("x-ms-blob-content-md5", Self.helloMD5),
            ],
            body: body)
        #expect(commit.status == 201)
        #expect(commit["ETag"] != nil)
        #expect(commit["x-ms-content-crc64"] == ChecksumHeaders.crc64Text(BodyChecksums.crc64(ByteBuffer(bytes: body))))
        let get = await fixture.send(.GET, "/box/a")
        #expect(get.text == "hello world!hello world")
        #expect(get["Content-Type"] == "text/x")
        #expect(get["Content-MD5"] == Self.helloMD5)
        #expect(get["x-ms-meta-a"] == "1")

        let committed = await fixture.send(.GET, "/box/a?comp=blocklist")
        #expect(committed.elements("Size") == ["11", "1", "11"])
        #expect(committed["ETag"] == commit.etag)
        #expect(committed["x-ms-blob-content-length"] == "23")
        #expect(!committed.text.contains("UncommittedBlocks"))
        #expect(
            await fixture.send(.GET, "/box/a?comp=blocklist&blocklisttype=uncommitted").text.contains(
                "<UncommittedBlocks />"))
    }

    @Test func retriedCommit() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.send(.PUT, "/box/a?comp=block&blockid=\(Self.id("1"))", body: Self.hello)
        for _ in 0..<2 {
            #expect(await fixture.send(.PUT, "/box/a?comp=blocklist", body: Self.list(("Latest", "1"))).status == 201)
        }
    }

    @Test(arguments: [
        ("", "MissingRequiredQueryParameter"), ("&blockid=", "InvalidQueryParameterValue"),
        ("&blockid=a", "InvalidQueryParameterValue"),
        ("&blockid=\(String(repeating: "A", count: 92))", "InvalidQueryParameterValue"),
    ])
    func badBlockIDs(query: String, code: String) async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.PUT, "/box/a?comp=block\(query)", body: Self.hello)
        #expect(reply.status == 400)
        #expect(reply.error == code)
    }

    @Test func blockRules() async throws {
        let fixture = try await Fixture.withContainer()
        let path = "/box/a?comp=block&blockid=\(Self.id("1"))"
        for chunked in [false, true] {
            let reply = await fixture.send(.PUT, path, body: [], chunked: chunked)
            #expect(reply.error == "InvalidHeaderValue")
            #expect(reply.elements("HeaderName") == ["Content-Length"])
        }
        #expect(await fixture.send(.PUT, path, body: Self.hello, chunked: true).status == 201)
        #expect(
            await fixture.send(.PUT, "/box/a?comp=block&blockid=\(Self.id("longer"))", body: Self.hello).error
                == "InvalidBlobOrBlock")
        #expect(
            await fixture.send(.PUT, "/nobox/a?comp=block&blockid=AAAA", body: Self.hello).error == "ContainerNotFound")
        // Ignored even when malformed.
        #expect(await fixture.send(.PUT, path, [("x-ms-blob-content-md5", "?")], body: Self.hello).status == 201)
        // A block ID of 64 bytes with every letter that Base64 has.
        let long = PercentCoding.encode(Base64.encode((0..<64).map { UInt8(251 &- $0) }))
        #expect(await fixture.send(.PUT, "/box/b?comp=block&blockid=\(long)", body: Self.hello).status == 201)
    }

    @Test(arguments: [
        ("<BlockList><Latest>QUFBQQ==</Latest></BlockList>", "InvalidBlockList"),
        ("<BlockList><Latest>?</Latest></BlockList>", "InvalidBlockList"),
        ("<BlockList><Other>AAAA</Other></BlockList>", "InvalidXmlDocument"),
        ("<BlockList>", "InvalidXmlDocument"), ("", "InvalidXmlDocument"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><BlockList>&b;</BlockList>", "InvalidXmlDocument"),
    ])
    func badBlockLists(text: String, code: String) async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.PUT, "/box/a?comp=blocklist", body: Array(text.utf8))
        #expect(reply.status == 400)
        #expect(reply.error == code)
        if code == "InvalidBlockList" { #expect(reply.text.contains("specified block list is invalid")) }
    }

    @Test func longBlockLists() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.send(.PUT, "/box/a?comp=block&blockid=AAAA", body: [1])
        func list(_ count: Int) -> [UInt8] {
            Array("<BlockList>\(String(repeating: "<Latest>AAAA</Latest>", count: count))</BlockList>".utf8)
        }
        let long = await fixture.send(.PUT, "/box/a?comp=blocklist", body: list(50_001))
        #expect(long.status == 400)
        #expect(long.error == "BlockListTooLong")
        #expect(await fixture.send(.PUT, "/box/a?comp=blocklist", body: list(50_000)).status == 201)
        #expect(await fixture.send(.HEAD, "/box/a").headLength == 50_000)
    }

    @Test func blockListBodyChecksums() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.send(.PUT, "/box/a?comp=block&blockid=\(Self.id("1"))", body: Self.hello)
        let body = Self.list(("Latest", "1"))
        let wrong = await fixture.send(.PUT, "/box/a?comp=blocklist", [("Content-MD5", Self.helloMD5)], body: body)
        #expect(wrong.error == "Md5Mismatch")
        let md5 = Base64.encode(BodyChecksums.md5(ByteBuffer(bytes: body)))
        let right = await fixture.send(.PUT, "/box/a?comp=blocklist", [("Content-MD5", md5)], body: body)
        #expect(right.status == 201)
        #expect(right["Content-MD5"] == md5)
        let crc = await fixture.send(
            .PUT, "/box/a?comp=blocklist", [("x-ms-content-crc64", "AAAAAAAAAAA=")], body: body)
        #expect(crc.error == "Crc64Mismatch")
    }

    @Test func emptyCommit() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(await fixture.send(.PUT, "/box/a?comp=blocklist", body: Array("<BlockList />".utf8)).status == 201)
        #expect(await fixture.send(.HEAD, "/box/a").headLength == 0)
    }

    @Test func blockListOfWhatIsNotThere() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(await fixture.send(.GET, "/box/a?comp=blocklist").error == "BlobNotFound")
        #expect(
            await fixture.send(.GET, "/box/a?comp=blocklist&blocklisttype=some").error == "InvalidQueryParameterValue")
        await fixture.put("a", "x")
        let list = await fixture.send(.GET, "/box/a?comp=blocklist&blocklisttype=all")
        #expect(list.text.contains("<CommittedBlocks /><UncommittedBlocks />"))
        #expect(list["x-ms-blob-content-length"] == "1")
    }
}
