package import Access
import Crypto
package import Logging
package import StorageModel

/// Decides whether a bearer token of Entra ID, or of an issuer like it, counts for an account.
///
/// Every token that counted is remembered until it expires, until its key is taken out of use or until the keys are due
/// for a look: a hit costs one hash, one lock, one look-up and the comparison of two times.
package final class TokenVerifier: Sendable {
    private let policy: TokenPolicy
    private let keys: SigningKeys
    private let cache: TokenCache
    private let world: World

    /// - Parameters:
    ///   - source: where the issuers' keys come from.
    ///   - cacheCapacity: tokens that are remembered at most.
    /// - Throws: `.invalidInput` when keys are given as a document that has none.
    package init(
        _ policy: TokenPolicy, keys source: SigningKeySource, world: World, logger: Logger,
        limits: SigningKeyLimits = SigningKeyLimits(), cacheCapacity: Int = 16_384
    ) throws(StorageFailure) {
        self.policy = policy
        self.world = world
        let cache = TokenCache(capacity: cacheCapacity)
        self.cache = cache
        keys = try SigningKeys(source, limits: limits, world: world, logger: logger) { cache.drop(keys: $0) }
    }

    /// Where a client without a token gets one: `AUTHORITY/TENANT/oauth2/authorize`, as Azure's challenge says it.
    package var authorizationURL: String { policy.authorizationURL }

    /// Whether tokens of this tenant can count: what its principals signed before counts no longer than their tokens.
    /// - Parameter tenant: a GUID in lower case.
    package func trusts(tenant: String) -> Bool { policy.trusts(tenant: tenant) }

    /// Takes signing keys from a document in place of those that it was given before; tokens of keys that are gone stop
    /// counting at once. For keys that come from a file.
    /// - Throws: `.invalidInput` when there is no usable key in it; then nothing changes.
    package func replaceKeys(_ document: [UInt8]) throws(StorageFailure) { try keys.replace(document) }

    /// Keys that come from their issuers are asked for again with the next token of each issuer, also with one that
    /// counted before: for a key that has to go today.
    package func lookAtKeysAgain() {
        keys.makeDue()
        cache.removeAll()
    }

    /// - Parameters:
    ///   - token: what stands behind `Bearer `.
    ///   - audienceAccount: the account that the request is for.
    package func verify(
        _ token: String, audienceAccount account: AccountName
    ) async throws(TokenRefusal) -> VerifiedToken {
        guard token.utf8.count <= CompactToken.maximumBytes else { throw .tooLarge }
        let digest = TokenDigest(token)
        let now = world.now()
        if let known = cache.find(digest, at: now, monotonic: world.monotonicNanoseconds()) {
            guard known.reach.covers(account) else { throw .audience }
            return known.token
        }
        return try await verifyAnew(token, digest, account, now)
    }

    /// What costs nothing is checked first; that a claim is read before its signature is known to hold helps nobody,
    /// because all of it has to hold.
    private func verifyAnew(
        _ text: String, _ digest: TokenDigest, _ account: AccountName, _ now: Timestamp
    ) async throws(TokenRefusal) -> VerifiedToken {
        let token = try CompactToken(text)
        let claims = try TokenClaims(token.payload)
        guard let issuer = policy.issuer(claims.issuer) else { throw .issuer }
        guard issuer.tenantID == claims.tenantID else { throw .tenant }
        guard let reach = policy.reach(of: claims.audiences), reach.covers(account) else { throw .audience }
        try claims.check(at: now, skewSeconds: TokenPolicy.skewSeconds)
        // Before the key is asked for: when keys are dropped meanwhile, this token must not be remembered.
        let epoch = cache.epoch
        let found = try await keys.key(token.keyID, of: issuer)
        guard found.key.verifies(token.signature, of: token.signedBytes) else { throw .signature }
        let verified = VerifiedToken(
            identity: claims.identity, expiresAt: Timestamp(seconds: claims.expiresSeconds), hash: digest.hexText)
        cache.insert(
            TokenCache.Entry(
                token: verified, reach: reach, key: found.key,
                endsAt: verified.expiresAt.adding(seconds: TokenPolicy.skewSeconds),
                freshUntilMonotonic: found.freshUntil),
            for: digest, epoch: epoch)
        return verified
    }
}

/// A token that counts.
package struct VerifiedToken: Sendable, Hashable {
    package let identity: Identity
    /// What the token says; it counts for `TokenPolicy.skewSeconds` longer.
    package let expiresAt: Timestamp
    /// SHA-256 of the token, 64 digits in lower case: how the audit trail can name it without giving it away.
    package let hash: String
}

/// SHA-256 of a token: what a token is remembered by.
struct TokenDigest: Hashable, Sendable {
    private let digest: SHA256.Digest

    init(_ token: String) {
        var token = token
        digest = token.withUTF8 { SHA256.hash(data: UnsafeRawBufferPointer($0)) }
    }

    var hexText: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
