import AzureWire
import HTTPExchange
import NIOHTTP1
import Testing

@testable import AzureBlob

/// The account itself, what every answer carries, and what never became a request.
@Suite struct ServiceTests {
    @Test func everyAnswerCarriesItsIDs() async throws {
        let fixture = try await Fixture.withContainer()
        let id = [("x-ms-client-request-id", "client 1")]
        for reply in [
            await fixture.send(.GET, "/?comp=list", id), await fixture.send(.GET, "/box/none", id),
            await fixture.send(.HEAD, "/box/none", id), await fixture.send(.GET, "/?comp=list", id, signing: .none),
            await fixture.send(.GET, "/?comp=what", id), await fixture.send(.OPTIONS, "/", id, signing: .none),
        ] {
            #expect(reply["x-ms-request-id"] == "11111111-2222-4333-8444-555555555555")
            #expect(reply["x-ms-client-request-id"] == "client 1")
            #expect(reply["x-ms-version"] == "2023-11-03")
            #expect(reply.audit.clientRequestID == "client 1")
        }
        #expect(
            await fixture.send(.GET, "/?comp=list", [("x-ms-client-request-id", String(repeating: "a", count: 1025))])[
                "x-ms-client-request-id"] == nil)
        #expect(
            await fixture.send(.GET, "/?comp=list", [("x-ms-client-request-id", "ä")])["x-ms-client-request-id"] == nil)
    }

    @Test func errorsHaveABodyButForHead() async throws {
        let fixture = try await Fixture.withContainer()
        let get = await fixture.send(.GET, "/box/none")
        #expect(get.status == 404)
        #expect(get.error == "BlobNotFound")
        #expect(get["Content-Type"] == "application/xml")
        #expect(get.elements("Code") == ["BlobNotFound"])
        #expect(get.elements("Message").first?.contains("RequestId:11111111-2222-4333-8444-555555555555") == true)
        let head = await fixture.send(.HEAD, "/box/none")
        #expect(head.status == 404)
        #expect(head.error == "BlobNotFound")
        #expect(head.body.isEmpty && head["Content-Type"] == nil)
    }

    @Test func accountInformation() async throws {
        let fixture = try await Fixture()
        for path in ["/", "/box", "/box/a"] {
            for method in [HTTPMethod.GET, .HEAD] {
                let reply = await fixture.send(method, "\(path)?restype=account&comp=properties")
                #expect(reply.status == 200)
                #expect(reply["x-ms-sku-name"] == "Standard_LRS")
                #expect(reply["x-ms-account-kind"] == "StorageV2")
                #expect(reply["x-ms-is-hns-enabled"] == "false")
            }
        }
        #expect(await fixture.send(.GET, "?restype=account&comp=properties").status == 200)
    }

    @Test func propertiesAreKept() async throws {
        let fixture = try await Fixture()
        let path = "/?restype=service&comp=properties"
        let fresh = await fixture.send(.GET, path)
        #expect(fresh.status == 200)
        #expect(fresh.elements("Logging").count == 1)
        let body = """
            <?xml version="1.0"?><StorageServiceProperties><DeleteRetentionPolicy><Enabled>true</Enabled><Days>9</Days>\
            </DeleteRetentionPolicy></StorageServiceProperties>
            """
        #expect(await fixture.send(.PUT, path, body: Array(body.utf8)).status == 202)
        let changed = await fixture.send(.GET, path)
        #expect(changed.elements("Days") == ["9"])
        #expect(changed.elements("Logging").count == 1)
        #expect(await fixture.send(.PUT, path, body: Array("<nonsense".utf8)).error == "InvalidXmlDocument")
        #expect(await fixture.send(.PUT, path, body: Array(repeating: 32, count: 1 << 20 + 1)).status == 413)
    }

    @Test func statsOfALocallyRedundantAccount() async throws {
        let fixture = try await Fixture()
        let path = "/?restype=service&comp=stats"
        let primary = await fixture.send(.GET, path)
        #expect(primary.status == 400)
        #expect(primary.error == "InvalidQueryParameterValue")
        let secondary = await fixture.send(.GET, path, via: .secondary)
        #expect(secondary.status == 200)
        #expect(secondary.elements("Status") == ["unavailable"])
    }

    @Test func secondaryIsReadOnly() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x")
        #expect(await fixture.send(.GET, "/box/a", via: .secondary).text == "x")
        let write = await fixture.send(.DELETE, "/box/a", via: .secondary)
        #expect(write.status == 403)
        #expect(write.error == "InsufficientAccountPermissions")
        #expect(await fixture.send(.GET, "/box/a").status == 200)
    }

    @Test(arguments: [
        ("PUT", "/box/a?comp=snapshot"), ("PUT", "/box/a?comp=undelete"), ("POST", "/box/a?comp=query"),
        ("PUT", "/box/a?comp=expiry"), ("PUT", "/box/a?comp=immutabilityPolicies"), ("PUT", "/box/a?comp=legalhold"),
        ("PUT", "/box/a?comp=appendblock"), ("PUT", "/box/a?comp=page"),
        ("PUT", "/box?restype=container&comp=undelete"),
    ])
    func outOfScope(method: String, path: String) async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(HTTPMethod(rawValue: method), path, body: [])
        #expect(reply.status == 501)
        #expect(reply.error == "NotImplemented")
    }

    @Test func hierarchicalNamespaceIsOff() async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.HEAD, "/box/?action=getAccessControl")
        #expect(reply.status == 400)
        #expect(reply.error == "HierarchicalNamespaceNotEnabled")
    }

    @Test(arguments: [
        (HTTPRefusal.malformed(reason: "x"), 400, "InvalidInput"), (.headersTooLarge, 431, "InvalidInput"),
        (.uriTooLong, 414, "InvalidUri"), (.requestTimeout, 408, "OperationTimedOut"),
        (.overloaded(retryAfterSeconds: 3), 503, "ServerBusy"), (.versionNotSupported, 505, "InvalidInput"),
    ])
    func refusals(refusal: HTTPRefusal, status: Int, code: String) async throws {
        let fixture = try await Fixture()
        let reply = await Reply(fixture.service.refuse(refusal, requestID: "id-1"))
        #expect(reply.status == status)
        #expect(reply.error == code)
        #expect(reply["x-ms-request-id"] == "id-1")
        #expect(reply.elements("Code") == [code])
        if case .overloaded(let seconds) = refusal { #expect(reply["Retry-After"] == "\(seconds)") }
    }

    @Test(arguments: [
        ("GET", "/box/a", "GetBlob", "StorageRead"), ("HEAD", "/box/a", "GetBlobProperties", "StorageRead"),
        ("PUT", "/box/a?comp=metadata", "SetBlobMetadata", "StorageWrite"),
        ("DELETE", "/box/a", "DeleteBlob", "StorageDelete"),
        ("DELETE", "/box?restype=container", "DeleteContainer", "StorageDelete"),
        ("PUT", "/box/a?comp=lease", "AcquireBlobLease", "StorageWrite"),
        ("PUT", "/box?restype=container&comp=lease", "AcquireContainerLease", "StorageWrite"),
        ("GET", "/?comp=list", "ListContainers", "StorageRead"),
        ("GET", "/box?restype=container&comp=list", "ListBlobs", "StorageRead"),
    ])
    func audit(method: String, path: String, operation: String, category: String) async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x")
        let lease = [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "15")]
        let reply = await fixture.send(HTTPMethod(rawValue: method), path, path.contains("comp=lease") ? lease : [])
        #expect(reply.audit.operationName == operation)
        #expect(reply.audit.category.rawValue == category)
        #expect(reply.audit.statusText == "Success")
        #expect(reply.audit.accountName == "devaccount")
        #expect(reply.audit.serviceVersion == "2023-11-03")
        #expect(reply.audit.redactedURI == "http://127.0.0.1:10000/devaccount\(path)")
        if path.hasPrefix("/box/a") { #expect(reply.audit.objectKey == "/devaccount/box/a") }
    }

    @Test func auditOfFailures() async throws {
        let fixture = try await Fixture.withContainer()
        #expect(await fixture.send(.GET, "/box/none").audit.statusText == "BlobNotFound")
        #expect(await fixture.send(.GET, "/box/none", signing: .wrongKey).audit.statusText == "AuthenticationFailed")
    }

    @Test(arguments: ["/box/%zz", "/box/a?x=%zz", "/box/a%00b", "/box/a/../b", "/box/./a", "/box//a"])
    func pathTricks(path: String) async throws {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.GET, path)
        #expect((400..<500).contains(reply.status))
        #expect(reply.error != nil)
    }
}

