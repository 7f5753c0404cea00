import AzureWire
import NIOHTTP1
import StorageTestKit
import Testing

@testable import AzureBlob

/// Set Properties, Metadata, Tags and Tier; Delete; what names a version.
@Suite struct BlobAttributeTests {
    @Test func setProperties() async throws {
        let fixture = try await Fixture.withContainer()
        let put = await fixture.put("a", "x", [("x-ms-blob-content-language", "de"), ("x-ms-meta-k", "v")])
        let set = await fixture.send(
            .PUT, "/box/a?comp=properties", [("x-ms-blob-content-type", "text/x"), ("x-ms-blob-cache-control", "none")])
        #expect(set.status == 200)
        #expect(set.etag != put.etag)
        let head = await fixture.send(.HEAD, "/box/a")
        #expect(head["Content-Type"] == "text/x" && head["Cache-Control"] == "none")
        #expect(head["Content-Language"] == nil && head["Content-MD5"] == nil)
        #expect(head["x-ms-meta-k"] == "v")
        #expect(
            await fixture.send(.PUT, "/box/a?comp=properties", [("x-ms-blob-content-length", "512")]).error
                == "InvalidBlobType")
    }

    @Test func setMetadata() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x", [("x-ms-meta-old", "1")])
        let set = await fixture.send(.PUT, "/box/a?comp=metadata", [("x-ms-meta-New", "2")])
        #expect(set.status == 200)
        #expect(set["x-ms-request-server-encrypted"] == "true")
        for method in [HTTPMethod.GET, .HEAD] {
            let get = await fixture.send(method, "/box/a?comp=metadata")
            #expect(get.status == 200)
            #expect(get["x-ms-meta-new"] == "2" && get["x-ms-meta-old"] == nil)
            #expect(get["ETag"] == set.etag)
            #expect(get.body.isEmpty)
        }
        #expect(await fixture.send(.PUT, "/box/none?comp=metadata").error == "BlobNotFound")
    }

    @Test func tags() async throws {
        let fixture = try await Fixture.withContainer()
        let put = await fixture.put("a", "x")
        fixture.world.advance(seconds: 5)
        let body = "<Tags><TagSet><Tag><Key>k</Key><Value>v 1</Value></Tag></TagSet></Tags>"
        let set = await fixture.send(.PUT, "/box/a?comp=tags", body: Array(body.utf8))
        #expect(set.status == 204)
        let get = await fixture.send(.GET, "/box/a?comp=tags")
        #expect(get.status == 200)
        #expect(get.elements("Key") == ["k"] && get.elements("Value") == ["v 1"])
        let head = await fixture.send(.HEAD, "/box/a")
        #expect(head.etag == put.etag && head["Last-Modified"] == put["Last-Modified"])
        #expect(head["x-ms-tag-count"] == "1")
        #expect(await fixture.send(.GET, "/box/a?comp=tags", [("x-ms-if-tags", "\"k\" = 'other'")]).status == 412)
        #expect(await fixture.send(.GET, "/box/a?comp=tags", [("x-ms-if-tags", "\"k\" = 'v 1'")]).status == 200)
        #expect(
            await fixture.send(.GET, "/box/a?comp=tags", [("x-ms-if-tags", "nonsense")]).error == "InvalidHeaderValue")
        let none = await fixture.send(.GET, "/box/a?comp=tags", [("x-ms-blob-if-none-match", put.etag)])
        #expect(none.status == 412)
        let many = (1...11).map { "<Tag><Key>k\($0)</Key><Value>v</Value></Tag>" }.joined()
        #expect(
            await fixture.send(.PUT, "/box/a?comp=tags", body: Array("<Tags><TagSet>\(many)</TagSet></Tags>".utf8))
                .error == "TagsTooLarge")
        #expect(await fixture.send(.PUT, "/box/a?comp=tags", body: Array("<Tags>".utf8)).error == "InvalidXmlDocument")
        #expect(await fixture.send(.GET, "/box/none?comp=tags").error == "BlobNotFound")
    }

    @Test func tiers() async throws {
        let fixture = try await Fixture.withContainer()
        let put = await fixture.put("a", "x")
        #expect(await fixture.send(.PUT, "/box/a?comp=tier").error == "MissingRequiredHeader")
        #expect(
            await fixture.send(.PUT, "/box/a?comp=tier", [("x-ms-access-tier", "P10")]).error == "InvalidHeaderValue")
        #expect(await fixture.send(.PUT, "/box/a?comp=tier", [("x-ms-access-tier", "Cold")]).status == 200)
        let cold = await fixture.send(.HEAD, "/box/a")
        #expect(cold["x-ms-access-tier"] == "Cold" && cold["x-ms-access-tier-change-time"] == fixture.date())
        #expect(cold.etag == put.etag)
        #expect(await fixture.send(.PUT, "/box/a?comp=tier", [("x-ms-access-tier", "Archive")]).status == 200)
        let archived = await fixture.send(.GET, "/box/a")
        #expect(archived.status == 409)
        #expect(archived.error == "BlobArchived")
        #expect(await fixture.send(.HEAD, "/box/a").status == 200)
        let waking = await fixture.send(
            .PUT, "/box/a?comp=tier", [("x-ms-access-tier", "Hot"), ("x-ms-rehydrate-priority", "High")])
        #expect(waking.status == 202)
        let pending = await fixture.send(.HEAD, "/box/a")
        #expect(pending["x-ms-archive-status"] == "rehydrate-pending-to-hot")
        #expect(pending["x-ms-rehydrate-priority"] == "High")
        #expect(
            await fixture.send(.PUT, "/box/a?comp=tier", [("x-ms-access-tier", "Cool")]).error == "BlobBeingRehydrated")
        fixture.world.advance(seconds: 60)
        #expect(await fixture.send(.GET, "/box/a").text == "x")
    }

    @Test func delete() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x")
        #expect(await fixture.send(.DELETE, "/box/a", [("x-ms-delete-snapshots", "only")]).status == 202)
        #expect(await fixture.send(.DELETE, "/box/a?deletetype=permanent").error == "InvalidQueryParameterValue")
        #expect(await fixture.send(.GET, "/box/a").status == 200)
        #expect(
            await fixture.send(.DELETE, "/box/a", [("x-ms-delete-snapshots", "some")]).error == "InvalidHeaderValue")
        let deleted = await fixture.send(.DELETE, "/box/a", [("x-ms-delete-snapshots", "include")])
        #expect(deleted.status == 202)
        #expect(deleted["x-ms-delete-type-permanent"] == "true")
        #expect(await fixture.send(.DELETE, "/box/a").error == "BlobNotFound")
        #expect(await fixture.send(.DELETE, "/nobox/a").error == "ContainerNotFound")
        await fixture.put("a", "x", [("x-ms-access-tier", "Cool")])
        #expect(
            await fixture.send(.DELETE, "/box/a", [("x-ms-access-tier-if-modified-since", fixture.date(5))]).status
                == 412)
        #expect(
            await fixture.send(.DELETE, "/box/a", [("x-ms-access-tier-if-unmodified-since", fixture.date(5))]).status
                == 202)
    }

    @Test func versionsAndSnapshotsDoNotExist() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x")
        for name in ["snapshot", "versionid"] {
            let query = "?\(name)=2024-03-01T12:00:00.1234567Z"
            #expect(await fixture.send(.GET, "/box/a\(query)").error == "BlobNotFound")
            #expect(await fixture.send(.HEAD, "/box/a\(query)").status == 404)
            #expect(await fixture.send(.DELETE, "/box/a\(query)").status == 404)
            #expect(await fixture.send(.GET, "/nobox/a\(query)").error == "ContainerNotFound")
            #expect(await fixture.send(.GET, "/box/a?\(name)=yesterday").error == "InvalidQueryParameterValue")
        }
        #expect(await fixture.send(.GET, "/box/a").status == 200)
    }

    @Test func filesAndDirectoriesAgree() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x")
        let below = await fixture.put("a/b", "x")
        #expect(below.status == 409)
        #expect(below.error == "ResourceTypeMismatch")
    }
}
