import FoundationEssentials
package import Logging
package import StorageModel
package import Tokens
import WebDocuments
import WebDocumentsHTTP

/// The bearer tokens of a node: who verifies them, and how its keys are read again.
package struct NodeTokens: Sendable {
    package let verifier: TokenVerifier
    private let keysFile: String?

    /// `nil` when no tenant is configured: then no token counts.
    /// - Throws: `SettingError` for files that cannot be used.
    package static func make(
        _ configuration: NodeConfiguration, world: World, logger: Logger
    ) throws -> NodeTokens? {
        let entra = configuration.entra
        guard !entra.tenants.isEmpty else { return nil }
        let policy = TokenPolicy(
            tenants: entra.tenants, authority: entra.authority, audiences: entra.audiences,
            domainSuffixes: configuration.domains)
        do {
            let verifier = try TokenVerifier(policy, keys: source(entra), world: world, logger: logger)
            return NodeTokens(verifier: verifier, keysFile: entra.keysFile)
        } catch let failure as StorageFailure { throw SettingError("entra: \(failure.cause ?? "\(failure)")") }
    }

    private static func source(_ entra: NodeConfiguration.Entra) throws -> SigningKeySource {
        if let file = entra.keysFile { return .document(try read(file)) }
        var options = WebDocumentsHTTP.Options()
        options.certificateAuthorities = entra.certificateAuthorityFile
        options.allowsPlainLoopback = entra.allowsPlainLoopback
        return .provider(try WebDocumentsHTTP(options))
    }

    /// Reads the keys file again, or has the issuers asked again with their next token. Tokens of keys that are gone
    /// stop counting.
    /// - Throws: `SettingError` when there is no usable key in the file; the keys stay as they were.
    package func reload() throws {
        guard let keysFile else { return verifier.lookAtKeysAgain() }
        do { try verifier.replaceKeys(Self.read(keysFile)) } catch let failure as StorageFailure {
            throw SettingError("entra-keys-file \(keysFile): \(failure.cause ?? "\(failure)")")
        }
    }

    private static func read(_ file: String) throws(SettingError) -> [UInt8] {
        do { return Array(try Data(contentsOf: URL(filePath: file))) } catch {
            throw SettingError("cannot read the keys file \(file): \(error)")
        }
    }
}
