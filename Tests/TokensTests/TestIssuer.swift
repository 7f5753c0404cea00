import Crypto
import CryptoExtras
import Foundation
import Logging
import StorageModel
import StorageTestKit

@testable import Tokens

/// An RSA key of an issuer, made when the tests begin.
struct TestKey: Sendable {
    let id: String
    let key: _RSA.Signing.PrivateKey

    init(_ id: String, bits: Int = 2048) {
        self.id = id
        do { key = try _RSA.Signing.PrivateKey(unsafeKeySize: .init(bitCount: bits)) } catch {
            preconditionFailure("no key: \(error)")
        }
    }

    static let one = TestKey("key-1")
    static let two = TestKey("key-2")
    static let short = TestKey("key-short", bits: 1024)

    func sign(_ text: String, _ padding: _RSA.Signing.Padding = .insecurePKCS1v1_5) throws -> [UInt8] {
        Array(try key.signature(for: SHA256.hash(data: Array(text.utf8)), padding: padding).rawRepresentation)
    }

    /// As a member of a key set; `members` are added or replace.
    func jwk(_ members: [String: String] = [:]) throws -> String {
        let numbers = try key.publicKey.getKeyPrimitives()
        var all = [
            "kty": "\"RSA\"", "use": "\"sig\"", "kid": "\"\(id)\"", "n": "\"\(base64URL(Array(numbers.modulus)))\"",
            "e": "\"\(base64URL(Array(numbers.publicExponent)))\"", "x5t": "\"\(id)\"", "x5c": "[\"AAAA\"]",
        ]
        all.merge(members) { $1 }
        return "{" + all.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
    }
}

let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

func keySet(_ keys: [String]) -> [UInt8] { Array("{\"keys\":[\(keys.joined(separator: ","))]}".utf8) }

func base64URL(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

/// A token in the making: names with JSON texts, in the order in which they will stand.
struct TestToken: Sendable {
    var header = [("typ", "\"JWT\""), ("alg", "\"RS256\""), ("kid", "\"key-1\"")]
    var payload: [(String, String)]
    var key = TestKey.one

    static let tenant = "11111111-2222-3333-4444-5555555555aa"
    static let otherTenant = "99999999-2222-3333-4444-5555555555bb"
    static let user = "aaaaaaaa-0000-0000-0000-000000000001"
    static let application = "bbbbbbbb-0000-0000-0000-000000000002"
    static let now = TestWorld.start.seconds

    static func versionOne() -> TestToken {
        TestToken(payload: [
            ("aud", "\"https://storage.azure.com/\""), ("iss", "\"https://sts.windows.net/\(tenant)/\""),
            ("iat", "\(now - 60)"), ("nbf", "\(now - 60)"), ("exp", "\(now + 3600)"), ("appid", "\"\(application)\""),
            ("oid", "\"\(user)\""), ("tid", "\"\(tenant)\""), ("scp", "\"user_impersonation\""),
            ("upn", "\"mara@example.net\""), ("ver", "\"1.0\""),
        ])
    }

    static func versionTwo() -> TestToken {
        versionOne().with("iss", "\"https://login.microsoftonline.com/\(tenant)/v2.0\"").with("ver", "\"2.0\"")
            .with("appid", nil).with("azp", "\"\(application)\"").with("aud", "\"https://storage.azure.com\"")
    }

    /// The claim with this JSON text, or without it.
    func with(_ claim: String, _ json: String?) -> TestToken { change(claim, json, in: \.payload) }
    func withHeader(_ name: String, _ json: String?) -> TestToken { change(name, json, in: \.header) }

    func signed(by key: TestKey) -> TestToken {
        var token = withHeader("kid", "\"\(key.id)\"")
        token.key = key
        return token
    }

    private func change(
        _ name: String, _ json: String?, in part: WritableKeyPath<TestToken, [(String, String)]>
    ) -> TestToken {
        var token = self
        token[keyPath: part].removeAll { $0.0 == name }
        if let json { token[keyPath: part].append((name, json)) }
        return token
    }

    /// Header and payload, encoded and joined.
    var unsigned: String {
        [header, payload].map { members in
            let text = members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",")
            return base64URL(Array("{\(text)}".utf8))
        }.joined(separator: ".")
    }

    func text() throws -> String { "\(unsigned).\(base64URL(try key.sign(unsigned)))" }

    /// With other bytes for a signature.
    func text(signature: [UInt8]) -> String { "\(unsigned).\(base64URL(signature))" }
}

/// A verifier, the issuer that it trusts, and the clock of both.
struct TokenFixture: Sendable {
    static let account: AccountName = {
        do { return try AccountName(validating: "harbor") } catch { preconditionFailure("\(error)") }
    }()
    static let authority = "https://login.microsoftonline.com"
    static let tenantURL = "\(authority)/\(TestToken.tenant)"

    let world = TestWorld()
    let documents = InMemoryWebDocuments()
    let verifier: TokenVerifier

    init(
        keys: [TestKey] = [.one], audiences: [String] = [], suffixes: [String] = [], cacheCapacity: Int = 100
    ) throws {
        let policy = TokenPolicy(
            tenants: [TestToken.tenant], audiences: audiences, domainSuffixes: suffixes)
        verifier = try TokenVerifier(
            policy, keys: .provider(documents), world: world.world, logger: quietLogger, cacheCapacity: cacheCapacity)
        try publish(keys)
        publishDiscovery()
    }

    func publish(_ keys: [TestKey]) throws {
        let document = keySet(try keys.map { try $0.jwk() })
        documents.publish(document, at: "\(Self.tenantURL)/discovery/v2.0/keys")
        documents.publish(document, at: "\(Self.authority)/common/discovery/keys")
    }

    func publishDiscovery() {
        discovery(
            "\(Self.tenantURL)/v2.0/.well-known/openid-configuration", issuer: "\(Self.authority)/{tenantid}/v2.0",
            keys: "\(Self.tenantURL)/discovery/v2.0/keys")
        discovery(
            "\(Self.tenantURL)/.well-known/openid-configuration",
            issuer: "https://sts.windows.net/\(TestToken.tenant)/", keys: "\(Self.authority)/common/discovery/keys")
    }

    func discovery(_ url: String, issuer: String, keys: String) {
        documents.publish(
            Array("{\"issuer\":\"\(issuer)\",\"jwks_uri\":\"\(keys)\",\"x\":[1.5e3,null,true]}".utf8), at: url)
    }

    /// As often as keys were fetched.
    var keyFetches: Int { documents.fetched.count { $0.hasSuffix("/keys") } }

    @discardableResult
    func verify(_ token: TestToken, account: AccountName = account) async throws -> VerifiedToken {
        try await verifier.verify(token.text(), audienceAccount: account)
    }

    func refusal(_ token: String, account: AccountName = account) async -> TokenRefusal? {
        do {
            _ = try await verifier.verify(token, audienceAccount: account)
            return nil
        } catch { return error }
    }

    func refusal(_ token: TestToken, account: AccountName = account) async throws -> TokenRefusal? {
        await refusal(try token.text(), account: account)
    }
}