/// Cross-origin requests: preflight and actual.
@Suite struct CrossOriginTests {
    private static let rules = """
        <StorageServiceProperties><Cors><CorsRule><AllowedOrigins>https://app.test</AllowedOrigins>\
        <AllowedMethods>GET,PUT</AllowedMethods><AllowedHeaders>x-ms-*</AllowedHeaders>\
        <ExposedHeaders>x-ms-*</ExposedHeaders><MaxAgeInSeconds>60</MaxAgeInSeconds></CorsRule></Cors>\
        </StorageServiceProperties>
        """

    private func fixture() async throws -> Fixture {
        let fixture = try await Fixture.withContainer()
        let reply = await fixture.send(.PUT, "/?restype=service&comp=properties", body: Array(Self.rules.utf8))
        #expect(reply.status == 202)
        await fixture.put("a", "x")
        return fixture
    }

    @Test func preflight() async throws {
        let fixture = try await fixture()
        let headers = [
            ("Origin", "https://app.test"), ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "x-ms-blob-type"),
        ]
        let allowed = await fixture.send(.OPTIONS, "/box/any", headers, signing: .none)
        #expect(allowed.status == 200)
        #expect(allowed["Access-Control-Allow-Origin"] == "https://app.test")
        #expect(allowed["Access-Control-Allow-Methods"] == "PUT")
        #expect(allowed["Access-Control-Max-Age"] == "60")
        let foreign = [("Origin", "https://evil.test"), ("Access-Control-Request-Method", "PUT")]
        let refused = await fixture.send(.OPTIONS, "/box/any", foreign, signing: .none)
        #expect(refused.status == 403)
        #expect(refused.error == "CorsPreflightFailure")
        #expect(
            await fixture.send(.OPTIONS, "/box/any", [("Origin", "https://app.test")], signing: .none).error
                == "InvalidHeaderValue")
    }

    @Test func actualAnswers() async throws {
        let fixture = try await fixture()
        let allowed = await fixture.send(.GET, "/box/a", [("Origin", "https://app.test")])
        #expect(allowed.status == 200)
        #expect(allowed["Access-Control-Allow-Origin"] == "https://app.test")
        #expect(allowed["Access-Control-Expose-Headers"]?.contains("x-ms-request-id") == true)
        #expect(allowed["Vary"] == "Origin")
        let missing = await fixture.send(.GET, "/box/none", [("Origin", "https://app.test")])
        #expect(missing.status == 404)
        #expect(missing["Access-Control-Allow-Origin"] == "https://app.test")
        let foreign = await fixture.send(.GET, "/box/a", [("Origin", "https://evil.test")])
        #expect(foreign.status == 200)
        #expect(foreign["Access-Control-Allow-Origin"] == nil)
        #expect(foreign["Vary"] == "Origin")
        #expect(await fixture.send(.GET, "/box/a")["Vary"] == nil)
    }
}
