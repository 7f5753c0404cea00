import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import Namespace
import Observability
import StorageModel
import Tokens

/// Who asks, and what the answer and the audit line need to know of the credential.
struct Credential: Sendable {
    var principal: Principal
    /// `SasSignature(HASH)`, the hash of a token: names the credential without giving it away.
    var auditHash: String?
    /// What the audit trail says, where it is the same for every request.
    var facts: RequesterFacts?
    /// `rscc`, `rscd`, `rsce`, `rscl`, `rsct` of a shared access signature: headers of the answer to a read.
    var responseHeaders: [String?] = []

    /// Who shares one set of limits; `nil` for those who have none of their own. The holders of an account key and of its
    /// signatures are one: nothing tells them apart.
    var admissionName: String? {
        switch principal {
        case .anonymous: return nil
        case .accountKey(_, let number): return number == 1 ? "key1" : "key2"
        case .identity(let identity): return identity.objectID
        case .delegated(let delegation):
            switch delegation.signer {
            case .accountKey(let number): return number == 1 ? "key1" : "key2"
            case .identity(let identity): return identity.objectID
            }
        }
    }

    static let anonymous = Credential(
        principal: .anonymous, facts: RequesterFacts(authenticationType: "Anonymous"))
}

/// A request as authentication sees it.
struct AuthenticationRequest: Sendable {
    var request: HTTPRequest
    var headers: RequestHeaders
    var target: Target
    var query: QueryString
    var account: Account
    /// The version that governs the request.
    var version: ServiceVersion
    /// Without a version header, clients sign in the layout of any time.
    var isVersionGiven: Bool
}

/// Finds out who asks: the holder of an account key, the bearer of a signature or of a token, or nobody in particular.
struct Authenticator: Sendable {
    /// How far a request's date may be from ours, in either direction.
    static let allowedSkewSeconds: Int64 = 15 * 60

    let world: World
    let namespace: Namespace
    /// `nil` where no issuer is trusted.
    let tokens: TokenVerifier?
    /// `nil` where nothing gives out user delegation keys.
    let access: AccessStore?
    /// `WWW-Authenticate` of a 401. The parts hold no blanks: clients split at them.
    let challenge: String

    init(world: World, namespace: Namespace, tokens: TokenVerifier?, access: AccessStore?) {
        self.world = world
        self.namespace = namespace
        self.tokens = tokens
        self.access = access
        // Clients read the tenant out of the address. Without one there is nothing better to say than the service's own.
        let address = tokens?.authorizationURL ?? "https://login.microsoftonline.com/common/oauth2/authorize"
        challenge = "Bearer authorization_uri=\(address) resource_id=https://storage.azure.com"
    }

    /// The Authorization header comes first: a signature in the URL is not looked at then.
    func authenticate(_ asked: AuthenticationRequest) async throws -> Credential {
        // One kind of signature is good only together with a token.
        let isBound = !(asked.query["sduoid"] ?? "").isEmpty && SharedAccessSignature.isPresent(in: asked.query)
        guard let value = asked.headers["Authorization"], !isBound else {
            guard SharedAccessSignature.isPresent(in: asked.query) else { return .anonymous }
            return try await authenticateSignature(asked)
        }
        guard asked.headers.values("Authorization").count == 1 else {
            throw AzureError(
                .invalidAuthenticationInfo, message: "The request has more than one Authorization header.")
        }
        switch AuthorizationHeader(value) {
        case nil: throw AzureError(.invalidAuthenticationInfo)
        case .bearer(let token): return try await authenticate(token: token, asked)
        case .sharedKey(let scheme, let name, let signature):
            return try authenticate(scheme, accountName: name, signature: signature, asked)
        }
    }

    /// No credential, or not a sufficient one.
    /// - Parameter isReadable: public access could have opened it.
    func refusal(_ refusal: Access.Refusal, isReadable: Bool, version: ServiceVersion) -> AzureError {
        switch refusal {
        case .notPossible: return AzureError(.authorizationFailure)
        case .resourceTypeMismatch: return AzureError(.authorizationResourceTypeMismatch)
        case .permissionMissing: return AzureError(.authorizationPermissionMismatch)
        case .wrongAccount: return .authenticationFailed(detail: "The credential belongs to another account.")
        case .publicAccessDisabled where isReadable: return AzureError(.publicAccessNotPermitted)
        case .publicAccessDisabled, .credentialRequired:
            guard version >= .bearerChallenge else { return AzureError(.resourceNotFound) }
            return AzureError(.noAuthenticationInformation, headers: [.init("WWW-Authenticate", challenge)])
        }
    }

    /// What an account demands of the connection itself, whoever asks.
    static func checkConnection(_ account: Account, _ peer: Peer) throws(AzureError) {
        guard account.switches.isEnabled else { throw AzureError(.accountIsDisabled) }
        guard let tls = peer.tls else {
            if account.switches.requiresTLS { throw AzureError(.accountRequiresHttps) }
            return
        }
        if tls < account.switches.minimumTLS { throw AzureError(.tlsVersionNotPermitted) }
    }
}
