import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import StorageModel
import Tokens

// User delegation keys and the signatures made with them.
// Sources: "Get User Delegation Key", "Create a user delegation SAS".
extension Authenticator {
    /// How far a key's start may lie ahead of our clock.
    private static let startSkewSeconds: Int64 = 15

    func userDelegation(
        _ signature: SharedAccessSignature, _ resource: SharedAccessSignature.SignedResource,
        _ fields: SharedAccessSignature.DelegationFields, _ names: SignedNames, _ asked: AuthenticationRequest
    ) async throws -> Credential {
        func refused(_ detail: String) -> AzureError { .authenticationFailed(detail: detail) }
        guard let access else { throw refused("skoid: this endpoint gives out no user delegation keys") }
        guard fields.unauthorizedObjectID == nil else {
            throw refused(
                "suoid: rights of single users need a hierarchical namespace, which this account does not have")
        }
        guard signature.version >= .userDelegation else {
            throw refused("sv: user delegation signatures begin with version 2018-11-09")
        }
        guard fields.keyService.utf8.elementsEqual("b".utf8) else {
            throw refused("sks is not b: \(fields.keyService)")
        }
        guard let start = ISODate.parse(fields.keyStart) else {
            throw refused("skt is not a valid time: \(fields.keyStart)")
        }
        guard let expiry = ISODate.parse(fields.keyExpiry) else {
            throw refused("ske is not a valid time: \(fields.keyExpiry)")
        }
        let (target, reach) = try resolve(resource, names, asked)
        // Roles outlive the trust in a tenant, keys too: who could get no new one has no use of an old one.
        guard let tokens else { throw refused("sktid: this endpoint trusts no tenant") }
        guard tokens.trusts(tenant: fields.tenantID.lowercased()) else {
            throw refused("sktid: the tenant is not trusted by this endpoint")
        }
        // Before the signature, because whose keys have ended is forgotten. The times are the request's own.
        let now = world.now()
        guard start.seconds <= now.seconds + Self.startSkewSeconds, now < expiry else {
            throw refused(
                "The user delegation key is not valid at this time: Start [\(HTTPDate.format(start))]"
                    + " - Expiry [\(HTTPDate.format(expiry))] - Current [\(HTTPDate.format(now))]")
        }
        let text = signature.stringToSign(
            target, header: { asked.headers[$0] }, parameter: { asked.query[$0] })
        let signed = Array(text.utf8)
        // A signature names its principal without the application: the key tells it, and with it the groups. What the
        // principal may do is looked up now: a role that was taken away is gone from its signatures too.
        let signer = Self.possibleSigners(fields, access).first { identity in
            let key = access.userDelegationKey(
                of: identity, account: asked.account.name, start: start, expiry: expiry, service: fields.keyService,
                version: fields.keyVersion, epoch: asked.account.delegationEpoch)
            return AccountKey(bytes: key).verifies(signature.signature, of: signed)
        }
        guard let signer else { throw refused(Self.mismatch(text)) }
        guard signature.policyID == nil else {
            throw refused("si: a user delegation signature has no stored access policy")
        }
        let terms = try SignatureTerms(signature, policy: nil)
        try check(signature, terms, asked)
        if let delegated = fields.delegatedObjectID {
            try await checkBearer(delegated, fields.delegatedTenantID, asked)
        }
        return credential(signature, terms, signer: .identity(signer), reach: reach, key: nil, asked)
    }

    /// Whose key it may be. When nobody is known, a principal without application and groups.
    private static func possibleSigners(
        _ fields: SharedAccessSignature.DelegationFields, _ access: AccessStore
    ) -> [Identity] {
        let (tenant, object) = (fields.tenantID.lowercased(), fields.objectID.lowercased())
        let known = access.delegators(tenant: tenant, objectID: object)
        return known.isEmpty ? [Identity(tenantID: tenant, objectID: object)] : known
    }

    /// A signature bound to a user counts only together with that user's token.
    private func checkBearer(_ objectID: String, _ tenantID: String?, _ asked: AuthenticationRequest) async throws {
        guard let header = asked.headers["Authorization"], case .bearer(let token)? = AuthorizationHeader(header) else {
            throw AzureError.authenticationFailed(detail: "sduoid: the request needs a token of the delegated user")
        }
        let identity = try await verify(token, asked).identity
        guard identity.objectID == objectID.lowercased(),
            tenantID.map({ $0.lowercased() == identity.tenantID }) ?? true
        else { throw AzureError.authenticationFailed(detail: "sduoid: the token is another user's") }
    }
}

extension AzureBlobService {
    /// Source: "Get User Delegation Key".
    private static let keyLifeSeconds: Int64 = 7 * 86_400

    func getUserDelegationKey(_ call: Call) async throws -> Answer {
        guard case .identity(let identity) = call.grant.principal, let access = authenticator.access else {
            throw AzureError.authenticationFailed(detail: "Only authentication scheme Bearer is supported.")
        }
        let info = try UserDelegationKeyBody.parse(try await call.document())
        let now = configuration.world.now()
        // Whole seconds, because the texts of the terms have no more.
        let start = Timestamp(seconds: (info.start ?? now).seconds)
        let expiry = Timestamp(seconds: info.expiry.seconds)
        guard expiry > start, expiry > now else {
            throw AzureError.invalidXMLNode("Expiry", Self.seconds(expiry))
        }
        guard expiry.seconds <= now.seconds + Self.keyLifeSeconds else {
            throw AzureError.invalidXMLNode("Expiry", Self.seconds(expiry))
        }
        try await access.noteDelegator(identity, until: expiry)
        let version = call.version.description
        let key = access.userDelegationKey(
            of: identity, account: call.account.name, start: start, expiry: expiry, service: "b", version: version,
            epoch: call.account.delegationEpoch)
        let document = UserDelegationKeyBody.Key(
            objectID: identity.objectID, tenantID: identity.tenantID, start: Self.seconds(start),
            expiry: Self.seconds(expiry), service: "b", version: version, delegatedTenantID: info.delegatedTenantID,
            value: key)
        return .xml(UserDelegationKeyBody.xml(document))
    }

    private static func seconds(_ time: Timestamp) -> String { String(ISODate.format(time).prefix(19)) + "Z" }
}
