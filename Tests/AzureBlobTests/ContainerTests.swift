import AzureWire
import NIOHTTP1
import StorageTestKit
import Testing

@testable import AzureBlob

@Suite struct ContainerTests {
    private static let box = "/box?restype=container"

    @Test func createReadDelete() async throws {
        let fixture = try await Fixture()
        let created = await fixture.send(.PUT, Self.box, [("x-ms-meta-Color", "blue")])
        #expect(created.status == 201)
        #expect(created.etag.hasPrefix("\"0x") && created.etag.hasSuffix("\""))
        #expect(created["Last-Modified"] == fixture.date())
        #expect(await fixture.send(.PUT, Self.box).error == "ContainerAlreadyExists")
        for method in [HTTPMethod.GET, .HEAD] {
            let reply = await fixture.send(method, Self.box)
            #expect(reply.status == 200)
            #expect(reply["ETag"] == created.etag)
            #expect(reply["x-ms-meta-color"] == "blue")
            #expect(reply["x-ms-lease-state"] == "available")
            #expect(reply["x-ms-lease-status"] == "unlocked")
            #expect(reply["x-ms-has-immutability-policy"] == "false")
            #expect(reply["x-ms-has-legal-hold"] == "false")
            #expect(reply["x-ms-default-encryption-scope"] == "$account-encryption-key")
            #expect(reply["x-ms-deny-encryption-scope-override"] == "false")
            #expect(reply["x-ms-blob-public-access"] == nil)
            #expect(reply.body.isEmpty)
        }
        #expect(await fixture.send(.DELETE, Self.box).status == 202)
        #expect(await fixture.send(.GET, Self.box).error == "ContainerNotFound")
        #expect(await fixture.send(.DELETE, Self.box).error == "ContainerNotFound")
        #expect(await fixture.send(.PUT, Self.box).status == 201)
    }

    @Test(arguments: [
        ("/Upper", "InvalidResourceName"), ("/a-", "OutOfRangeInput"), ("/ab", "OutOfRangeInput"),
        ("/a--b", "InvalidResourceName"), ("/$logs", "InvalidResourceName"), ("/a_b", "InvalidResourceName"),
    ])
    func badNames(path: String, code: String) async throws {
        let fixture = try await Fixture()
        let reply = await fixture.send(.PUT, "\(path)?restype=container")
        #expect(reply.status == 400)
        #expect(reply.error == code)
    }

