import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import StorageModel

/// Who asks. Shared Key and Shared Key Lite are served; other credentials are refused in words that say so.
/// Source: "Authorize with Shared Key".
struct Authenticator: Sendable {
    /// How far a request's date may be from ours, in either direction.
    static let allowedSkewSeconds: Int64 = 15 * 60

    private let world: World
    /// `WWW-Authenticate` of a 401. The parts hold no blanks: clients split at them.
    let challenge: String

    init(tenant: String, world: World) {
        self.world = world
        challenge =
            "Bearer authorization_uri=https://login.microsoftonline.com/\(tenant)/oauth2/authorize "
            + "resource_id=https://storage.azure.com"
    }

    /// - Parameters:
    ///   - version: the version that governs the request.
    ///   - isVersionGiven: without a version header, clients sign in the layout of any time.
    func authenticate(
        _ request: HTTPRequest, _ headers: RequestHeaders, target: Target, query: QueryString, account: Account,
        version: ServiceVersion, isVersionGiven: Bool
    ) throws(AzureError) -> Principal {
        guard let value = headers["Authorization"] else {
            guard query["sig"] == nil else {
                throw .authenticationFailed(detail: "Shared access signatures are not supported by this endpoint.")
            }
            return .anonymous
        }
        guard headers.values("Authorization").count == 1 else {
            throw AzureError(
                .invalidAuthenticationInfo, message: "The request has more than one Authorization header.")
        }
        switch AuthorizationHeader(value) {
        case nil: throw AzureError(.invalidAuthenticationInfo)
        case .bearer:
            throw AzureError(
                .invalidAuthenticationInfo, status: 401, message: "Bearer tokens are not supported by this endpoint.",
                headers: [.init("WWW-Authenticate", challenge)])
        case .sharedKey(let scheme, let name, let signature):
            guard account.switches.allowsSharedKey else { throw AzureError(.keyBasedAuthenticationNotPermitted) }
            guard name == account.name.value else {
                throw .authenticationFailed(
                    detail: "The account in the Authorization header is not the one in the URL.")
            }
            try checkDate(headers)
            let versions = isVersionGiven ? [version] : [version, AzureBlobService.newestVersion]
            return try verify(
                request, target: target, query: query, account: account, versions: versions, scheme: scheme,
                signature: signature)
        }
    }

    private func verify(
        _ request: HTTPRequest, target: Target, query: QueryString, account: Account, versions: [ServiceVersion],
        scheme: SharedKeyScheme, signature: String
    ) throws(AzureError) -> Principal {
        let signable = SignableHeaders(request.head.headers)
        var signed = SharedKeyRequest(
            method: request.head.method.rawValue, rawPath: target.rawPath, account: account.name.value,
            style: target.style, query: query, headers: signable, version: versions[0])
        var stringToSign = ""
        for version in versions {
            signed.version = version
            switch SharedKey.verify(signed, scheme: scheme, signature: signature, keys: account.keys.map(\.mac)) {
            case .valid(let key): return .accountKey(account.name, number: account.keys[key].number)
            case .duplicateHeader(let name): throw .invalidHeaderValue(name, "given more than once")
            case .invalid(let text): stringToSign = text
            }
        }
        throw .authenticationFailed(
            detail: "The MAC signature found in the HTTP request is not the same as any computed signature. "
                + "Server used following string to sign: '\(stringToSign)'.")
    }

    private func checkDate(_ headers: RequestHeaders) throws(AzureError) {
        guard let text = headers["x-ms-date"] ?? headers["Date"], let date = HTTPDate.parse(text) else {
            throw .authenticationFailed(detail: "The request has no readable x-ms-date or Date header.")
        }
        guard abs(date.seconds - world.now().seconds) <= Self.allowedSkewSeconds else {
            throw .authenticationFailed(
                detail: "Request date header too old or too new: '\(text)'. It may differ by 15 minutes.")
        }
    }

    /// No credential, or not a sufficient one, for something that is not public.
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
}
