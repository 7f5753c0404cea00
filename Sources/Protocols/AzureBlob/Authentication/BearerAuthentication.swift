import Access
import AzureWire
import StorageModel

// Tokens of an identity provider. Source: "Authorize with Microsoft Entra ID".
extension Authenticator {
    func authenticate(token: String, _ asked: AuthenticationRequest) async throws -> Credential {
        throw AzureError(
            .invalidAuthenticationInfo, status: 401, message: "Bearer tokens are not supported by this endpoint.",
            headers: [.init("WWW-Authenticate", challenge)])
    }
}