    @Test func metadata() async throws {
        let fixture = try await Fixture.withContainer()
        let path = Self.box + "&comp=metadata"
        let set = await fixture.send(.PUT, path, [("x-ms-meta-a", "1"), ("x-ms-meta-b", "2")])
        #expect(set.status == 200)
        let get = await fixture.send(.GET, path)
        #expect(get["x-ms-meta-a"] == "1" && get["x-ms-meta-b"] == "2")
        #expect(get["ETag"] == set.etag)
        #expect(await fixture.send(.PUT, path).status == 200)
        #expect(await fixture.send(.HEAD, path)["x-ms-meta-a"] == nil)
        #expect(await fixture.send(.PUT, path, [("If-Modified-Since", fixture.date(10))]).error == "ConditionNotMet")
        #expect(await fixture.send(.PUT, path, [("x-ms-meta-", "x")]).error == "EmptyMetadataKey")
        #expect(
            await fixture.send(.PUT, path, [("x-ms-meta-a", String(repeating: "x", count: 8200))]).error
                == "MetadataTooLarge")
    }

    @Test func accessPolicies() async throws {
        let fixture = try await Fixture.withContainer()
        let path = Self.box + "&comp=acl"
        let empty = await fixture.send(.GET, path)
        #expect(empty.status == 200)
        #expect(empty.text.contains("<SignedIdentifiers />"))
        let body = """
            <SignedIdentifiers><SignedIdentifier><Id>one</Id><AccessPolicy><Start>2024-01-01</Start>\
            <Expiry>2024-02-01T00:00Z</Expiry><Permission>lr</Permission></AccessPolicy></SignedIdentifier>\
            <SignedIdentifier><Id>two</Id><AccessPolicy/></SignedIdentifier></SignedIdentifiers>
            """
        let set = await fixture.send(.PUT, path, body: Array(body.utf8))
        #expect(set.status == 200)
        #expect(set["ETag"] != nil && set["Last-Modified"] != nil)
        let get = await fixture.send(.GET, path)
        #expect(get.elements("Id") == ["one", "two"])
        #expect(get.elements("Start") == ["2024-01-01T00:00:00.0000000Z"])
        #expect(get.elements("Permission") == ["rl"])
        #expect(get.elements("AccessPolicy").count == 1)
        let head = await fixture.send(.HEAD, path)
        #expect(head.status == 200)
        #expect(head.headLength == Int64(get.body.count))
        #expect(await fixture.send(.PUT, path, body: []).status == 200)
        #expect(await fixture.send(.GET, path).elements("Id").isEmpty)
        let six = (1...6).map { "<SignedIdentifier><Id>\($0)</Id></SignedIdentifier>" }.joined()
        #expect(
            await fixture.send(.PUT, path, body: Array("<SignedIdentifiers>\(six)</SignedIdentifiers>".utf8)).error
                == "InvalidXmlDocument")
    }

    @Test func publicAccessIsTheAccountsToAllow() async throws {
        let fixture = try await Fixture.withContainer()
        let level = [("x-ms-blob-public-access", "blob")]
        #expect(await fixture.send(.PUT, Self.box + "&comp=acl", level, body: []).error == "PublicAccessNotPermitted")
        #expect(await fixture.send(.PUT, "/pub?restype=container", level).status == 409)
        #expect(await fixture.send(.PUT, Self.box, level, via: .open).status == 201)
        #expect(await fixture.send(.GET, Self.box, via: .open)["x-ms-blob-public-access"] == "blob")
        #expect(await fixture.send(.PUT, Self.box + "&comp=acl", body: [], via: .open).status == 200)
        #expect(await fixture.send(.GET, Self.box + "&comp=acl", via: .open)["x-ms-blob-public-access"] == nil)
        #expect(
            await fixture.send(.PUT, "/pub?restype=container", [("x-ms-blob-public-access", "all")], via: .open).error
                == "InvalidHeaderValue")
    }

    @Test func leases() async throws {
        let fixture = try await Fixture.withContainer()
        let path = Self.box + "&comp=lease"
        let id = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
        let acquired = await fixture.send(
            .PUT, path,
            [
                ("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "15"),
                ("x-ms-proposed-lease-id", "{\(id.uppercased())}"),
            ])
        #expect(acquired.status == 201)
        #expect(acquired["x-ms-lease-id"] == id)
        #expect(acquired["ETag"] != nil)
        let properties = await fixture.send(.GET, Self.box)
        #expect(properties["x-ms-lease-state"] == "leased")
        #expect(properties["x-ms-lease-duration"] == "fixed")
        let refused = await fixture.send(.DELETE, Self.box)
        #expect(refused.status == 412)
        #expect(refused.error == "LeaseIdMissing")
        let other = "11111111-bbbb-cccc-dddd-eeeeeeeeeeee"
        #expect(
            await fixture.send(.DELETE, Self.box, [("x-ms-lease-id", other)]).error
                == "LeaseIdMismatchWithContainerOperation")
        // The container's lease protects the container, not its blobs.
        #expect(await fixture.put("a", "x").status == 201)
        let broken = await fixture.send(.PUT, path, [("x-ms-lease-action", "break"), ("x-ms-lease-break-period", "5")])
        #expect(broken.status == 202)
        #expect(broken["x-ms-lease-time"] == "5")
        fixture.world.advance(seconds: 6)
        #expect(await fixture.send(.GET, Self.box)["x-ms-lease-state"] == "broken")
        #expect(
            await fixture.send(.DELETE, Self.box, [("x-ms-lease-id", id)]).error
                == "LeaseNotPresentWithContainerOperation")
        #expect(await fixture.send(.DELETE, Self.box).status == 202)
    }

    @Test func deleteHonoursDates() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(
            await fixture.send(.DELETE, Self.box, [("If-Modified-Since", fixture.date(5))]).error == "ConditionNotMet")
        #expect(await fixture.send(.DELETE, Self.box, [("If-Unmodified-Since", fixture.date(-5))]).status == 412)
        #expect(await fixture.send(.DELETE, Self.box, [("If-Unmodified-Since", fixture.date())]).status == 202)
    }

    @Test func rootContainer() async throws {
        let fixture = try await Fixture()
        let type = [("x-ms-blob-type", "BlockBlob")]
        #expect(await fixture.send(.PUT, "/file.txt", type, body: [1]).error == "ContainerNotFound")
        #expect(await fixture.send(.PUT, "/$root?restype=container").status == 201)
        #expect(await fixture.send(.PUT, "/file.txt", type, body: [1, 2]).status == 201)
        #expect(await fixture.send(.GET, "/file.txt").body == [1, 2])
        #expect(await fixture.send(.GET, "/$root/file.txt", via: .host).body == [1, 2])
        #expect(await fixture.send(.HEAD, "/file.txt", via: .host).status == 200)
        let list = await fixture.send(.GET, "/$root?restype=container&comp=list")
        #expect(list.elements("Name") == ["file.txt"])
        #expect(await fixture.send(.GET, "?comp=list").elements("Name") == ["$root"])
        #expect(await fixture.send(.DELETE, "/file.txt").status == 202)
    }

    // MARK: Listing

    @Test func listPages() async throws {
        let fixture = try await Fixture()
        for name in ["alpha", "beta", "beta2", "gamma"] {
            await fixture.send(.PUT, "/\(name)?restype=container", [("x-ms-meta-k", name)])
        }
        let all = await fixture.send(.GET, "/?comp=list")
        #expect(all.status == 200)
        #expect(all["Content-Type"] == "application/xml")
        #expect(all.elements("Name") == ["alpha", "beta", "beta2", "gamma"])
        #expect(all.elements("NextMarker") == [""])
        #expect(all.elements("Metadata").isEmpty)
        #expect(all.text.contains("ServiceEndpoint=\"http://127.0.0.1:10000/devaccount/\""))
        let first = await fixture.send(.GET, "/?comp=list&maxresults=3&include=metadata")
        #expect(first.elements("Name") == ["alpha", "beta", "beta2"])
        #expect(first.elements("k") == ["alpha", "beta", "beta2"])
        #expect(first.elements("MaxResults") == ["3"])
        let marker = try #require(first.elements("NextMarker").first)
        #expect(!marker.isEmpty)
        let second = await fixture.send(.GET, "/?comp=list&maxresults=3&marker=\(PercentCoding.encode(marker))")
        #expect(second.elements("Name") == ["gamma"])
        #expect(await fixture.send(.GET, "/?comp=list&prefix=bet").elements("Name") == ["beta", "beta2"])
    }

    @Test func systemContainers() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(await fixture.send(.GET, "/?comp=list&include=system").elements("Name") == ["$logs", "box"])
        #expect(await fixture.send(.GET, "/?comp=list&include=system&prefix=b").elements("Name") == ["box"])
        let first = await fixture.send(.GET, "/?comp=list&include=system&maxresults=1")
        #expect(first.elements("Name") == ["$logs"])
        let marker = try #require(first.elements("NextMarker").first)
        let second = await fixture.send(.GET, "/?comp=list&include=system&maxresults=1&marker=\(marker)")
        #expect(second.elements("Name") == ["box"])
    }

    @Test(arguments: [
        ("maxresults=0", "OutOfRangeQueryParameterValue"), ("maxresults=-1", "OutOfRangeQueryParameterValue"),
        ("maxresults=x", "InvalidQueryParameterValue"), ("include=nonsense", "InvalidQueryParameterValue"),
        ("marker=nonsense", "InvalidQueryParameterValue"),
    ])
    func badListParameters(query: String, code: String) async throws {
        let fixture = try await Fixture.withContainer()
        for path in ["/?comp=list&", "/box?restype=container&comp=list&"] {
            let reply = await fixture.send(.GET, path + query)
            #expect(reply.status == 400)
            #expect(reply.error == code)
        }
        #expect(await fixture.send(.GET, "/?comp=list&maxresults=99999").elements("MaxResults") == ["5000"])
    }
}
