import AzureWire
import NIOHTTP1
import Testing

@testable import AzureBlob

@Suite struct ListBlobsTests {
    private static let list = "/box?restype=container&comp=list"

    private func fixture(_ names: [String]) async throws -> Fixture {
        let fixture = try await Fixture.withContainer()
        for name in names { #expect(await fixture.put(PercentCoding.encode(name), "x").status == 201) }
        return fixture
    }

    @Test func pages() async throws {
        let names = (0..<23).map { "n\($0 < 10 ? "0" : "")\($0)" }
        let fixture = try await fixture(names)
        var seen: [String] = []
        var marker = ""
        var pages = 0
        repeat {
            let reply = await fixture.send(.GET, "\(Self.list)&maxresults=5&marker=\(PercentCoding.encode(marker))")
            #expect(reply.status == 200)
            seen += reply.elements("Name")
            marker = try #require(reply.elements("NextMarker").first)
            pages += 1
        } while !marker.isEmpty && pages < 10
        #expect(seen == names)
        #expect(pages == 5)
    }

    @Test func prefixAndDelimiter() async throws {
        let fixture = try await fixture(["a", "dir/x", "dir/sub/y", "dir2/z", "e"])
        let top = await fixture.send(.GET, "\(Self.list)&delimiter=%2F&prefix=")
        #expect(top.elements("Name") == ["a", "dir/", "dir2/", "e"])
        #expect(top.elements("BlobPrefix").count == 2)
        #expect(top.elements("Delimiter") == ["/"])
        #expect(top.elements("Prefix") == [""])
        let inner = await fixture.send(.GET, "\(Self.list)&delimiter=/&prefix=dir%2F")
        #expect(inner.elements("Name") == ["dir/sub/", "dir/x"])
        #expect(
            await fixture.send(.GET, "\(Self.list)&prefix=dir").elements("Name") == ["dir/sub/y", "dir/x", "dir2/z"])
        #expect(await fixture.send(.GET, "\(Self.list)&prefix=nothing").text.contains("<Blobs />"))
        let paged = await fixture.send(.GET, "\(Self.list)&delimiter=/&maxresults=2")
        #expect(paged.elements("Name") == ["a", "dir/"])
        let marker = try #require(paged.elements("NextMarker").first)
        #expect(
            await fixture.send(.GET, "\(Self.list)&delimiter=/&marker=\(marker)").elements("Name") == ["dir2/", "e"])
    }

    @Test func plusInAQueryIsASpace() async throws {
        let fixture = try await fixture(["a b"])
        #expect(await fixture.send(.GET, "\(Self.list)&prefix=a+b").elements("Name") == ["a b"])
        #expect(await fixture.send(.GET, "\(Self.list)&prefix=a%2Bb").elements("Name").isEmpty)
    }

    @Test func properties() async throws {
        let fixture = try await Fixture.withContainer()
        let put = await fixture.put(
            "a", "hello", [("x-ms-meta-k", "v"), ("x-ms-tags", "t=1"), ("Content-Type", "text/x")])
        let plain = await fixture.send(.GET, Self.list)
        #expect(plain["Content-Type"] == "application/xml")
        #expect(plain.elements("Etag") == [put.etag.replacing("\"", with: "")])
        #expect(plain.elements("Content-Length") == ["5"])
        #expect(plain.elements("Content-Type") == ["text/x"])
        #expect(plain.elements("Content-MD5") == [put["Content-MD5"] ?? "-"])
        #expect(plain.elements("Last-Modified") == [fixture.date()])
        #expect(plain.elements("BlobType") == ["BlockBlob"])
        #expect(plain.elements("LeaseState") == ["available"])
        #expect(plain.elements("AccessTier") == ["Hot"])
        #expect(plain.elements("NextMarker") == [""])
        #expect(plain.elements("Metadata").isEmpty && plain.elements("Tags").isEmpty)
        #expect(plain.text.contains("ContainerName=\"box\""))
        let full = await fixture.send(.GET, Self.list + "&include=metadata%2Ctags&include=copy")
        #expect(full.elements("k") == ["v"])
        #expect(full.elements("Key") == ["t"] && full.elements("TagCount") == ["1"])
    }

    @Test func uncommitted() async throws {
        let fixture = try await fixture(["a"])
        await fixture.send(.PUT, "/box/staged?comp=block&blockid=AAAA", body: [1])
        #expect(await fixture.send(.GET, Self.list).elements("Name") == ["a"])
        let all = await fixture.send(.GET, Self.list + "&include=uncommittedblobs")
        #expect(all.elements("Name") == ["a", "staged"])
        #expect(all.elements("Content-Length") == ["1", "0"])
        #expect(all.elements("Etag").count == 1)
    }

    @Test func namesThatXMLCannotHold() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(await fixture.put("a%EF%BF%BEb", "x").status == 201)
        let reply = await fixture.send(.GET, Self.list)
        #expect(reply.text.contains("<Name Encoded=\"true\">a%EF%BF%BEb</Name>"))
    }

    @Test(arguments: [
        "snapshots", "versions", "deleted", "deletedwithversions", "immutabilitypolicy,legalhold", "metadata,versions",
    ])
    func includesWithNothingToAdd(include: String) async throws {
        let fixture = try await fixture(["a"])
        let reply = await fixture.send(.GET, "\(Self.list)&include=\(include)")
        #expect(reply.status == 200)
        #expect(reply.elements("Name") == ["a"])
    }

    @Test func refusedParameters() async throws {
        let fixture = try await fixture(["a"])
        #expect(
            await fixture.send(.GET, "\(Self.list)&include=snapshots&delimiter=/").error == "InvalidQueryParameterValue"
        )
        #expect(await fixture.send(.GET, "/nobox?restype=container&comp=list").error == "ContainerNotFound")
        #expect(await fixture.send(.GET, "\(Self.list)&showonly=files&unknown=x").status == 200)
    }

    @Test(arguments: ["2023-11-03", "2026-02-06"]) func startFrom(version: String) async throws {
        let fixture = try await fixture(["a", "b", "c"])
        let reply = await fixture.send(.GET, "\(Self.list)&startFrom=b", version: version)
        #expect(reply.elements("Name") == ["b", "c"])
        #expect(await fixture.send(.GET, "\(Self.list)&startFrom=").elements("Name") == ["a", "b", "c"])
    }

    // MARK: Find

    @Test func findByTags() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.send(.PUT, "/box2?restype=container")
        await fixture.put("a", "x", [("x-ms-tags", "color=red&size=1")])
        await fixture.put("b", "x", [("x-ms-tags", "color=blue")])
        await fixture.send(.PUT, "/box2/c", [("x-ms-blob-type", "BlockBlob"), ("x-ms-tags", "color=red")], body: [1])
        func find(_ path: String, _ expression: String) async -> Reply {
            await fixture.send(.GET, "\(path)comp=blobs&where=\(PercentCoding.encode(expression))")
        }
        let red = await find("/?", "\"color\" = 'red'")
        #expect(red.status == 200)
        #expect(red.elements("Name") == ["a", "c"])
        #expect(red.elements("ContainerName") == ["box", "box2"])
        #expect(red.elements("Key") == ["color", "color"])
        #expect(red.elements("Where") == ["\"color\" = 'red'"])
        #expect(red.elements("NextMarker") == [""])
        #expect(await find("/?", "@container = 'box' AND color = 'red'").elements("Name") == ["a"])
        #expect(await find("/box2?restype=container&", "color = 'red'").elements("Name") == ["c"])
        #expect(await find("/?", "color >= 'a' AND color < 'c'").elements("Name") == ["b"])
        #expect(await find("/?", "nonsense").error == "InvalidQueryParameterValue")
        #expect(await find("/?", "@container = 'box'").error == "InvalidQueryParameterValue")
        #expect(await fixture.send(.GET, "/?comp=blobs").error == "MissingRequiredQueryParameter")
        #expect(await find("/nobox?restype=container&", "color = 'red'").error == "ContainerNotFound")
    }
}
