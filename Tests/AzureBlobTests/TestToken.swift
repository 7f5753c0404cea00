import Access
import AzureWire
import Crypto
import CryptoExtras
import NIOHTTP1
import StorageModel
import StorageTestKit
import Testing

@testable import AzureBlob

/// A bearer token of the issuer that the fixture trusts.
struct TestToken {
    static let tenant = "11111111-2222-3333-4444-5555555555aa"
    static let user = "aaaaaaaa-0000-0000-0000-000000000001"
    static let stranger = "aaaaaaaa-0000-0000-0000-000000000002"
    static let application = "bbbbbbbb-0000-0000-0000-000000000003"
    static let group = "cccccccc-0000-0000-0000-000000000004"

    private static let key: _RSA.Signing.PrivateKey = {
        do { return try _RSA.Signing.PrivateKey(keySize: .bits2048) } catch { preconditionFailure("no key: \(error)") }
    }()

    var objectID = user
    /// `nil` for a token that names none.
    var application: String? = TestToken.application
    var audience = "https://storage.azure.com"
    var groups: [String] = []
    var validFor: Int64 = 3600

    /// The issuer's key set.
    static func keys() throws -> [UInt8] {
        let numbers = try key.publicKey.getKeyPrimitives()
        let (modulus, exponent) = (base64URL(Array(numbers.modulus)), base64URL(Array(numbers.publicExponent)))
        return Array(#"{"keys":[{"kty":"RSA","use":"sig","kid":"k","n":"\#(modulus)","e":"\#(exponent)"}]}"#.utf8)
    }

    func text(_ fixture: Fixture) throws -> String {
        let now = fixture.world.now.seconds
        let party = application.map { "\"azp\":\"\($0)\"," } ?? ""
        let list = groups.map { "\"\($0)\"" }.joined(separator: ",")
        let claims = """
            {"iss":"https://login.microsoftonline.com/\(Self.tenant)/v2.0","aud":"\(audience)","tid":"\(Self.tenant)",\
            "oid":"\(objectID)",\(party)"ver":"2.0","iat":\(now - 60),"nbf":\(now - 60),\
            "exp":\(now + validFor),"groups":[\(list)]}
            """
        let head = Self.base64URL(Array(#"{"typ":"JWT","alg":"RS256","kid":"k"}"#.utf8))
        let signed = head + "." + Self.base64URL(Array(claims.utf8))
        let signature = try Self.key.signature(
            for: SHA256.hash(data: Array(signed.utf8)), padding: .insecurePKCS1v1_5)
        return signed + "." + Self.base64URL(Array(signature.rawRepresentation))
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        Base64.encode(bytes).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

extension Fixture {
    /// A request with a token, over TLS.
    func send(
        _ method: HTTPMethod, _ pathAndQuery: String, token: TestToken, _ headers: [(String, String)] = [],
        body: [UInt8]? = nil, version: String? = "2023-11-03"
    ) async throws -> Reply {
        await send(
            method, pathAndQuery, headers + [("Authorization", "Bearer " + (try token.text(self)))], body: body,
            version: version, signing: .none, from: Fixture.tlsPeer)
    }

    @discardableResult
    func assign(
        _ role: Role, to assignee: RoleAssignment.Assignee = .object(TestToken.user),
        scope: RoleAssignment.Scope = .account
    ) async throws -> RoleAssignment {
        try await access.assignRole(
            role, to: assignee, tenant: nil, scope: scope, in: try AccountName(validating: Self.account))
    }
}
