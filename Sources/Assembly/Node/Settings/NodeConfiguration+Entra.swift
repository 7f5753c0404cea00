import StorageModel
import Tokens

extension NodeConfiguration {
    /// Whose bearer tokens count. Settings: `entra-tenant`, `entra-authority`, `entra-audience`, `entra-keys-file`,
    /// `entra-ca-file`.
    package struct Entra: Sendable, Hashable {
        /// GUIDs in lower case; without one no token counts.
        package var tenants: [String]
        /// Without a slash at the end.
        package var authority: String
        package var audiences: [String]
        package var keysFile: String?
        package var certificateAuthorityFile: String?
        /// Documents over `http://` from this machine itself; development only.
        package var allowsPlainLoopback: Bool

        init(_ values: SettingValues, isDevelopment: Bool) throws {
            tenants = try values.texts(.entraTenant).map { text in
                guard text.utf8.count == 36, let tenant = UUIDText.parse(text) else {
                    throw SettingError("entra-tenant is the tenant's id, a GUID, not \"\(text)\"")
                }
                return tenant
            }
            authority = try Self.authority(
                values.text(.entraAuthority) ?? TokenPolicy.publicAuthority, isDevelopment: isDevelopment)
            audiences = values.texts(.entraAudience)
            guard audiences.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { 0x21...0x7E ~= $0 } }) else {
                throw SettingError("entra-audience is an application's id or address, without blanks")
            }
            keysFile = values.text(.entraKeysFile)
            certificateAuthorityFile = values.text(.entraCAFile)
            allowsPlainLoopback = isDevelopment
            guard tenants.isEmpty else { return }
            for setting in [Setting.entraAuthority, .entraAudience, .entraKeysFile, .entraCAFile]
            where !values.texts(setting).isEmpty {
                throw SettingError("\(setting.rawValue) needs an entra-tenant: without one no token counts")
            }
        }

        /// Plain text to another machine would let anybody on the way sign tokens.
        private static func authority(_ text: String, isDevelopment: Bool) throws -> String {
            let text = text.hasSuffix("/") ? String(text.dropLast()) : text
            let schemes = isDevelopment ? ["https://", "http://"] : ["https://"]
            guard let scheme = schemes.first(where: text.hasPrefix), text.count > scheme.count,
                text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }), !text.contains(where: { "?#@".contains($0) })
            else { throw SettingError("entra-authority is https://HOST[:PORT][/PATH], not \"\(text)\"") }
            return text
        }
    }
}
