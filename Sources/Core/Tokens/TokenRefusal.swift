/// Why a token does not count. The words may be shown to whoever sent it: they hold nothing of the token.
package enum TokenRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case tooLarge
    case malformed
    /// A member that stands twice.
    case ambiguous
    /// Not RS256.
    case algorithm
    /// The header has `crit`.
    case `extension`
    /// The header says that it is something else than an access token.
    case type
    /// The header does not say which key.
    case keyMissing
    /// The issuer has no such key, or has it no longer.
    case keyUnknown
    case signature
    case issuer
    /// The token's tenant is not the one of its issuer.
    case tenant
    case audience
    case expired
    case notYetValid
    case claimMissing(Claim)
    case claimInvalid(Claim)
    /// The issuer's keys cannot be had right now: the caller may come back with the same token.
    case keysUnavailable

    /// Claims (RFC 7519 §4, Entra's access token claims reference) that a refusal may name.
    package enum Claim: String, Hashable, Sendable, CaseIterable {
        case iss, aud, exp, nbf, iat, tid, oid, ver, appid, azp, groups, idtyp, xms_mirid
    }

    /// The node's state and not the token is the reason: an answer with a `Retry-After` and not one that asks for
    /// another token.
    package var isTemporary: Bool { self == .keysUnavailable }

    package var description: String {
        switch self {
        case .tooLarge: "The token is longer than 16 KiB."
        case .malformed: "The token is not a well-formed JSON Web Token."
        case .ambiguous: "The token has a member twice."
        case .algorithm: "The token is not signed with RS256."
        case .extension: "The token requires an extension."
        case .type: "The token is not an access token."
        case .keyMissing: "The token does not name its signing key."
        case .keyUnknown: "The token's signing key is not known."
        case .signature: "The token's signature is not valid."
        case .issuer: "The token's issuer is not trusted."
        case .tenant: "The token's tenant is not the one of its issuer."
        case .audience: "The token's audience is not this account."
        case .expired: "The token has expired."
        case .notYetValid: "The token is not valid yet."
        case .claimMissing(let claim): "The token's claim \(claim.rawValue) is missing."
        case .claimInvalid(let claim): "The token's claim \(claim.rawValue) is not valid."
        case .keysUnavailable: "The keys of the token's issuer are not available."
        }
    }
}
