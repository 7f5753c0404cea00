import Access
import StorageModel

/// What a token says, read but not believed: texts and times of the right form.
/// Source: Entra's access token claims reference.
struct TokenClaims: Sendable {
    /// In the year 2255: what `Timestamp` can hold, with room for the skew.
    private static let latestSeconds: Int64 = 9_000_000_000
    private static let maximumAudiences = 16

    let issuer: String
    let audiences: [String]
    /// A GUID in lower case.
    let tenantID: String
    let expiresSeconds: Int64
    let notBeforeSeconds: Int64
    let issuedSeconds: Int64
    let identity: Identity

    init(_ payload: JSONObject) throws(TokenRefusal) {
        let claims = Claims(payload: payload)
        issuer = try claims.require(.iss) { $0.plainText }
        audiences = try claims.require(.aud, Self.audiences)
        tenantID = try claims.require(.tid, Self.guid)
        expiresSeconds = try claims.require(.exp, Self.seconds)
        notBeforeSeconds = try claims.require(.nbf, Self.seconds)
        issuedSeconds = try claims.require(.iat, Self.seconds)
        _ = try claims.read(.ver) { ["1.0", "2.0"].contains($0.plainText) ? true : nil }
        // Version 1 says appid, version 2 azp.
        let applicationID = try claims.read(.appid, Self.guid)
        let authorizedParty = try claims.read(.azp, Self.guid)
        identity = Identity(
            tenantID: tenantID, objectID: try claims.require(.oid, Self.guid),
            applicationID: applicationID ?? authorizedParty,
            // Group names of an on-premises directory are no ids; roles are given to ids.
            groups: try claims.read(.groups) { $0.array?.compactMap(Self.guid) } ?? [],
            kind: try Self.kind(claims), audience: audiences.first, issuer: issuer,
            userPrincipalName: payload["upn"]?.text)
    }

    /// - Throws: `.expired`, `.notYetValid`.
    func check(at now: Timestamp, skewSeconds: Int64) throws(TokenRefusal) {
        guard now < Timestamp(seconds: expiresSeconds + skewSeconds) else { throw .expired }
        guard now >= Timestamp(seconds: max(notBeforeSeconds, issuedSeconds) - skewSeconds) else { throw .notYetValid }
    }

    /// `idtyp` is an optional claim; without it a token with neither a scope nor a user is an application's.
    private static func kind(_ claims: Claims) throws(TokenRefusal) -> Identity.Kind {
        let type = try claims.read(.idtyp) { $0.plainText }
        if let resource = try claims.read(.xms_mirid, { $0.text }) { return .managedIdentity(resource: resource) }
        switch type {
        case "app": return .application
        case nil: return claims.payload["scp"] == nil && claims.payload["upn"] == nil ? .application : .user
        default: return .user
        }
    }

    private static func audiences(_ value: JSONValue) -> [String]? {
        if let one = value.plainText { return [one] }
        guard let values = value.array, 1...maximumAudiences ~= values.count else { return nil }
        let texts = values.compactMap(\.plainText)
        return texts.count == values.count ? texts : nil
    }

    private static func seconds(_ value: JSONValue) -> Int64? {
        guard let seconds = value.integer, 0...latestSeconds ~= seconds else { return nil }
        return seconds
    }

    /// Only the form with hyphens, as Entra writes ids.
    private static func guid(_ value: JSONValue) -> String? {
        guard let text = value.plainText, text.utf8.count == 36 else { return nil }
        return UUIDText.parse(text)
    }
}

private struct Claims {
    let payload: JSONObject

    func read<Value>(
        _ claim: TokenRefusal.Claim, _ body: (JSONValue) -> Value?
    ) throws(TokenRefusal) -> Value? {
        guard let value = payload[claim.rawValue], value != .null else { return nil }
        guard let read = body(value) else { throw .claimInvalid(claim) }
        return read
    }

    func require<Value>(
        _ claim: TokenRefusal.Claim, _ body: (JSONValue) -> Value?
    ) throws(TokenRefusal) -> Value {
        guard let value = try read(claim, body) else { throw .claimMissing(claim) }
        return value
    }
}
