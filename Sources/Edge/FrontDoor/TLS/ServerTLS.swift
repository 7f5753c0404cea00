package import Logging
import NIOCore
import NIOSSL
import Observability
package import StorageModel
import Synchronization

/// The TLS of a listener: certificates by name, versions, and whether clients must show a certificate of their own.
///
/// New connections use what was read last; those that are open go on with what they began with.
package final class ServerTLS: Sendable {
    package struct Configuration: Sendable {
        /// The first is for clients that ask for a name that no certificate has, or for none.
        package var certificates: [CertificateFiles]
        /// 1.2 or 1.3.
        package var minimumVersion: StorageModel.TLSVersion
        /// PEM file with the authorities of client certificates. With it every client must show one.
        package var clientAuthorities: String?

        package init(
            certificates: [CertificateFiles], minimumVersion: StorageModel.TLSVersion = .tls12,
            clientAuthorities: String? = nil
        ) {
            self.certificates = certificates
            self.minimumVersion = minimumVersion
            self.clientAuthorities = clientAuthorities
        }

        fileprivate var paths: [String] {
            certificates.flatMap { [$0.certificate, $0.key] } + [clientAuthorities].compactMap { $0 }
        }
    }

    private struct State: Sendable {
        var context: NIOSSLContext
        var expiresAt: Int64
        /// Of the files at the last attempt to read them.
        var stamps: [FileStamp?]
    }

    /// How long a closing connection waits for the peer's close_notify.
    private static let shutdownTimeout = TimeAmount.seconds(2)

    private let configuration: Configuration
    private let logger: Logger
    private let state: Locked<State>

    /// Reads the files: blocks.
    /// - Throws: `CertificateProblem` when one cannot be used.
    package init(_ configuration: Configuration, logger: Logger) throws(CertificateProblem) {
        self.configuration = configuration
        self.logger = logger
        state = Locked(try Self.read(configuration))
    }

    /// Whether clients must show a certificate.
    var demandsClientCertificate: Bool { configuration.clientAuthorities != nil }

    /// Unix seconds at which the first certificate in use ends.
    package var expiresAt: Int64 { state.withLock { $0.expiresAt } }

    func makeHandler() -> NIOSSLServerHandler { NIOSSLServerHandler(context: state.withLock { $0.context }) }

    // MARK: Reading again

    /// Reads the files again: blocks. What cannot be used is logged, and what was there before stays. Answers whether the
    /// new ones are in use.
    @discardableResult
    package func reload() -> Bool {
        // Taken before the files are read: a change that comes in between is seen at the next look.
        let stamps = Self.stamps(configuration)
        do {
            let new = try Self.read(configuration)
            state.withLock { $0 = new }
            logger.info(
                "certificates read",
                metadata: [LogKey.path: "\(configuration.certificates.map(\.certificate).joined(separator: ","))"])
            return true
        } catch {
            state.withLock { $0.stamps = stamps }
            logger.error(
                "certificates not changed", metadata: [LogKey.path: "\(error.path)", LogKey.reason: "\(error.reason)"])
            return false
        }
    }

    /// Reads the files again when one is not what it was at the last attempt: blocks. Answers like `reload`, and `nil`
    /// when there was nothing to read.
    @discardableResult
    package func reloadIfChanged() -> Bool? {
        let stamps = Self.stamps(configuration)
        return state.withLock { $0.stamps != stamps } ? reload() : nil
    }

    private static func stamps(_ configuration: Configuration) -> [FileStamp?] {
        configuration.paths.map { FileStamp($0) }
    }

    private static func read(_ configuration: Configuration) throws(CertificateProblem) -> State {
        let stamps = stamps(configuration)
        var loaded: [LoadedCertificate] = []
        for files in configuration.certificates { loaded.append(try LoadedCertificate(files)) }
        guard let first = loaded.first else { throw CertificateProblem(path: "", reason: "no certificate") }
        let authorities = try configuration.clientAuthorities.map(LoadedCertificate.certificates)
        // A context of its own for each tells which key is not its certificate's.
        for (files, certificate) in zip(configuration.certificates, loaded).dropFirst() {
            _ = try context(configuration, certificate, authorities, files, selecting: nil)
        }
        let context = try context(
            configuration, first, authorities, configuration.certificates[0],
            selecting: loaded.count > 1 ? selection(loaded) : nil)
        return State(context: context, expiresAt: loaded.map(\.expiresAt).min() ?? 0, stamps: stamps)
    }

    private static func context(
        _ configuration: Configuration, _ certificate: LoadedCertificate, _ authorities: [NIOSSLCertificate]?,
        _ files: CertificateFiles, selecting selection: NIOSSLContextCallback?
    ) throws(CertificateProblem) -> NIOSSLContext {
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificate.chain.map { .certificate($0) }, privateKey: .privateKey(certificate.key))
        tls.minimumTLSVersion = configuration.minimumVersion == .tls13 ? .tlsv13 : .tlsv12
        tls.applicationProtocols = ["http/1.1"]
        tls.shutdownTimeout = shutdownTimeout
        tls.sslContextCallback = selection
        if let authorities {
            tls.trustRoots = .certificates(authorities)
            // A certificate is demanded and its chain checked; a client has no host name to compare.
            tls.certificateVerification = .noHostnameVerification
            tls.sendCANameList = true
        }
        do { return try NIOSSLContext(configuration: tls) } catch {
            throw CertificateProblem(
                path: files.key, reason: "not usable with \(files.certificate): is it the certificate's key? \(error)")
        }
    }

    /// Swaps chain and key for those of the name that the client asks for.
    private static func selection(_ loaded: [LoadedCertificate]) -> NIOSSLContextCallback {
        let names = ServerNames(loaded.map(\.names))
        let overrides = loaded.enumerated().map { index, certificate in
            // The context has the first one already.
            var override = NIOSSLContextConfigurationOverride.noChanges
            guard index > 0 else { return override }
            override.certificateChain = certificate.chain.map { .certificate($0) }
            override.privateKey = .privateKey(certificate.key)
            return override
        }
        return { client, promise in promise.succeed(overrides[names.index(of: client.serverHostname)]) }
    }
}
