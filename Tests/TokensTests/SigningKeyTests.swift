import Access
import StorageModel
import StorageTestKit
import Testing

@testable import Tokens

@Suite("Signing keys over time")
struct SigningKeyTests {
    @Test func aTokenThatIsKnownAsksNobody() async throws {
        let fixture = try TokenFixture()
        for _ in 0..<5 { try await fixture.verify(.versionOne()) }
        #expect(
            fixture.documents.fetched == [
                "\(TokenFixture.tenantURL)/.well-known/openid-configuration",
                "\(TokenFixture.authority)/common/discovery/keys",
            ])
        try await fixture.verify(.versionTwo())
        #expect(fixture.documents.fetched.count == 4)
        #expect(fixture.documents.fetched[2].contains("/v2.0/"))
    }

    @Test func rotation() async throws {
        let fixture = try TokenFixture(keys: [.one])
        let old = TestToken.versionOne()
        let new = TestToken.versionOne().signed(by: .two)
        try await fixture.verify(old)
        // The issuer gets a second key: within the pause nobody looks.
        try fixture.publish([.one, .two])
        #expect(try await fixture.refusal(new) == .keyUnknown)
        fixture.world.advance(seconds: 30)
        try await fixture.verify(new)
        try await fixture.verify(old)
        // It takes the first one away: at the next look, tokens of that key stop counting, remembered or not.
        try fixture.publish([.two])
        try await fixture.verify(old)
        fixture.world.advance(seconds: 30)
        #expect(try await fixture.refusal(new.withHeader("kid", "\"key-3\"")) == .keyUnknown)
        #expect(try await fixture.refusal(old) == .keyUnknown)
        #expect(try await fixture.refusal(old.with("x", "1")) == .keyUnknown)
        try await fixture.verify(new)
    }

    @Test func dailyLook() async throws {
        let fixture = try TokenFixture(keys: [.one])
        let token = TestToken.versionOne().with("exp", "\(TestToken.now + 300_000)")
        try await fixture.verify(token)
        try fixture.publish([.two])
        fixture.world.advance(seconds: 86_399)
        try await fixture.verify(token)
        #expect(fixture.keyFetches == 1)
        fixture.world.advance(seconds: 1)
        #expect(try await fixture.refusal(token) == .keyUnknown)
        #expect(fixture.keyFetches == 2)
    }

    @Test func aLookToOrder() async throws {
        let fixture = try TokenFixture(keys: [.one])
        try await fixture.verify(.versionOne())
        try fixture.publish([.two])
        try await fixture.verify(.versionOne())
        fixture.verifier.lookAtKeysAgain()
        #expect(try await fixture.refusal(TestToken.versionOne()) == .keyUnknown)
        try await fixture.verify(TestToken.versionOne().signed(by: .two))
        #expect(fixture.keyFetches == 2)
    }

    @Test func anIssuerThatIsAway() async throws {
        let fixture = try TokenFixture(keys: [.one])
        let token = TestToken.versionOne().with("exp", "\(TestToken.now + 300_000)")
        try await fixture.verify(token)
        fixture.documents.publish(nil, at: "\(TokenFixture.authority)/common/discovery/keys")
        fixture.world.advance(seconds: 86_400)
        for _ in 0..<3 { try await fixture.verify(token) }
        #expect(fixture.keyFetches == 2)
        #expect(try await fixture.refusal(token.signed(by: .two)) == .keysUnavailable)
        fixture.world.advance(seconds: 30)
        try await fixture.verify(token)
        #expect(fixture.keyFetches == 3)
        // An empty key set is a mistake of the issuer's, not the end of all tokens.
        fixture.documents.publish(keySet([]), at: "\(TokenFixture.authority)/common/discovery/keys")
        fixture.world.advance(seconds: 30)
        try await fixture.verify(token)
        #expect(fixture.keyFetches == 4)
    }

    @Test func neverThere() async throws {
        let fixture = try TokenFixture()
        fixture.documents.publish(nil, at: "\(TokenFixture.tenantURL)/.well-known/openid-configuration")
        for _ in 0..<3 { #expect(try await fixture.refusal(TestToken.versionOne()) == .keysUnavailable) }
        #expect(TokenRefusal.keysUnavailable.isTemporary)
        #expect(fixture.documents.fetched.count == 1)
        fixture.publishDiscovery()
        fixture.world.advance(seconds: 5)
        try await fixture.verify(.versionOne())
    }

    @Test func madeUpKeysAreNoLoad() async throws {
        let fixture = try TokenFixture()
        try await fixture.verify(.versionOne())
        for index in 0..<200 {
            let token = TestToken.versionOne().withHeader("kid", "\"made-up-\(index)\"")
            #expect(await fixture.refusal(token.text(signature: [1])) == .keyUnknown)
        }
        #expect(fixture.keyFetches == 1)
        fixture.world.advance(seconds: 30)
        for index in 0..<200 {
            let token = TestToken.versionOne().withHeader("kid", "\"made-up-\(index)\"")
            #expect(await fixture.refusal(token.text(signature: [1])) == .keyUnknown)
        }
        #expect(fixture.keyFetches == 2)
    }

    @Test(arguments: ["https://login.example.net/{tenantid}/v2.0", "https://sts.windows.net/{tenantid}", ""])
    func aDiscoveryDocumentOfAnotherIssuer(issuer: String) async throws {
        let fixture = try TokenFixture()
        fixture.discovery(
            "\(TokenFixture.tenantURL)/.well-known/openid-configuration", issuer: issuer,
            keys: "\(TokenFixture.authority)/common/discovery/keys")
        #expect(try await fixture.refusal(TestToken.versionOne()) == .keysUnavailable)
        #expect(fixture.keyFetches == 0)
    }

    @Test func aKeyOfAnotherTenant() async throws {
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0"
        for (issuer, refusal) in [
            (template, nil), ("https://sts.windows.net/\(TestToken.tenant)/", nil),
            (template.replacing("{tenantid}", with: TestToken.otherTenant), TokenRefusal.keyUnknown),
        ] {
            let fixture = try TokenFixture()
            fixture.documents.publish(
                keySet([try TestKey.one.jwk(["issuer": "\"\(issuer)\""])]),
                at: "\(TokenFixture.authority)/common/discovery/keys")
            #expect(try await fixture.refusal(TestToken.versionOne()) == refusal, "\(issuer)")
        }
    }

    /// Who may sign for one tenant signs for that one alone, though both are trusted.
    @Test func tenantsDoNotSignForEachOther() async throws {
        let fixture = try TokenFixture(keys: [.one])
        let other = TestToken.otherTenant
        let verifier = try TokenVerifier(
            TokenPolicy(tenants: [TestToken.tenant, other]), keys: .provider(fixture.documents),
            world: fixture.world.world, logger: quietLogger)
        let base = "\(TokenFixture.authority)/\(other)"
        fixture.discovery(
            "\(base)/v2.0/.well-known/openid-configuration", issuer: "\(base)/v2.0", keys: "\(base)/keys")
        fixture.documents.publish(keySet([try TestKey.two.jwk()]), at: "\(base)/keys")
        let theirs = TestToken.versionTwo().with("iss", "\"\(base)/v2.0\"").with("tid", "\"\(other)\"")
        let rows: [(TestToken, TokenRefusal?)] = [
            (.versionTwo(), nil), (theirs.signed(by: .two), nil), (theirs.signed(by: .one), .keyUnknown),
            (TestToken.versionTwo().signed(by: .two), .keyUnknown),
        ]
        for (token, refusal) in rows {
            let found: TokenRefusal?
            do {
                _ = try await verifier.verify(token.text(), audienceAccount: TokenFixture.account)
                found = nil
            } catch { found = error as? TokenRefusal }
            #expect(found == refusal)
        }
    }

    @Test func manyAtOnceFetchOnce() async throws {
        let fixture = try TokenFixture(keys: [.one])
        fixture.documents.hold()
        try await withThrowingTaskGroup(of: TokenRefusal?.self) { group in
            for index in 0..<50 {
                let token = TestToken.versionOne().with("x", "\(index)")
                group.addTask { try await fixture.refusal(index % 2 == 0 ? token : token.signed(by: .two)) }
            }
            await fixture.documents.untilFetched(count: 1)
            for _ in 0..<200 { await Task.yield() }
            fixture.documents.release()
            var refused = 0
            for try await refusal in group where refusal != nil {
                #expect(refusal == .keyUnknown)
                refused += 1
            }
            #expect(refused == 25)
        }
        #expect(fixture.documents.fetched.count == 2)
    }

    /// Requests that wait hold places of the node before anybody knows who they are: there is room for so many.
    @Test func fewWait() async throws {
        let fixture = try TokenFixture(keys: [.one])
        let room = SigningKeyLimits().maximumWaiting
        #expect(room == 64)
        let text = try TestToken.versionOne().text()
        fixture.documents.hold()
        let ended = Locked(0)
        try await withThrowingTaskGroup(of: TokenRefusal?.self) { group in
            // One fetches, and there are five too many.
            for _ in 0..<(1 + room + 5) {
                group.addTask {
                    let refusal = await fixture.refusal(text)
                    ended.withLock { $0 += 1 }
                    return refusal
                }
            }
            for _ in 0..<200_000 where ended.withLock({ $0 }) < 5 { await Task.yield() }
            #expect(ended.withLock { $0 } == 5)
            fixture.documents.release()
            var refusals: [TokenRefusal] = []
            for try await refusal in group { if let refusal { refusals.append(refusal) } }
            #expect(refusals == Array(repeating: .keysUnavailable, count: 5))
        }
        try await fixture.verify(.versionOne())
    }

    /// An order to look, for a key that has to go today, is not met by a look that began before it.
    @Test func aLookToOrderDuringALook() async throws {
        let fixture = try TokenFixture(keys: [.one])
        let text = try TestToken.versionOne().text()
        fixture.documents.hold()
        try await withThrowingTaskGroup(of: TokenRefusal?.self) { group in
            group.addTask { await fixture.refusal(text) }
            await fixture.documents.untilFetched(count: 1)
            fixture.verifier.lookAtKeysAgain()
            fixture.documents.release()
            for try await refusal in group { #expect(refusal == nil) }
        }
        #expect(fixture.keyFetches == 2)
        try await fixture.verify(.versionOne())
        #expect(fixture.keyFetches == 2)
    }

    /// While somebody looks for new keys, those with known ones go on; and what was verified with a key that the look
    /// takes away is not remembered.
    @Test func knownKeysDoNotWait() async throws {
        let fixture = try TokenFixture(keys: [.one])
        let old = TestToken.versionOne()
        try await fixture.verify(old)
        try fixture.publish([.two])
        fixture.world.advance(seconds: 30)
        fixture.documents.hold()
        try await withThrowingTaskGroup(of: TokenRefusal?.self) { group in
            group.addTask { try await fixture.refusal(old.signed(by: .two)) }
            await fixture.documents.untilFetched(count: 3)
            for index in 0..<5 { try await fixture.verify(old.with("x", "\(index)")) }
            fixture.documents.release()
            for try await refusal in group { #expect(refusal == nil) }
        }
        for index in 0..<5 { #expect(try await fixture.refusal(old.with("x", "\(index)")) == .keyUnknown) }
        #expect(try await fixture.refusal(old) == .keyUnknown)
    }

    @Test func fromADocument() async throws {
        let world = TokenFixture.self
        let documents = try TokenVerifier(
            TokenPolicy(tenants: [TestToken.tenant]), keys: .document(keySet([try TestKey.one.jwk()])),
            world: try TokenFixture().world.world, logger: quietLogger)
        let one = try TestToken.versionOne().text()
        let two = try TestToken.versionTwo().signed(by: .two).text()
        _ = try await documents.verify(one, audienceAccount: world.account)
        await #expect(throws: TokenRefusal.keyUnknown) {
            try await documents.verify(two, audienceAccount: world.account)
        }
        #expect(throws: StorageFailure.self) { try documents.replaceKeys(Array("{}".utf8)) }
        _ = try await documents.verify(one, audienceAccount: world.account)
        try documents.replaceKeys(keySet([try TestKey.two.jwk()]))
        await #expect(throws: TokenRefusal.keyUnknown) {
            try await documents.verify(one, audienceAccount: world.account)
        }
        _ = try await documents.verify(two, audienceAccount: world.account)
        #expect(throws: StorageFailure.self) {
            try TokenVerifier(
                TokenPolicy(tenants: [TestToken.tenant]), keys: .document([]), world: .system, logger: quietLogger)
        }
    }
}

