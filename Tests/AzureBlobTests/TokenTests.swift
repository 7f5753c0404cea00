import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import Observability
import StorageModel
import StorageTestKit
import Testing

@testable import AzureBlob

/// Bearer tokens and user delegation keys at the protocol: what is answered, and that roles count at the time of use.
@Suite struct TokenTests {
    static let fixture = AuthorizationTableTests.fixture
    static let key = "/?restype=service&comp=userdelegationkey"

    @Test func refusals() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.reader)
        let rows: [(TestToken, Int, String?)] = [
            (TestToken(), 200, nil), (TestToken(validFor: -301), 401, "InvalidAuthenticationInfo"),
            (TestToken(audience: "https://devaccount.blob.core.windows.net/"), 200, nil),
            (TestToken(audience: "https://other.blob.core.windows.net/"), 401, "InvalidAuthenticationInfo"),
            (TestToken(audience: "https://vault.azure.net"), 401, "InvalidAuthenticationInfo"),
            (TestToken(objectID: TestToken.stranger), 403, "AuthorizationPermissionMismatch"),
        ]
        for (number, row) in rows.enumerated() {
            let reply = try await fixture.send(.GET, "/box/a", token: row.0)
            #expect(reply.status == row.1 && reply.error == row.2, "row \(number): \(reply.text)")
            // The one answer that makes clients fetch another token.
            let challenge = reply["WWW-Authenticate"]
            #expect((challenge?.contains("resource_id=https://storage.azure.com") == true) == (row.1 == 401))
        }
    }

    @Test func plainHTTPAndOldVersions() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.reader)
        let header = ("Authorization", "Bearer " + (try TestToken().text(fixture)))
        let plain = await fixture.send(.GET, "/box/a", [header], signing: .none)
        #expect(plain.status == 403 && plain.error == "AuthenticationFailed" && plain.text.contains("with HTTP"))
        let old = try await fixture.send(.GET, "/box/a", token: TestToken(), version: "2017-07-29")
        #expect(old.status == 403 && old.error == "AuthenticationFailed")
    }

    /// A role that comes or goes counts for the next request, with the token or signature that is out already.
    @Test func rolesAtTheTimeOfUse() async throws {
        let fixture = try await Self.fixture()
        let account = try AccountName(validating: Fixture.account)
        let reader = try await fixture.assign(.reader)
        let key = try await DelegationKey.fetch(fixture)
        let query = try key.query(fixture, "rw")
        #expect(await fixture.send(.GET, "/box/a", signature: query).status == 200)
        #expect(
            await fixture.send(.PUT, "/box/a?comp=metadata", signature: query).error
                == "AuthorizationPermissionMismatch")
        try await fixture.assign(.contributor)
        #expect(await fixture.send(.PUT, "/box/a?comp=metadata", signature: query).status == 200)
        for assignment in try #require(fixture.accounts[account]).roles.assignments {
            try await fixture.access.removeRole(assignment.id, in: account)
        }
        #expect(await fixture.send(.GET, "/box/a", signature: query).error == "AuthorizationPermissionMismatch")
        #expect(try await fixture.send(.GET, "/box/a", token: TestToken()).error == "AuthorizationPermissionMismatch")
        _ = reader
    }

    /// Groups of the token that fetched the key go on counting for the key's signatures.
    @Test func groups() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.contributor, to: .group(TestToken.group))
        let member = TestToken(groups: [TestToken.group])
        #expect(try await fixture.send(.GET, "/box/a", token: member).status == 200)
        #expect(try await fixture.send(.GET, "/box/a", token: TestToken()).status == 403)
        let query = try await DelegationKey.fetch(fixture, member).query(fixture, "r")
        #expect(await fixture.send(.GET, "/box/a", signature: query).status == 200)
    }

    /// The key decides through which application a signature comes: tokens of other applications add nothing to it and
    /// take nothing from it.
    @Test func applications() async throws {
        let other = "bbbbbbbb-0000-0000-0000-000000000009"
        let tokens = [
            TestToken(), TestToken(application: other), TestToken(application: other, groups: [TestToken.group]),
            TestToken(application: nil),
        ]
        // What each of them may do: the second token of the other application brings a group to it.
        let allowed = [[200, 403], [200, 200], [200, 200], [403, 403]]
        for order in [[0, 1, 2, 3], [3, 2, 0]] {
            let fixture = try await Self.fixture()
            try await fixture.assign(.delegator)
            try await fixture.assign(.reader, to: .application(TestToken.application))
            try await fixture.assign(.contributor, to: .group(TestToken.group))
            var queries: [(Int, String)] = []
            for number in order {
                queries.append((number, try await DelegationKey.fetch(fixture, tokens[number]).query(fixture, "rw")))
            }
            for (number, query) in queries {
                let statuses = [
                    await fixture.send(.GET, "/box/a", signature: query).status,
                    await fixture.send(.PUT, "/box/a?comp=metadata", signature: query).status,
                ]
                #expect(statuses == allowed[number], "token \(number) of \(order)")
            }
            let reply = await fixture.send(.GET, "/box/a", signature: queries[0].1)
            #expect(reply.audit.requester?.applicationID == tokens[order[0]].application)
        }
    }

    @Test func keyTerms() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.delegator)
        let week: Int64 = 7 * 86_400
        let rows: [(start: Int64?, expiry: Int64, status: Int)] = [
            (nil, 3600, 200), (0, week, 200), (-3600, 3600, 200), (3600, week, 200), (nil, week + 1, 400),
            (nil, -1, 400),
            (nil, 0, 400), (3600, 3600, 400), (7200, 3600, 400), (3600, week + 3600, 400),
        ]
        for row in rows {
            let body = DelegationKey.body(fixture, from: row.start, to: row.expiry)
            let reply = try await fixture.send(.POST, Self.key, token: TestToken(), body: body)
            #expect(reply.status == row.status, "\(row): \(reply.text)")
        }
        for body in ["", "<KeyInfo/>", "<KeyInfo><Expiry>soon</Expiry></KeyInfo>", "<Key/>"] {
            let reply = try await fixture.send(.POST, Self.key, token: TestToken(), body: Array(body.utf8))
            #expect(reply.status == 400, "\(body): \(reply.text)")
        }
        let good = DelegationKey.body(fixture)
        #expect(await fixture.send(.POST, Self.key, body: good).error == "AuthenticationFailed")
        #expect(await fixture.send(.POST, Self.key, body: good, signing: .none).status == 401)
        let signature = try SignatureMaker.account(fixture, "racwdl").query()
        #expect(await fixture.send(.POST, Self.key, signature: signature, body: good).error == "AuthorizationFailure")
        #expect(
            try await fixture.send(.POST, Self.key, token: TestToken(objectID: TestToken.stranger), body: good).status
                == 403)
    }

    @Test func signatures() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.contributor)
        let key = try await DelegationKey.fetch(fixture)
        let plain = key.maker(fixture, "rl")
        let rows: [(SignatureMaker, String?)] = [
            (plain, nil), (plain.with("sv", "2018-11-09"), nil), (plain.with("sv", "2020-02-10"), nil),
            (plain.with("sv", "2025-07-05"), nil), (plain.with("sv", "2026-04-06"), nil),
            (plain.with("saoid", TestToken.stranger).with("scid", "x"), nil),
            (plain.with("suoid", TestToken.stranger), "suoid"), (plain.with("sks", "q"), "sks is not b"),
            (plain.with("skt", "x"), "skt is not a valid time"), (plain.with("ske", "x"), "ske is not a valid time"),
            (plain.with("ske", SignatureMaker.time(fixture, 86_400 * 6)), "Signature did not match"),
            (plain.with("skoid", TestToken.stranger), "Signature did not match"),
            (plain.with("sktid", TestToken.stranger), "sktid: the tenant is not trusted"),
            (plain.with("sktid", TestToken.tenant.uppercased()), nil),
            (plain.with("skv", "2020-12-06"), "Signature did not match"), (plain.with("si", "x"), "si:"),
            (plain.with("sduoid", TestToken.user), "sduoid: the request needs a token"),
            (plain.with("sv", "2015-04-05"), "sv: user delegation signatures begin with"),
        ]
        for (number, row) in rows.enumerated() {
            let reply = await fixture.send(.GET, "/box/a", signature: try row.0.query(key: key.value))
            guard let detail = row.1 else {
                #expect(reply.status == 200, "row \(number): \(reply.text)")
                continue
            }
            #expect(
                reply.error == "AuthenticationFailed" && reply.text.contains(detail), "row \(number): \(reply.text)")
        }
        #expect(
            await fixture.send(.GET, "/box?restype=container&comp=list", signature: try plain.query(key: key.value))
                .status == 200)
        // Not with the account's key, and the account's switch for signatures of its keys does not touch it.
        #expect(await fixture.send(.GET, "/box/a", signature: try plain.query()).error == "AuthenticationFailed")
        var account = try #require(fixture.accounts[try AccountName(validating: Fixture.account)])
        account.switches.allowsSharedAccessSignatures = false
        fixture.accounts.set(account)
        let reply = await fixture.send(.GET, "/box/a", signature: try plain.query(key: key.value))
        #expect(reply.status == 200)
        #expect(reply.audit.requester?.authenticationType == "DelegationSas")
        #expect(reply.audit.requester?.objectID == TestToken.user)
        account.delegationEpoch += 1
        fixture.accounts.set(account)
        #expect(
            await fixture.send(.GET, "/box/a", signature: try plain.query(key: key.value)).error
                == "AuthenticationFailed")
    }

    /// A node that stops trusting a tenant, or all of them, stops honouring the signatures of its principals, whatever
    /// roles are left.
    @Test func trustAtTheTimeOfUse() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.reader)
        let query = try await DelegationKey.fetch(fixture).query(fixture, "r")
        let request = fixture.request(.GET, "/box/a?" + query, signing: .none)
        let rows: [(tenants: [String]?, detail: String?)] = [
            ([TestToken.stranger, TestToken.tenant], nil),
            ([TestToken.stranger], "sktid: the tenant is not trusted by this endpoint"),
            (nil, "sktid: this endpoint trusts no tenant"),
        ]
        for row in rows {
            let verifier = try row.tenants.map { try fixture.verifier(tenants: $0) }
            let reply = await Reply(fixture.service(tokens: verifier).respond(to: request))
            guard let detail = row.detail else {
                #expect(reply.status == 200, "\(reply.text)")
                continue
            }
            #expect(reply.status == 403 && reply.error == "AuthenticationFailed" && reply.text.contains(detail))
        }
    }

    /// Whoever has no role in an account submits no batches to it, though every part asks for itself.
    @Test func batches() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.reader, scope: .container(try ContainerName(validating: "other")))
        for path in ["/?comp=batch", "/box?restype=container&comp=batch"] {
            // The reader gets as far as the missing boundary.
            let rows = [
                (TestToken.user, 400, "MissingRequiredHeader"),
                (TestToken.stranger, 403, "AuthorizationPermissionMismatch"),
            ]
            for (objectID, status, code) in rows {
                let reply = try await fixture.send(.POST, path, token: TestToken(objectID: objectID), body: [1])
                #expect(reply.status == status && reply.error == code, "\(path): \(reply.text)")
            }
        }
    }

    @Test func keyExpiry() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.reader)
        let key = try await DelegationKey.fetch(fixture, to: 60)
        let query = try key.query(fixture, "r")
        let late = try await DelegationKey.fetch(fixture, from: 120, to: 3600)
        #expect(
            await fixture.send(.GET, "/box/a", signature: try late.query(fixture, "r")).text.contains(
                "not valid at this time"))
        #expect(await fixture.send(.GET, "/box/a", signature: query).status == 200)
        fixture.world.advance(seconds: 61)
        #expect(await fixture.send(.GET, "/box/a", signature: query).text.contains("not valid at this time"))
    }

    /// A signature bound to a user is nothing without that user's token.
    @Test func boundSignatures() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.reader)
        let key = try await DelegationKey.fetch(fixture)
        let bound = key.maker(fixture, "r").with("sv", "2025-07-05").with("sduoid", TestToken.stranger)
        let elsewhere = bound.with("skdutid", TestToken.user)
        let (right, wrong) = (TestToken(objectID: TestToken.stranger), TestToken())
        let rows: [(SignatureMaker, TestToken, Int)] = [
            (bound, right, 200), (bound, wrong, 403), (bound.with("skdutid", TestToken.tenant), right, 200),
            (elsewhere, right, 403),
        ]
        for (number, row) in rows.enumerated() {
            let reply = try await fixture.send(.GET, "/box/a?" + row.0.query(key: key.value), token: row.1)
            #expect(reply.status == row.2, "row \(number): \(reply.text)")
        }
    }

    /// Headers and parameters that the signature names have to come as they were when it was made.
    @Test func signedRequestParts() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.reader)
        let key = try await DelegationKey.fetch(fixture)
        var maker = key.maker(fixture, "r").with("sv", "2026-04-06").with("srh", "x-ms-a").with("srq", "timeout")
        let unsigned = try maker.query(key: key.value)
        let parsed = try SharedAccessSignature(try #require(QueryString(unsigned)))
        let text = parsed.stringToSign(
            maker.target, header: { $0 == "x-ms-a" ? "1" : nil }, parameter: { $0 == "timeout" ? "30" : nil })
        let signature = Base64.encode(AccountKey(bytes: key.value).sign(Array(text.utf8)))
        let query = unsigned.prefix { _ in true }.split(separator: "&").filter { !$0.hasPrefix("sig=") }.joined(
            separator: "&")
        let escaped = signature.replacing("+", with: "%2B").replacing("/", with: "%2F").replacing("=", with: "%3D")
        let full = query + "&sig=" + escaped
        #expect(await fixture.send(.GET, "/box/a?timeout=30", signature: full, [("x-ms-a", "1")]).status == 200)
        #expect(await fixture.send(.GET, "/box/a?timeout=30", signature: full, [("x-ms-a", "2")]).status == 403)
        #expect(await fixture.send(.GET, "/box/a?timeout=31", signature: full, [("x-ms-a", "1")]).status == 403)
        #expect(await fixture.send(.GET, "/box/a", signature: full).status == 403)
        maker.fields.removeAll()
    }

    @Test func audit() async throws {
        let fixture = try await Self.fixture()
        let assignment = try await fixture.assign(.reader)
        let token = TestToken()
        let reply = try await fixture.send(.GET, "/box/a", token: token)
        let requester = try #require(reply.audit.requester)
        #expect(reply.audit.statusText == "OAuthSuccess" && requester.authenticationType == "OAuth")
        #expect(requester.objectID == TestToken.user && requester.tenantID == TestToken.tenant)
        #expect(requester.applicationID == TestToken.application)
        #expect(requester.audience == "https://storage.azure.com")
        #expect(requester.authenticationHash?.utf8.count == 64)
        let granted = try #require(requester.authorization.first)
        #expect(granted.action == "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read")
        #expect(granted.roleAssignmentID == assignment.id && granted.result == "Granted")
        #expect(granted.roleDefinitionID == Role.reader.definitionID && granted.principalID == TestToken.user)
        let denied = try await fixture.send(.DELETE, "/box/a", token: token)
        let refusal = try #require(denied.audit.requester?.authorization.first)
        #expect(refusal.result == "Denied" && refusal.roleAssignmentID == nil)
        #expect(denied.audit.statusText == "AuthorizationPermissionMismatch")
    }

    /// A token that comes along for the source of a copy speaks for the source alone.
    @Test func copySource() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.reader)
        let source = ("x-ms-copy-source", "http://127.0.0.1:10000/devaccount/box/a")
        let token = try TestToken().text(fixture)
        func copy(_ source: [(String, String)], _ signature: String) async -> Reply {
            await fixture.send(.PUT, "/box/copy", signature: signature, source, from: Fixture.tlsPeer)
        }
        let write = try SignatureMaker.container(fixture, "w").query()
        #expect(await copy([source], write).error == "CannotVerifyCopySource")
        #expect(await copy([source, ("x-ms-copy-source-authorization", "Bearer \(token)")], write).status == 202)
        #expect(
            await copy([source, ("x-ms-copy-source-authorization", "Bearer x.y.z")], write).error
                == "CannotVerifyCopySource")
    }

    /// A prefix of names is a scope: its names can be listed, and no others.
    @Test func listingsOfAPrefix() async throws {
        let fixture = try await Self.fixture()
        try await fixture.assign(.reader, scope: .prefix(try ContainerName(validating: "box"), "team/"))
        let rows: [(String, Int)] = [
            ("&prefix=team/", 200), ("&prefix=team/a", 200), ("&prefix=team", 403), ("", 403), ("&prefix=other/", 403),
        ]
        for (prefix, status) in rows {
            let reply = try await fixture.send(.GET, "/box?restype=container&comp=list" + prefix, token: TestToken())
            #expect(reply.status == status, "\(prefix)")
        }
    }
}
