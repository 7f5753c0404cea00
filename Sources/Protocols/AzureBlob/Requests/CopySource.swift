import Access
import AzureWire
import StorageModel

/// The blob that `x-ms-copy-source` names.
struct CopySource: Sendable, Hashable {
    var blob: BlobAddress
    /// Shown as `x-ms-copy-source` of the copy: without the query, which may hold a signature.
    var shownURL: String
    var namesAVersion: Bool

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
        namesAVersion = !(query["snapshot"] ?? "").isEmpty || !(query["versionid"] ?? "").isEmpty
    }

    /// Bytes from elsewhere are not fetched yet. SDKs do not retry a 501.
    private static let elsewhere = AzureError(
        .notImplemented, message: "Copying from another endpoint or an unknown account is not supported.")
}

extension AzureBlobService {
    /// Finds the source and whether the caller may read it: the account's own key opens all of the account, and a public
    /// container of another account is open to everybody.
    func copySource(_ call: Call) async throws -> CopySource {
        let source = try CopySource(
            try call.headers.required(CopySource.header), requestHost: call.headers["Host"], addressing: addressing,
            ownHosts: configuration.ownHosts, accounts: accounts)
        let container = source.blob.container
        if container.account != call.account.name {
            var publicAccess: PublicAccess?
            if let account = accounts[container.account], account.switches.allowsPublicAccess {
                publicAccess = try await self.publicAccess(of: container)
            }
            guard publicAccess != nil else {
                throw AzureError.cannotVerifyCopySource(status: 403, code: .noAuthenticationInformation)
            }
        }
        guard !source.namesAVersion else { throw AzureError.cannotVerifyCopySource(status: 404, code: .blobNotFound) }
        return source
    }
}
