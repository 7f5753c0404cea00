import Testing

@testable import Tokens

@Suite("When keys are fetched")
struct KeyRingTests {
    private static let second: Int64 = 1_000_000_000

    private enum Answer: Equatable {
        case found(freshFor: Int64), fetch, wait, unknown, unavailable
    }

    private static func key(_ test: TestKey) throws -> VerificationKey {
        try #require(KeySetDocument.keys(keySet([test.jwk()])).first)
    }

    private func ask(_ ring: inout KeyRing, _ id: String, at second: Int64) -> Answer {
        switch ring.ask(id, at: second * Self.second) {
        case .found(_, let freshUntil): .found(freshFor: freshUntil / Self.second - second)
        case .fetch: .fetch
        case .wait: .wait
        case .unknown: .unknown
        case .unavailable: .unavailable
        }
    }

    private func take(_ ring: inout KeyRing, _ keys: [VerificationKey], at second: Int64) -> [String] {
        ring.take(keys, at: second * Self.second).map(\.id)
    }

    @Test func oneFetchForAll() throws {
        var ring = KeyRing(limits: SigningKeyLimits())
        #expect(ask(&ring, "key-1", at: 0) == .fetch)
        #expect(ask(&ring, "key-1", at: 0) == .wait)
        #expect(ask(&ring, "other", at: 0) == .wait)
        #expect(take(&ring, [try Self.key(.one)], at: 1) == [])
        #expect(ask(&ring, "key-1", at: 1) == .found(freshFor: 86_400))
        #expect(ask(&ring, "other", at: 1) == .unknown)
    }

    @Test func unknownKeysFetchOnceInAWhile() throws {
        var ring = KeyRing(limits: SigningKeyLimits())
        _ = ask(&ring, "key-1", at: 0)
        _ = take(&ring, [try Self.key(.one)], at: 0)
        for time in [0, 1, 29] as [Int64] { #expect(ask(&ring, "garbage-\(time)", at: time) == .unknown) }
        #expect(ask(&ring, "garbage", at: 30) == .fetch)
        // Whoever comes meanwhile with a known key is not held up.
        #expect(ask(&ring, "key-1", at: 30) == .found(freshFor: 86_370))
        _ = take(&ring, [try Self.key(.one)], at: 31)
        #expect(ask(&ring, "garbage", at: 60) == .unknown)
        #expect(ask(&ring, "garbage", at: 61) == .fetch)
    }

    @Test func oldKeysGoOnWhenTheirIssuerIsAway() throws {
        var ring = KeyRing(limits: SigningKeyLimits())
        _ = ask(&ring, "key-1", at: 0)
        _ = take(&ring, [try Self.key(.one)], at: 0)
        #expect(ask(&ring, "key-1", at: 86_399) == .found(freshFor: 1))
        #expect(ask(&ring, "key-1", at: 86_400) == .fetch)
        #expect(ask(&ring, "key-1", at: 86_401) == .found(freshFor: 0))
        ring.fail(at: 86_402 * Self.second)
        #expect(ask(&ring, "key-1", at: 86_402) == .found(freshFor: 30))
        #expect(ask(&ring, "key-2", at: 86_402) == .unavailable)
        #expect(ask(&ring, "key-1", at: 86_432) == .fetch)
        #expect(take(&ring, [try Self.key(.one), try Self.key(.two)], at: 86_433) == [])
        #expect(ask(&ring, "key-2", at: 86_434) == .found(freshFor: 86_399))
    }

    @Test func withoutAnyKeyItTriesSooner() {
        var ring = KeyRing(limits: SigningKeyLimits())
        #expect(ask(&ring, "key-1", at: 0) == .fetch)
        ring.fail(at: 2 * Self.second)
        #expect(ask(&ring, "key-1", at: 6) == .unavailable)
        #expect(ask(&ring, "key-1", at: 7) == .fetch)
        #expect(ask(&ring, "key-1", at: 7) == .wait)
    }

    @Test func aLookThatIsOrderedDuringAFetch() throws {
        var ring = KeyRing(limits: SigningKeyLimits())
        #expect(ask(&ring, "key-1", at: 0) == .fetch)
        ring.makeDue()
        #expect(ask(&ring, "key-1", at: 0) == .wait)
        #expect(take(&ring, [try Self.key(.one)], at: 1) == [])
        // The order holds once, whatever comes of it.
        #expect(ask(&ring, "key-1", at: 1) == .fetch)
        ring.makeDue()
        #expect(ask(&ring, "key-1", at: 1) == .found(freshFor: 0))
        ring.fail(at: 2 * Self.second)
        #expect(ask(&ring, "key-2", at: 2) == .fetch)
        ring.fail(at: 2 * Self.second)
        #expect(ask(&ring, "key-2", at: 2) == .unavailable)
        #expect(ask(&ring, "key-1", at: 2) == .found(freshFor: 30))
    }

    @Test func whatIsGoneIsSaid() throws {
        var ring = KeyRing(limits: SigningKeyLimits())
        let one = try Self.key(.one)
        #expect(take(&ring, [one, try Self.key(.two)], at: 0) == [])
        // The same key again is no other key.
        #expect(take(&ring, [try Self.key(.one)], at: 1) == ["key-2"])
        guard case .found(let kept, _) = ring.ask("key-1", at: Self.second) else {
            Issue.record("the key is gone")
            return
        }
        #expect(kept === one)
        // Another key under its name is.
        let impostor = try #require(
            KeySetDocument.keys(keySet([TestKey.two.jwk(["kid": "\"key-1\""])])).first)
        #expect(take(&ring, [impostor], at: 2) == ["key-1"])
    }

