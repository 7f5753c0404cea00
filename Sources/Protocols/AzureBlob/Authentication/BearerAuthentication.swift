import Access
import AzureWire
import HTTPExchange
import StorageModel
import Tokens

// Tokens of an identity provider. Source: "Authorize with Microsoft Entra ID".
extension Authenticator {
    private static let retryAfterSeconds = 5

    func authenticate(token: String, _ asked: AuthenticationRequest) async throws -> Credential {
        let verified = try await verify(token, asked)
        return Credential(principal: .identity(verified.identity), auditHash: verified.hash)
    }

    func verify(_ token: String, _ asked: AuthenticationRequest) async throws -> VerifiedToken {
        guard asked.request.peer.isTLS else {
            throw AzureError.authenticationFailed(detail: "Authentication scheme Bearer is not supported with HTTP.")
        }
        guard asked.version >= .bearerTokens else {
            throw AzureError.authenticationFailed(
                detail: "Authentication scheme Bearer is not supported in this version.")
        }
        guard let tokens else { throw invalidToken("This endpoint trusts no issuer of tokens.") }
        do {
            return try await tokens.verify(token, audienceAccount: asked.account.name)
        } catch {
            if error.isTemporary { throw AzureError.serverBusy(retryAfterSeconds: Self.retryAfterSeconds) }
            throw invalidToken(error.description)
        }
    }

    private func invalidToken(_ detail: String) -> AzureError {
        AzureError(
            .invalidAuthenticationInfo, status: 401,
            details: [.init("AuthenticationErrorDetail", detail)], headers: [.init("WWW-Authenticate", challenge)])
    }
}
