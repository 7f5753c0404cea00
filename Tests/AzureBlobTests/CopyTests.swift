import AzureWire
import NIOHTTP1
import Testing

@testable import AzureBlob

/// Copies whose source is this node.
@Suite struct CopyTests {
    private static let source = ("x-ms-copy-source", "http://127.0.0.1:10000/devaccount/box/source")
    private static let sync = ("x-ms-requires-sync", "true")
    private static let type = ("x-ms-blob-type", "BlockBlob")

    private func fixture() async throws -> Fixture {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.put(
            "source", "content",
            [
                ("Content-Type", "text/x"), ("x-ms-meta-k", "v"), ("x-ms-tags", "t=1"),
                ("x-ms-blob-content-language", "de"),
            ])
        #expect(reply.status == 201)
        return fixture
    }

    @Test func copyBlob() async throws {
        let fixture = try await fixture()
        let reply = await fixture.send(.PUT, "/box/copy", [Self.source])
        #expect(reply.status == 202)
        #expect(reply["x-ms-copy-status"] == "success")
        #expect(reply["x-ms-copy-id"]?.utf8.count == 36)
        #expect(reply["ETag"] != nil && reply["Last-Modified"] != nil)
        let get = await fixture.send(.GET, "/box/copy")
        #expect(get.text == "content")
        #expect(get["Content-Type"] == "text/x" && get["Content-Language"] == "de" && get["x-ms-meta-k"] == "v")
        #expect(get["x-ms-copy-id"] == reply["x-ms-copy-id"])
        #expect(get["x-ms-copy-source"] == Self.source.1)
        #expect(get["x-ms-copy-status"] == "success" && get["x-ms-copy-progress"] == "7/7")
        #expect(get["x-ms-copy-completion-time"] == fixture.date())
        #expect(get["x-ms-tag-count"] == nil)
        #expect(
            await fixture.send(.GET, "/box?restype=container&comp=list&include=copy").elements("CopyStatus") == [
                "success"
            ])
        await fixture.send(.PUT, "/box/copy?comp=metadata")
        #expect(await fixture.send(.HEAD, "/box/copy")["x-ms-copy-id"] == nil)
    }

    @Test func givenMetadataReplaces() async throws {
        let fixture = try await fixture()
        await fixture.send(
            .PUT, "/box/copy",
            [Self.source, ("x-ms-meta-new", "1"), ("x-ms-tags", "a=b"), ("x-ms-access-tier", "Cool")])
        let head = await fixture.send(.HEAD, "/box/copy")
        #expect(head["x-ms-meta-new"] == "1" && head["x-ms-meta-k"] == nil)
        #expect(head["x-ms-tag-count"] == "1" && head["x-ms-access-tier"] == "Cool")
    }

    @Test(arguments: [
        "http://127.0.0.1:10000/devaccount/box/source", "https://devaccount.blob.test/box/source",
        "https://devaccount.blob.test:8443/box/source?timeout=30", "http://node.test/devaccount/box%2Fsource",
    ])
    func sourcesOfThisNode(url: String) async throws {
        let fixture = try await fixture()
        #expect(await fixture.send(.PUT, "/box/copy", [("x-ms-copy-source", url)]).status == 202)
        let shown = await fixture.send(.HEAD, "/box/copy")["x-ms-copy-source"]
        #expect(shown?.contains("timeout") == false)
    }

    @Test(arguments: [
        ("http://elsewhere.test/devaccount/box/source", 501, "NotImplemented"),
        ("https://other.blob.test/box/source", 501, "NotImplemented"),
        ("http://127.0.0.1:10000/devaccount/box/none", 404, "CannotVerifyCopySource"),
        ("http://127.0.0.1:10000/devaccount/none/source", 404, "CannotVerifyCopySource"),
        (
            "http://127.0.0.1:10000/devaccount/box/source?snapshot=2024-03-01T12:00:00.1234567Z", 404,
            "CannotVerifyCopySource"
        ),
        ("http://127.0.0.1:10000/openaccount/box/source", 403, "CannotVerifyCopySource"),
        ("/devaccount/box/source", 400, "InvalidHeaderValue"), ("nonsense", 400, "InvalidHeaderValue"),
        ("http://127.0.0.1:10000/devaccount", 400, "InvalidHeaderValue"),
    ])
    func refusedSources(url: String, status: Int, code: String) async throws {
        let fixture = try await fixture()
        for headers in [
            [("x-ms-copy-source", url)], [("x-ms-copy-source", url), Self.type],
            [("x-ms-copy-source", url), Self.sync],
        ] {
            let reply = await fixture.send(.PUT, "/box/copy", headers)
            #expect(reply.status == status)
            #expect(reply.error == code)
            if code == "CannotVerifyCopySource" { #expect(reply["x-ms-copy-source-status-code"] == "\(status)") }
        }
        #expect(
            await fixture.send(.PUT, "/box/copy?comp=block&blockid=AAAA", [("x-ms-copy-source", url)]).status == status)
        #expect(await fixture.send(.HEAD, "/box/copy").status == 404)
    }

    @Test func publicSourceOfAnotherAccount() async throws {
        let fixture = try await fixture()
        let url = ("x-ms-copy-source", "http://127.0.0.1:10000/openaccount/pub/a")
        await fixture.send(.PUT, "/pub?restype=container", [("x-ms-blob-public-access", "blob")], via: .open)
        await fixture.send(.PUT, "/pub/a", [Self.type], body: [7], via: .open)
        #expect(await fixture.send(.PUT, "/box/copy", [url]).status == 202)
        #expect(await fixture.send(.GET, "/box/copy").body == [7])
    }

    @Test func copyFromURL() async throws {
        let fixture = try await fixture()
        let md5 = try #require(await fixture.send(.HEAD, "/box/source")["Content-MD5"])
        let reply = await fixture.send(.PUT, "/box/copy", [Self.source, Self.sync, ("x-ms-source-content-md5", md5)])
        #expect(reply.status == 202)
        #expect(reply["x-ms-copy-status"] == "success")
        #expect(reply["Content-MD5"] == md5)
        let wrong = ("x-ms-source-content-md5", "XXXXXXXXXXXXXXXXXXXXXQ==")
        #expect(await fixture.send(.PUT, "/box/other", [Self.source, Self.sync, wrong]).error == "Md5Mismatch")
        let tags = ("x-ms-copy-source-tag-option", "COPY")
        #expect(await fixture.send(.PUT, "/box/copy", [Self.source, Self.sync, tags]).status == 202)
        #expect(await fixture.send(.HEAD, "/box/copy")["x-ms-tag-count"] == "1")
        #expect(
            await fixture.send(.PUT, "/box/copy", [Self.source, Self.sync, tags, ("x-ms-tags", "a=b")]).error
                == "BothUserTagsAndSourceTagsCopyPresentException")
    }

    @Test func putBlobFromURL() async throws {
        let fixture = try await fixture()
        let reply = await fixture.send(.PUT, "/box/copy", [Self.source, Self.type, ("x-ms-meta-a", "1")])
        #expect(reply.status == 201)
        #expect(reply["Content-MD5"] != nil && reply["x-ms-copy-id"] == nil)
        let plain = await fixture.send(.GET, "/box/copy")
        #expect(plain.text == "content")
        #expect(plain["Content-Type"] == "text/x" && plain["x-ms-meta-a"] == "1" && plain["x-ms-meta-k"] == nil)
        #expect(plain["x-ms-copy-id"] == nil)
        let given = ("x-ms-blob-content-type", "text/given")
        #expect(await fixture.send(.PUT, "/box/copy", [Self.source, Self.type, given]).status == 201)
        let merged = await fixture.send(.HEAD, "/box/copy")
        #expect(merged["Content-Type"] == "text/given" && merged["Content-Language"] == "de")
        let without = ("x-ms-copy-source-blob-properties", "false")
        #expect(await fixture.send(.PUT, "/box/copy", [Self.source, Self.type, without]).status == 201)
        let bare = await fixture.send(.HEAD, "/box/copy")
        #expect(bare["Content-Type"] == "application/octet-stream" && bare["Content-Language"] == nil)
        #expect(await fixture.send(.PUT, "/box/copy", [Self.source, Self.type], body: [1]).status == 400)
    }

    @Test func putBlockFromURL() async throws {
        let fixture = try await fixture()
        let first = await fixture.send(
            .PUT, "/box/new?comp=block&blockid=AAAA", [Self.source, ("x-ms-source-range", "bytes=0-2")])
        #expect(first.status == 201)
        #expect(first["x-ms-content-crc64"] != nil)
        #expect(await fixture.send(.PUT, "/box/new?comp=block&blockid=AAAB", [Self.source]).status == 201)
        let beyond = await fixture.send(
            .PUT, "/box/new?comp=block&blockid=AAAC", [Self.source, ("x-ms-source-range", "bytes=5-99")])
        #expect(beyond.status == 416)
        #expect(
            await fixture.send(.PUT, "/box/new?comp=block&blockid=AAAC", [Self.source, ("x-ms-source-range", "x")])
                .error == "InvalidHeaderValue")
        let wrong = ("x-ms-source-content-crc64", "AAAAAAAAAAA=")
        #expect(
            await fixture.send(.PUT, "/box/new?comp=block&blockid=AAAC", [Self.source, wrong]).error == "Crc64Mismatch")
        let list = "<BlockList><Latest>AAAA</Latest><Latest>AAAB</Latest></BlockList>"
        #expect(await fixture.send(.PUT, "/box/new?comp=blocklist", body: Array(list.utf8)).status == 201)
        #expect(await fixture.send(.GET, "/box/new").text == "concontent")
    }

    @Test func conditions() async throws {
        let fixture = try await fixture()
        let etag = await fixture.send(.HEAD, "/box/source").etag
        let unmet = ("x-ms-source-if-none-match", etag)
        #expect(await fixture.send(.PUT, "/box/copy", [Self.source, ("x-ms-source-if-match", etag)]).status == 202)
        let copy = await fixture.send(.PUT, "/box/copy", [Self.source, unmet])
        #expect(copy.status == 412 && copy.error == "SourceConditionNotMet")
        let tags = await fixture.send(.PUT, "/box/copy", [Self.source, ("x-ms-source-if-tags", "\"t\" = '2'")])
        #expect(tags.status == 412 && tags.error == "ConditionNotMet")
        let put = await fixture.send(.PUT, "/box/copy", [Self.source, Self.type, unmet])
        #expect(put.status == 412 && put.error == "CannotVerifyCopySource")
        let withHeaders = await fixture.send(
            .PUT, "/box/copy", [Self.source, Self.type, unmet, ("x-ms-blob-content-type", "x/y")])
        #expect(withHeaders.error == "CannotVerifyCopySource")
        let target = await fixture.send(.PUT, "/box/copy", [Self.source, ("If-Match", etag)])
        #expect(target.status == 412 && target.error == "TargetConditionNotMet")
        #expect(
            await fixture.send(.PUT, "/box/copy", [Self.source, ("If-None-Match", "*")]).error == "BlobAlreadyExists")
    }

    @Test func abort() async throws {
        let fixture = try await fixture()
        let id = try #require(await fixture.send(.PUT, "/box/copy", [Self.source])["x-ms-copy-id"])
        let path = "/box/copy?comp=copy&copyid=\(id)"
        let reply = await fixture.send(.PUT, path, [("x-ms-copy-action", "abort")])
        #expect(reply.status == 409)
        #expect(reply.error == "NoPendingCopyOperation")
        #expect(await fixture.send(.PUT, path).error == "MissingRequiredHeader")
        #expect(
            await fixture.send(.PUT, "/box/none?comp=copy&copyid=\(id)", [("x-ms-copy-action", "abort")]).error
                == "BlobNotFound")
    }
}
