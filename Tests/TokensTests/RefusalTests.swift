import Access
import Crypto
import CryptoExtras
import Foundation
import StorageModel
import Testing

@testable import Tokens

@Suite("Tokens that do not count")
struct RefusalTests {
    struct Row: Sendable, CustomStringConvertible {
        var description: String
        var refusal: TokenRefusal
        var token: @Sendable () throws -> String

        init(_ name: String, _ refusal: TokenRefusal, _ token: @escaping @Sendable () throws -> TestToken) {
            description = name
            self.refusal = refusal
            self.token = { try token().text() }
        }

        init(_ name: String, _ refusal: TokenRefusal, text: @escaping @Sendable () throws -> String) {
            description = name
            self.refusal = refusal
            token = text
        }
    }

    private static func one() -> TestToken { .versionOne() }
    private static let now = TestToken.now

    static let claims: [Row] = [
        Row("expired", .expired) { one().with("exp", "\(now - 300)") },
        Row("not valid yet", .notYetValid) { one().with("nbf", "\(now + 301)") },
        Row("issued in the future", .notYetValid) { one().with("iat", "\(now + 301)") },
        Row("for Graph", .audience) { one().with("aud", "\"https://graph.microsoft.com\"") },
        Row("for another account", .audience) { one().with("aud", "\"https://quarry.blob.core.windows.net\"") },
        Row("for a longer account", .audience) { one().with("aud", "\"https://xharbor.blob.core.windows.net\"") },
        Row("for a host in a suffix", .audience) { one().with("aud", "\"https://harbor.evil.blob.core.windows.net\"") },
        Row("for a suffix's suffix", .audience) { one().with("aud", "\"https://harbor.blob.core.windows.net.evil\"") },
        Row("for the account over http", .audience) { one().with("aud", "\"http://harbor.blob.core.windows.net\"") },
        Row("for a path", .audience) { one().with("aud", "\"https://storage.azure.com/x\"") },
        Row("for nobody", .audience) { one().with("aud", "\"\"") },
        Row("of another tenant", .issuer) {
            one().with("iss", "\"https://sts.windows.net/\(TestToken.otherTenant)/\"").with(
                "tid", "\"\(TestToken.otherTenant)\"")
        },
        Row("of another issuer", .issuer) { one().with("iss", "\"https://sts.example.net/\(TestToken.tenant)/\"") },
        Row("of an issuer without its slash", .issuer) {
            one().with("iss", "\"https://sts.windows.net/\(TestToken.tenant)\"")
        },
        Row("of version 1 from the other host", .issuer) {
            one().with("iss", "\"https://login.microsoftonline.com/\(TestToken.tenant)/\"")
        },
        Row("whose tenant is not its issuer's", .tenant) { one().with("tid", "\"\(TestToken.otherTenant)\"") },
        Row("version 3", .claimInvalid(.ver)) { one().with("ver", "\"3.0\"") },
        Row("an object id that is none", .claimInvalid(.oid)) { one().with("oid", "\"mara\"") },
        Row("an object id without hyphens", .claimInvalid(.oid)) {
            one().with("oid", "\"aaaaaaaa000000000000000000000001\"")
        },
        Row("an application id that is none", .claimInvalid(.appid)) { one().with("appid", "\"app\"") },
        Row("groups that are a text", .claimInvalid(.groups)) { one().with("groups", "\"a\"") },
        Row("a time that is a text", .claimInvalid(.exp)) { one().with("exp", "\"\(now + 3600)\"") },
        Row("a time with an exponent", .claimInvalid(.exp)) { one().with("exp", "1e12") },
        Row("a time beyond all dates", .claimInvalid(.exp)) { one().with("exp", "\(Int64.max)") },
        Row("a time before all dates", .claimInvalid(.nbf)) { one().with("nbf", "-1") },
        Row("an issuer of other letters", .claimInvalid(.iss)) {
            one().with("iss", "\"https://sts.windows.n\u{e9}t/\"")
        },
        Row("an audience that is a number", .claimInvalid(.aud)) { one().with("aud", "1") },
        Row("an audience that is an empty list", .claimInvalid(.aud)) { one().with("aud", "[]") },
        Row("an audience among other things", .claimInvalid(.aud)) {
            one().with("aud", "[\"https://storage.azure.com\",1]")
        },
    ]

