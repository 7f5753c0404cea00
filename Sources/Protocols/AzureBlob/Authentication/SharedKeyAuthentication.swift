import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import StorageModel

// Shared Key and Shared Key Lite. Source: "Authorize with Shared Key".
extension Authenticator {
    func authenticate(
        _ scheme: SharedKeyScheme, accountName: String, signature: String, _ asked: AuthenticationRequest
    ) throws(AzureError) -> Credential {
        guard asked.account.switches.allowsSharedKey else { throw AzureError(.keyBasedAuthenticationNotPermitted) }
        guard accountName == asked.account.name.value else {
            throw .authenticationFailed(detail: "The account in the Authorization header is not the one in the URL.")
        }
        try checkDate(asked.headers)
        let versions = asked.isVersionGiven ? [asked.version] : [asked.version, AzureBlobService.newestVersion]
        let head = asked.request.head
        var signed = SharedKeyRequest(
            method: head.method.rawValue, rawPath: asked.target.rawPath, account: asked.account.name.value,
            style: asked.target.style, query: asked.query, headers: SignableHeaders(head.headers), version: versions[0])
        var stringToSign = ""
        for version in versions {
            signed.version = version
            let keys = asked.account.keys
            switch SharedKey.verify(signed, scheme: scheme, signature: signature, keys: asked.account.macs) {
            case .valid(let index):
                return Credential(
                    principal: .accountKey(asked.account.name, number: keys[index].number),
                    facts: keys[index].facts)
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
}