@Suite("Remembered tokens")
struct TokenCacheTests {
    private func entry(_ key: VerificationKey, endsAt: Int64 = 100, freshUntil: Int64 = 1_000) -> TokenCache.Entry {
        TokenCache.Entry(
            token: VerifiedToken(
                identity: .init(tenantID: "t", objectID: "o"), expiresAt: Timestamp(seconds: endsAt), hash: ""),
            reach: .everyAccount, key: key, endsAt: Timestamp(seconds: endsAt), freshUntilMonotonic: freshUntil)
    }

    private static func key(_ test: TestKey) throws -> VerificationKey {
        try #require(KeySetDocument.keys(keySet([test.jwk()])).first)
    }

    private func isThere(_ cache: TokenCache, _ name: String, at seconds: Int64 = 0, monotonic: Int64 = 0) -> Bool {
        cache.find(TokenDigest(name), at: Timestamp(seconds: seconds), monotonic: monotonic) != nil
    }

    @Test func untilItEnds() throws {
        let cache = TokenCache(capacity: 10)
        cache.insert(entry(try Self.key(.one)), for: TokenDigest("a"), epoch: 0)
        #expect(isThere(cache, "a", at: 99, monotonic: 999))
        #expect(!isThere(cache, "a", at: 100))
        #expect(!isThere(cache, "a", monotonic: 1_000))
        #expect(!isThere(cache, "b"))
    }

    @Test func bounded() throws {
        let cache = TokenCache(capacity: 100)
        let key = try Self.key(.one)
        for index in 0..<1_000 {
            cache.insert(entry(key), for: TokenDigest("\(index)"), epoch: 0)
            #expect(cache.count <= 100)
            // What is used stays.
            #expect(isThere(cache, "0"))
        }
        #expect(isThere(cache, "999"))
        #expect(!isThere(cache, "1"))
    }

    @Test func droppedKeys() throws {
        let cache = TokenCache(capacity: 4)
        let (one, two) = (try Self.key(.one), try Self.key(.two))
        for name in ["a", "b", "c"] { cache.insert(entry(one), for: TokenDigest(name), epoch: 0) }
        cache.insert(entry(two), for: TokenDigest("d"), epoch: 0)
        let before = cache.epoch
        cache.drop(keys: [one])
        #expect(["a", "b", "c", "d"].filter { isThere(cache, $0) } == ["d"])
        // Verified before, remembered after: too late.
        cache.insert(entry(one), for: TokenDigest("e"), epoch: before)
        #expect(!isThere(cache, "e"))
        cache.insert(entry(two), for: TokenDigest("f"), epoch: cache.epoch)
        #expect(isThere(cache, "f"))
    }
}
