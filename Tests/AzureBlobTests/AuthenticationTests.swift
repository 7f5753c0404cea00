import AzureWire
import HTTPExchange
import NIOHTTP1
import Observability
import Testing

@testable import AzureBlob

/// Who is let in, and how the others are told.
@Suite struct AuthenticationTests {
    private static let list = "/box?restype=container&comp=list"

    @Test(arguments: [Fixture.Signing.sharedKey, .lite, .secondKey])
    func eitherKeyAndSchemeSigns(signing: Fixture.Signing) async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.GET, Self.list, signing: signing)
        #expect(reply.status == 200)
        #expect(reply.audit.requester?.authenticationType == "AccountKey")
    }

    @Test func hostStyleAndPathStyleSeeTheSame() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(await fixture.send(.GET, Self.list, via: .host).status == 200)
        #expect(await fixture.send(.GET, Self.list, via: .path).status == 200)
        // The account's name in the host is no part of the path.
        #expect(await fixture.send(.GET, "/devaccount/box?restype=container", via: .host).status == 400)
    }

    @Test func wrongSignatureShowsWhatWasSigned() async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.GET, Self.list, signing: .wrongKey)
        #expect(reply.status == 403)
        #expect(reply.error == "AuthenticationFailed")
        #expect(reply.elements("AuthenticationErrorDetail").first?.contains("/devaccount/devaccount/box") == true)
        #expect(reply.elements("Code") == ["AuthenticationFailed"])
    }

    @Test(arguments: [-16 * 60, 16 * 60]) func staleDates(seconds: Int) async throws {
        let fixture = try await Fixture.withContainer()
        let late = await fixture.send(.GET, Self.list, [("x-ms-date", fixture.date(Int64(seconds)))])
        #expect(late.status == 403)
        #expect(late.error == "AuthenticationFailed")
        let within = await fixture.send(.GET, Self.list, [("x-ms-date", fixture.date(Int64(seconds) / 16 * 14))])
        #expect(within.status == 200)
        #expect(await fixture.send(.GET, Self.list, [("x-ms-date", "yesterday")]).error == "AuthenticationFailed")
    }

    @Test func otherCredentials() async throws {
        let fixture = try await Fixture.withContainer()
        let bearer = await fixture.send(
            .GET, Self.list, [("Authorization", "Bearer abc")], signing: .none, from: Fixture.tlsPeer)
        #expect(bearer.status == 401)
        #expect(bearer.error == "InvalidAuthenticationInfo")
        #expect(bearer["WWW-Authenticate"]?.contains(" resource_id=https://storage.azure.com") == true)
        let basic = await fixture.send(.GET, Self.list, [("Authorization", "Basic abc")], signing: .none)
        #expect(basic.status == 400)
        #expect(basic.error == "InvalidAuthenticationInfo")
        let sas = await fixture.send(
            .GET, Self.list + "&sv=2020-12-06&ss=b&srt=sco&sp=rl&se=2030-01-01&sig=abc", signing: .none)
        #expect(sas.status == 403)
        #expect(sas.error == "AuthenticationFailed")
        #expect(sas.audit.redactedURI?.contains("sig=abc") == false)
        let keyless = Fixture.Route(account: "keyless", prefix: "/keyless")
        #expect(await fixture.send(.GET, "?comp=list", via: keyless).error == "KeyBasedAuthenticationNotPermitted")
    }

    @Test func credentialOfAnotherAccount() async throws {
        let fixture = try await Fixture.withContainer()
        let route = Fixture.Route(account: Fixture.publicAccount, prefix: "/devaccount")
        let reply = await fixture.send(.GET, Self.list, via: route)
        #expect(reply.status == 403)
        #expect(reply.error == "AuthenticationFailed")
        let unknown = Fixture.Route(account: "nobody", prefix: "/nobody")
        #expect(await fixture.send(.GET, Self.list, via: unknown).error == "ResourceNotFound")
        #expect(await fixture.send(.GET, Self.list, via: unknown).status == 404)
    }

    @Test func duplicateSignedHeaders() async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.GET, Self.list, [("x-ms-meta-a", "1"), ("X-Ms-Meta-A", "2")])
        #expect(reply.status == 400)
    }

    /// What the request says is judged after who said it.
    @Test(arguments: [
        ("x-ms-meta-1bad", "x"), ("x-ms-lease-id", "no guid"), ("x-ms-access-tier", "Lukewarm"), ("x-ms-tags", "="),
    ])
    func syntaxIsJudgedAfterTheSignature(name: String, value: String) async throws {
        let fixture = try await Fixture.withContainer()
        let headers = [("x-ms-blob-type", "BlockBlob"), (name, value)]
        #expect(await fixture.send(.PUT, "/box/a", headers, body: [1], signing: .wrongKey).status == 403)
        #expect(await fixture.send(.PUT, "/box/a", headers, body: [1]).status == 400)
    }

    @Test func unknownOperationsAreJudgedAfterTheSignature() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(await fixture.send(.GET, "/box/a?comp=what", signing: .wrongKey).status == 403)
        #expect(await fixture.send(.GET, "/box/a?comp=what").error == "InvalidQueryParameterValue")
        #expect(await fixture.send(.PUT, "/box/a?comp=snapshot", signing: .wrongKey).status == 403)
        #expect(await fixture.send(.PUT, "/box/a?comp=snapshot").status == 501)
    }

    // MARK: Anonymous

    @Test func anonymousOnAnAccountWithoutPublicAccess() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x")
        #expect(await fixture.send(.GET, "/box/a", signing: .none).error == "PublicAccessNotPermitted")
        let list = await fixture.send(.GET, "?comp=list", signing: .none)
        #expect(list.status == 401)
        #expect(list.error == "NoAuthenticationInformation")
        #expect(
            list["WWW-Authenticate"]?.hasPrefix(
                "Bearer authorization_uri=https://login.microsoftonline.com/\(TestToken.tenant)/oauth2/authorize")
                == true)
        let old = await fixture.send(.GET, "?comp=list", version: "2019-07-07", signing: .none)
        #expect(old.status == 404)
        #expect(old.error == "ResourceNotFound")
        #expect(
            await fixture.send(.PUT, "/box/b", [("x-ms-blob-type", "BlockBlob")], body: [], signing: .none).status
                == 401)
    }

    /// A name that has only staged blocks is, for strangers, a name like any other that is not there.
    @Test func uncommittedNamesAreNotShown() async throws {
        let fixture = try await Fixture()
        let access = [("x-ms-blob-public-access", "container")]
        #expect(await fixture.send(.PUT, "/box?restype=container", access, via: .open).status == 201)
        let block = "/box/staged?comp=block&blockid=MQ%3D%3D"
        #expect(await fixture.send(.PUT, block, body: [1], via: .open).status == 201)
        for name in ["staged", "absent"] {
            for query in ["comp=blocklist", "comp=blocklist&blocklisttype=committed"] {
                let reply = await fixture.send(.GET, "/box/\(name)?\(query)", signing: .none, via: .open)
                #expect(reply.status == 404 && reply.error == "BlobNotFound", "\(name) \(query)")
            }
        }
        let owner = await fixture.send(.GET, "/box/staged?comp=blocklist", via: .open)
        #expect(owner.status == 200 && owner["x-ms-blob-content-length"] == "0")
    }

    @Test(
        arguments: [("blob", 200, 401, 401), ("container", 200, 200, 200), (nil, 401, 401, 401)]
            as [(String?, Int, Int, Int)])
    func publicLevels(level: String?, blob: Int, container: Int, list: Int) async throws {
        let fixture = try await Fixture()
        let headers = level.map { [("x-ms-blob-public-access", $0)] } ?? []
        #expect(await fixture.send(.PUT, "/box?restype=container", headers, via: .open).status == 201)
        _ = await fixture.send(.PUT, "/box/a", [("x-ms-blob-type", "BlockBlob")], body: [1, 2], via: .open)
        for (method, path) in [
            (HTTPMethod.GET, "/box/a"), (.HEAD, "/box/a"), (.GET, "/box/a?comp=metadata"),
            (.GET, "/box/a?comp=blocklist"),
        ] {
            let reply = await fixture.send(method, path, signing: .none, via: .open)
            #expect(reply.status == blob, "\(method) \(path)")
            if reply.status == 200 {
                #expect(reply.audit.statusText == "AnonymousSuccess")
                #expect(reply.audit.requester?.authenticationType == "Anonymous")
            }
        }
        #expect(await fixture.send(.HEAD, "/box?restype=container", signing: .none, via: .open).status == container)
        #expect(await fixture.send(.GET, Self.list, signing: .none, via: .open).status == list)
        #expect(await fixture.send(.GET, "/box/a?comp=tags", signing: .none, via: .open).status == 401)
        #expect(await fixture.send(.DELETE, "/box/a", signing: .none, via: .open).status == 401)
        #expect(await fixture.send(.GET, "/nobox/a", signing: .none, via: .open).status == 401)
        #expect(
            await fixture.send(.GET, "/box/a?comp=blocklist&blocklisttype=all", signing: .none, via: .open).status
                != 200)
    }

    // MARK: Versions

    @Test(arguments: ["2017-04-17", "2019-02-02", "2026-12-06", "2027-01-01"]) func versions(version: String)
        async throws
    {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.GET, Self.list, version: version)
        #expect(reply.status == 200)
        #expect(reply["x-ms-version"] == version)
    }

    @Test(arguments: ["2099-11-05", "yesterday", "2021-13-01", "2009-04-14"]) func badVersions(version: String)
        async throws
    {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.GET, Self.list, version: version)
        #expect(reply.status == 400)
        #expect(reply.error == "InvalidHeaderValue")
        #expect(reply.elements("HeaderName") == ["x-ms-version"])
        #expect(reply.elements("HeaderValue") == [version])
    }

    @Test func withoutAVersion() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(await fixture.send(.GET, Self.list, version: nil).status == 200)
        let body =
            "<StorageServiceProperties><DefaultServiceVersion>2020-10-02</DefaultServiceVersion></StorageServiceProperties>"
        #expect(await fixture.send(.PUT, "/?restype=service&comp=properties", body: Array(body.utf8)).status == 202)
        let reply = await fixture.send(.GET, "?comp=list", version: nil, signing: .none)
        #expect(reply["x-ms-version"] == "2020-10-02")
        #expect(reply.status == 401)
    }
}
