import Access
import CryptoExtras
import JWTKit
import StorageModel
import Testing

@testable import Tokens

@Suite("Tokens that count")
struct AcceptanceTests {
    static let virtualMachine =
        "/subscriptions/s/resourcegroups/r/providers/Microsoft.Compute/virtualMachines/trainer-1"
    static let userAssigned =
        "/subscriptions/s/resourcegroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/trainers"

    struct Row: Sendable, CustomStringConvertible {
        var description: String
        var token: TestToken
        var kind: Identity.Kind
    }

    private static func appOnly(_ token: TestToken) -> TestToken {
        token.with("scp", nil).with("upn", nil).with("sub", "\"\(TestToken.user)\"")
    }

    static let rows = [
        Row(description: "version 1, user", token: .versionOne(), kind: .user),
        Row(description: "version 2, user", token: .versionTwo(), kind: .user),
        Row(description: "version 1, idtyp user", token: .versionOne().with("idtyp", "\"user\""), kind: .user),
        Row(description: "version 1, application", token: appOnly(.versionOne()), kind: .application),
        Row(
            description: "version 2, application that says so", token: appOnly(.versionTwo()).with("idtyp", "\"app\""),
            kind: .application),
        Row(
            description: "system-assigned managed identity",
            token: appOnly(.versionOne()).with("idtyp", "\"app\"").with("xms_mirid", "\"\(virtualMachine)\""),
            kind: .managedIdentity(resource: virtualMachine)),
        Row(
            description: "user-assigned managed identity",
            token: appOnly(.versionOne()).with("xms_mirid", "\"\(userAssigned)\""),
            kind: .managedIdentity(resource: userAssigned)),
        Row(
            description: "claims that nobody knows",
            token: .versionOne().with("x", "{\"y\":[1,-2.5E+3,\"\\ud83d\\ude00\",null]}").with("aio", "\"AVQAq/8\""),
            kind: .user),
        Row(
            description: "an access token's own type", token: .versionOne().withHeader("typ", "\"at+JWT\""), kind: .user
        ),
        Row(description: "no type", token: .versionOne().withHeader("typ", nil), kind: .user),
        Row(description: "no version", token: .versionOne().with("ver", nil), kind: .user),
        Row(
            description: "expired within the skew", token: .versionOne().with("exp", "\(TestToken.now - 299)"),
            kind: .user),
        Row(
            description: "not yet valid within the skew", token: .versionOne().with("nbf", "\(TestToken.now + 300)"),
            kind: .user),
    ]

    @Test(arguments: rows) func accepted(_ row: Row) async throws {
        let fixture = try TokenFixture()
        let verified = try await fixture.verify(row.token)
        let identity = verified.identity
        #expect(identity.kind == row.kind)
        #expect(identity.objectID == TestToken.user)
        #expect(identity.tenantID == TestToken.tenant)
        #expect(identity.applicationID == TestToken.application)
        #expect(verified.hash.count == 64)
        // And once more, from memory.
        #expect(try await fixture.verify(row.token) == verified)
    }

    @Test func whatItSays() async throws {
        let fixture = try TokenFixture()
        let group = "dddddddd-0000-0000-0000-000000000004"
        let verified = try await fixture.verify(
            .versionOne().with("groups", "[\"\(group.uppercased())\",\"CORP\\\\trainers\"]"))
        #expect(verified.identity.groups == [group])
        #expect(verified.identity.issuer == "https://sts.windows.net/\(TestToken.tenant)/")
        #expect(verified.identity.audience == "https://storage.azure.com/")
        #expect(verified.identity.userPrincipalName == "mara@example.net")
        #expect(verified.expiresAt == Timestamp(seconds: TestToken.now + 3600))
    }

    @Test(arguments: [
        "\"https://storage.azure.com\"", "\"https://storage.azure.com/\"", "\"HTTPS://Storage.Azure.com\"",
        "\"e406a681-f3d4-42a8-90b6-c2b029497af1\"", "\"https://harbor.blob.core.windows.net\"",
        "\"https://harbor.blob.core.windows.net/\"", "\"https://harbor.blob.core.chinacloudapi.cn\"",
        "\"https://harbor.blob.core.usgovcloudapi.net\"", "\"https://harbor.blob.forebay.test\"",
        "\"https://harbor.blob.forebay.test/\"", "\"api://forebay\"",
        "[\"https://graph.microsoft.com\",\"api://forebay\"]",
    ])
    func audiences(audience: String) async throws {
        let fixture = try TokenFixture(audiences: ["api://Forebay"], suffixes: ["Blob.Forebay.test"])
        try await fixture.verify(.versionOne().with("aud", audience))
    }

    /// A token for one account that is remembered does not open another.
    @Test func rememberedForItsAccountAlone() async throws {
        let fixture = try TokenFixture()
        let other = try AccountName(validating: "quarry")
        let token = TestToken.versionOne().with("aud", "\"https://harbor.blob.core.windows.net\"")
        #expect(try await fixture.refusal(token, account: other) == .audience)
        try await fixture.verify(token)
        #expect(try await fixture.refusal(token, account: other) == .audience)
        try await fixture.verify(token)
        try await fixture.verify(.versionOne(), account: other)
    }

    /// An implementation that is not ours signs.
    @Test func signedByJWTKit() async throws {
        struct Payload: JWTPayload {
            var aud: String
            var iss: String
            var iat: Int64
            var nbf: Int64
            var exp: Int64
            var oid: String
            var tid: String
            func verify(using algorithm: some JWTAlgorithm) {}
        }
        let fixture = try TokenFixture(keys: [.two])
        let keys = await JWTKeyCollection().add(
            rsa: try Insecure.RSA.PrivateKey(backing: TestKey.two.key), digestAlgorithm: .sha256, kid: "key-2")
        let token = try await keys.sign(
            Payload(
                aud: "https://storage.azure.com", iss: "https://sts.windows.net/\(TestToken.tenant)/",
                iat: TestToken.now, nbf: TestToken.now, exp: TestToken.now + 600, oid: TestToken.user,
                tid: TestToken.tenant), kid: "key-2")
        let verified = try await fixture.verifier.verify(token, audienceAccount: TokenFixture.account)
        #expect(verified.identity.objectID == TestToken.user)
        #expect(verified.identity.applicationID == nil)
    }

    @Test(arguments: [
        ("https://login.example.net/adfs", "https://login.example.net/adfs/TENANT/v2.0"),
        ("https://login.example.net/adfs", "https://login.example.net/adfs/TENANT/"),
        ("https://login.microsoftonline.us", "https://sts.windows.net/TENANT/"),
        ("https://login.microsoftonline.us", "https://login.microsoftonline.us/TENANT/v2.0"),
        ("https://login.partner.microsoftonline.cn", "https://sts.chinacloudapi.cn/TENANT/"),
    ])
    func authorities(authority: String, issuer: String) throws {
        let policy = TokenPolicy(tenants: [TestToken.tenant], authority: authority)
        let found = try #require(policy.issuer(issuer.replacing("TENANT", with: TestToken.tenant)))
        #expect(found.tenantID == TestToken.tenant)
        #expect(found.discoveryURL.hasPrefix("\(authority)/\(TestToken.tenant)/"))
        #expect(found.discoveryURL.hasSuffix("/.well-known/openid-configuration"))
        #expect(found.discoveryURL.contains("/v2.0/") == issuer.hasSuffix("/v2.0"))
    }
}