    static let missing: [Row] = [TokenRefusal.Claim.iss, .aud, .exp, .nbf, .iat, .tid, .oid].flatMap { claim in
        [
            Row("without \(claim)", .claimMissing(claim)) { one().with(claim.rawValue, nil) },
            Row("with null for \(claim)", .claimMissing(claim)) { one().with(claim.rawValue, "null") },
        ]
    }

    static let signatures: [Row] = [
        Row("alg none, no signature", .algorithm, text: { one().withHeader("alg", "\"none\"").text(signature: []) }),
        Row("alg None", .algorithm, text: { one().withHeader("alg", "\"None\"").text(signature: [1]) }),
        Row("alg HS256 with the public key as the secret", .algorithm) {
            // What a verifier that believes the header would compute with the key that everybody can read.
            one().withHeader("alg", "\"HS256\"")
        },
        Row(
            "HS256's code under RS256's name", .signature,
            text: {
                let token = one()
                let secret = SymmetricKey(data: Array(token.key.key.publicKey.pemRepresentation.utf8))
                let code = HMAC<SHA256>.authenticationCode(for: Array(token.unsigned.utf8), using: secret)
                return token.text(signature: Array(code))
            }),
        Row(
            "alg HS256 and its code", .algorithm,
            text: {
                let token = one().withHeader("alg", "\"HS256\"")
                let secret = SymmetricKey(data: Array(token.key.key.publicKey.pemRepresentation.utf8))
                let code = HMAC<SHA256>.authenticationCode(for: Array(token.unsigned.utf8), using: secret)
                return token.text(signature: Array(code))
            }),
        Row(
            "alg ES256", .algorithm,
            text: {
                let token = one().withHeader("alg", "\"ES256\"")
                let signature = try P256.Signing.PrivateKey().signature(for: Array(token.unsigned.utf8))
                return token.text(signature: Array(signature.rawRepresentation))
            }),
        Row(
            "alg PS256", .algorithm,
            text: {
                let token = one().withHeader("alg", "\"PS256\"")
                return token.text(signature: try token.key.sign(token.unsigned, .PSS))
            }),
        Row(
            "PS256's signature under RS256's name", .signature,
            text: {
                let token = one()
                return token.text(signature: try token.key.sign(token.unsigned, .PSS))
            }),
        Row("alg RS512", .algorithm) { one().withHeader("alg", "\"RS512\"") },
        Row("alg in small letters", .algorithm) { one().withHeader("alg", "\"rs256\"") },
        Row("alg in a list", .algorithm) { one().withHeader("alg", "[\"RS256\"]") },
        Row("no alg", .algorithm) { one().withHeader("alg", nil) },
        Row(
            "another's key under this one's name", .signature,
            text: {
                let token = one()
                return token.text(signature: try TestKey.two.sign(token.unsigned))
            }),
        Row(
            "a key that it brings along", .signature,
            text: {
                let token = one().withHeader("jwk", try TestKey.two.jwk(["kid": "\"key-1\""]))
                return token.text(signature: try TestKey.two.sign(token.unsigned))
            }),
        Row("crit", .extension) { one().withHeader("crit", "[\"b64\"]").withHeader("b64", "false") },
        Row("crit that is empty", .extension) { one().withHeader("crit", "[]") },
        Row("a proof of possession", .type) { one().withHeader("typ", "\"pop\"") },
        Row("no kid", .keyMissing) { one().withHeader("kid", nil) },
        Row("an empty kid", .keyMissing) { one().withHeader("kid", "\"\"") },
        Row("a kid that is a number", .keyMissing) { one().withHeader("kid", "1") },
        Row("a kid of 257 bytes", .keyMissing) { one().withHeader("kid", "\"\(String(repeating: "k", count: 257))\"") },
        Row("an unknown kid", .keyUnknown) { one().withHeader("kid", "\"key-9\"") },
        Row(
            "a changed claim", .signature,
            text: {
                let parts = try one().text().split(separator: ".")
                let other = one().with("oid", "\"cccccccc-0000-0000-0000-000000000003\"").unsigned.split(separator: ".")
                return "\(parts[0]).\(other[1]).\(parts[2])"
            }),
        Row(
            "a changed header", .signature,
            text: {
                let parts = try one().text().split(separator: ".")
                let other = one().withHeader("x", "1").unsigned.split(separator: ".")
                return "\(other[0]).\(parts[1]).\(parts[2])"
            }),
        Row("a short signature", .signature, text: { one().text(signature: [1, 2, 3]) }),
        Row(
            "a longer signature", .signature, text: { one().text(signature: try one().key.sign(one().unsigned) + [0]) }),
    ]

