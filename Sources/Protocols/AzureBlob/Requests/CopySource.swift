import Access
import AzureWire
import HTTPExchange
import StorageModel

/// The blob that `x-ms-copy-source` names.
struct CopySource: Sendable {
    var blob: BlobAddress
    /// Shown as `x-ms-copy-source` of the copy: without the query, which may hold a signature.
    var shownURL: String
    var namesAVersion: Bool
    var target: Target
    var query: QueryString

    static let header = "x-ms-copy-source"
    private static let maximumBytes = 2 * 1024

    /// A source on this node: under the request's own host, one of the node's other hosts, or a configured suffix.
    /// - Throws: 400 for what is no URL of a blob, 501 for sources elsewhere.
    init(
        _ text: String, requestHost: String?, addressing: Addressing, ownHosts: [String], accounts: AccountDirectory
    ) throws {
        let invalid = AzureError.invalidHeaderValue(Self.header, text)
        guard text.utf8.count <= Self.maximumBytes, let url = RequestTarget(text), let authority = url.authority,
            let query = QueryString(url.rawQuery)
        else { throw invalid }
        let isOwnSuffix = addressing.accountLabel(authority) != nil
        let isOwnHost =
            authority.lowercased() == requestHost?.lowercased() || ownHosts.contains(Addressing.hostName(authority))
        guard isOwnSuffix || isOwnHost else { throw Self.elsewhere }
        let target: Target
        do { target = try addressing.target(host: authority, rawPath: url.rawPath) } catch { throw invalid }
        guard let name = target.account, let account = try? AccountName(validating: name), accounts[account] != nil
        else { throw Self.elsewhere }
        let container: ContainerName
        let blob: BlobName
        switch target.resource {
        case .service, .container: throw invalid
        case .single(let name):
            container = .root
            blob = try BlobName(validating: name)
        case .blob(let containerName, let name):
            container = try ContainerName(validating: containerName)
            blob = try BlobName(validating: name)
        }
        self.blob = BlobAddress(account: account, container: container, blob: blob)
        shownURL = text.prefix { $0 != "?" && $0 != "#" }.description
        self.target = target
        self.query = query
        namesAVersion = !(query["snapshot"] ?? "").isEmpty || !(query["versionid"] ?? "").isEmpty
    }

    /// Bytes from elsewhere are not fetched yet. SDKs do not retry a 501.
    private static let elsewhere = AzureError(
        .notImplemented, message: "Copying from another endpoint or an unknown account is not supported.")
}

extension AzureBlobService {
    /// Finds the source and whether the caller may read it: by the signature in its URL, by the token that comes along for
    /// it, else by the caller's own credential in the same account, else as anybody may.
    /// Tags of the source have to be open to the reader when the copy takes them or makes a condition of them.
    func copySource(_ call: Call) async throws -> CopySource {
        let source = try CopySource(
            try call.headers.required(CopySource.header), requestHost: call.headers["Host"], addressing: addressing,
            ownHosts: configuration.ownHosts, accounts: accounts)
        let address = source.blob
        guard let account = accounts[address.container.account] else { throw AzureError(.internalError) }
        var hints = NeedHints()
        hints.readsTags =
            call.headers.copiesTags || call.headers.values("x-ms-source-if-tags").contains { !$0.isEmpty }
        let operation = Operation.blob(address.container.container, address.blob, .get)
        guard let asked = operation.request(hints) else { throw AzureError(.internalError) }
        do {
            let principal = try await self.principal(of: source, account, call)
            _ = try await authorize(principal, asked, account: account, version: call.version)
        } catch let error as AzureError {
            // A refusal is a fact about the source here, not about the request.
            throw AzureError.cannotVerifyCopySource(
                status: error.status == 401 || error.status == 409 ? 403 : error.status,
                code: error.code == .publicAccessNotPermitted ? .noAuthenticationInformation : error.code)
        }
        guard !source.namesAVersion else { throw AzureError.cannotVerifyCopySource(status: 404, code: .blobNotFound) }
        return source
    }

    private func principal(
        of source: CopySource, _ account: Account, _ call: Call
    ) async throws -> Principal {
        let asked = AuthenticationRequest(
            request: call.request, headers: call.headers, target: source.target, query: source.query, account: account,
            version: call.version, isVersionGiven: true)
        try Authenticator.checkConnection(account, call.request.peer)
        if let text = call.headers["x-ms-copy-source-authorization"] {
            guard case .bearer(let token)? = AuthorizationHeader(text) else {
                throw AzureError(.invalidAuthenticationInfo, status: 401)
            }
            return try await authenticator.authenticate(token: token, asked).principal
        }
        if SharedAccessSignature.isPresent(in: source.query) {
            return try await authenticator.authenticateSignature(asked).principal
        }
        return account.name == call.account.name ? call.grant.principal : .anonymous
    }
}
