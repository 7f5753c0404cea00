/// The `Authorization` header, taken apart but not verified.
package enum AuthorizationHeader: Sendable, Equatable {
    case sharedKey(SharedKeyScheme, account: String, signature: String)
    case bearer(token: String)

    /// `nil` for a header that has none of the forms: 400 InvalidAuthenticationInfo.
    package init?(_ value: String) {
        let text = value.trimmingBlanks
        guard let space = text.utf8.firstIndex(of: UInt8(ascii: " ")) else { return nil }
        let scheme = text[..<space]
        let credential = text[space...].trimmingBlanks
        guard !credential.isEmpty else { return nil }
        if scheme.equalsIgnoringASCIICase("Bearer") {
            guard !credential.utf8.contains(where: { $0.isBlank }) else { return nil }
            self = .bearer(token: String(credential))
            return
        }
        let kind: SharedKeyScheme
        if scheme.equalsIgnoringASCIICase("SharedKey") {
            kind = .full
        } else if scheme.equalsIgnoringASCIICase("SharedKeyLite") {
            kind = .lite
        } else {
            return nil
        }
        guard let colon = credential.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let account = credential[..<colon]
        let signature = credential[credential.utf8.index(after: colon)...]
        guard !account.isEmpty, !signature.isEmpty else { return nil }
        self = .sharedKey(kind, account: String(account), signature: String(signature))
    }
}

package enum SharedKeyScheme: Sendable, Hashable { case full, lite }