    static let forms: [Row] = [
        Row("empty", .malformed, text: { "" }), Row("one part", .malformed, text: { "e30" }),
        Row("two parts", .malformed, text: { one().unsigned }),
        Row("four parts", .malformed, text: { try one().text() + ".e30" }),
        Row("five parts", .malformed, text: { try one().text() + ".e30.e30" }),
        Row("padding", .malformed, text: { try one().text() + "=" }),
        Row("the other alphabet", .malformed, text: { "\(one().unsigned).+/+/" }),
        Row("a blank", .malformed, text: { " " + (try one().text()) }),
        Row("no signature", .malformed, text: { one().unsigned + "." }),
        Row(
            "a header that is no JSON", .malformed,
            text: { "AAAA." + one().unsigned.split(separator: ".")[1] + ".AAAA" }),
        Row("a header that is a list", .malformed, text: { base64URL(Array("[]".utf8)) + ".e30.AAAA" }),
        Row(
            "a payload that is no object", .malformed,
            text: {
                "\(one().unsigned.split(separator: ".")[0]).\(base64URL(Array("1".utf8))).AAAA"
            }),
        Row("bytes behind the payload", .malformed) { one().with("z", "1}  x {\"y\":1") },
        Row("a claim twice", .ambiguous) {
            var token = one()
            token.payload.append(("oid", "\"\(TestToken.user)\""))
            return token
        },
        Row("a claim twice, once with an escape", .ambiguous) {
            var token = one()
            token.payload.append(("o\\u0069d", "\"\(TestToken.user)\""))
            return token
        },
        Row("alg twice", .ambiguous) {
            var token = one()
            token.header.append(("alg", "\"none\""))
            return token
        },
        Row("too deep", .malformed) {
            one().with("z", String(repeating: "[", count: 20) + String(repeating: "]", count: 20))
        },
        Row("too large", .tooLarge) { one().with("z", "\"\(String(repeating: "z", count: 16 << 10))\"") },
    ]

    @Test(arguments: claims + missing + signatures + forms) func refused(_ row: Row) async throws {
        let fixture = try TokenFixture()
        #expect(await fixture.refusal(try row.token()) == row.refusal)
        // The issuer and its keys are fine: what is refused is the token.
        #expect(try await fixture.refusal(TestToken.versionOne()) == nil)
    }

    /// All bytes of a token matter, the last bits of its last digit included.
    @Test func everyDigitCounts() async throws {
        let fixture = try TokenFixture()
        let text = try TestToken.versionOne().text()
        try await fixture.verify(.versionOne())
        let digits = Array(text.utf8)
        let positions = stride(from: 0, to: digits.count, by: 7).map { $0 } + [digits.count - 1]
        for position in positions where digits[position] != UInt8(ascii: ".") {
            for other in "AQgw_" where other.asciiValue != digits[position] {
                var changed = digits
                changed[position] = other.asciiValue ?? 0
                let refusal = await fixture.refusal(String(decoding: changed, as: UTF8.self))
                #expect(refusal != nil, "digit \(position) as \(other)")
            }
        }
    }

    @Test(arguments: [TokenRefusal.Claim.appid, .azp, .oid, .tid]) func idsAreLowerCase(
        claim: TokenRefusal.Claim
    ) async throws {
        let fixture = try TokenFixture()
        var token = TestToken.versionOne().with("appid", nil)
        let value = claim == .tid ? TestToken.tenant : TestToken.application
        token = token.with(claim.rawValue, "\"\(value.uppercased())\"")
        let identity = try await fixture.verify(token).identity
        let read = [identity.applicationID, identity.objectID, identity.tenantID]
        #expect(read.contains(value))
        #expect(!read.contains(value.uppercased()))
    }

    @Test func wordsGiveNothingAway() async throws {
        let fixture = try TokenFixture()
        for row in Self.claims + Self.missing + Self.signatures + Self.forms {
            let token = try row.token()
            let words = try #require(await fixture.refusal(token)).description
            #expect(words.hasSuffix("."))
            for part in token.split(separator: ".") where part.count > 8 { #expect(!words.contains(part.prefix(8))) }
            #expect(!words.contains("key-") && !words.contains("mara") && !words.contains(TestToken.tenant))
        }
    }
}