    @Test func givenKeysAreNeverFetched() throws {
        var ring = KeyRing(limits: nil)
        #expect(take(&ring, [try Self.key(.one)], at: 0) == [])
        #expect(ask(&ring, "key-2", at: 1_000_000) == .unknown)
        #expect(ask(&ring, "key-1", at: 0) == .found(freshFor: Int64.max / Self.second))
    }
}

@Suite("Documents with keys")
struct KeySetDocumentTests {
    @Test func keysThatCanBeUsed() throws {
        let rows: [(String, [String: String], Bool)] = [
            ("as it is", [:], true), ("without use", ["use": "\"sig\""], true),
            ("with alg", ["alg": "\"RS256\""], true),
            ("to verify", ["key_ops": "[\"verify\"]"], true), ("to sign", ["key_ops": "[\"sign\"]"], false),
            ("for encryption", ["use": "\"enc\""], false), ("for RS512", ["alg": "\"RS512\""], false),
            ("for HS256", ["alg": "\"HS256\""], false), ("for nothing known", ["alg": "null"], false),
            ("elliptic", ["kty": "\"EC\""], false), ("symmetric", ["kty": "\"oct\"", "k": "\"AAAA\""], false),
            ("nameless", ["kid": "\"\""], false), ("with a number for a name", ["kid": "1"], false),
            ("padded", ["e": "\"AQAB=\""], false), ("with an exponent of 1", ["e": "\"AQ\""], false),
            ("with an even exponent", ["e": "\"Ag\""], false), ("with no exponent", ["e": "\"\""], false),
            ("with no modulus", ["n": "\"\""], false), ("with a tiny modulus", ["n": "\"AQAB\""], false),
            ("with a huge modulus", ["n": "\"\(String(repeating: "_", count: 1400))\""], false),
            ("with an issuer", ["issuer": "\"https://login.microsoftonline.com/{tenantid}/v2.0\""], true),
            ("with an issuer that is a number", ["issuer": "1"], false),
        ]
        for (name, members, isUsable) in rows {
            let keys = try KeySetDocument.keys(keySet([try TestKey.two.jwk(), try TestKey.one.jwk(members)]))
            #expect(keys.count == (isUsable ? 2 : 1), "\(name)")
        }
        #expect(throws: DocumentProblem.self) { try KeySetDocument.keys(keySet([try TestKey.short.jwk()])) }
    }

    @Test func bounds() throws {
        let many = try (0..<70).map { try TestKey.one.jwk(["kid": "\"k\($0)\""]) }
        #expect(try KeySetDocument.keys(keySet(many)).map(\.id) == (0..<64).map { "k\($0)" })
        let twice = [try TestKey.one.jwk(), try TestKey.two.jwk(["kid": "\"key-1\""])]
        #expect(try KeySetDocument.keys(keySet(twice)).count == 1)
        for text in ["", "[]", "{}", "{\"keys\":[]}", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}"] {
            #expect(throws: DocumentProblem.self, "\(text)") { try KeySetDocument.keys(Array(text.utf8)) }
        }
        let blanks = Array(repeating: UInt8(ascii: " "), count: 1 << 20)
        #expect(throws: DocumentProblem.self) { try KeySetDocument.keys(keySet([try TestKey.one.jwk()]) + blanks) }
    }
}
