import Certificates
import Foundation
import Logging
import NIOSSL
import StorageModel
import Testing

@testable import FrontDoor

/// A directory with an authority and a server certificate, gone with the last reference.
final class TLSFiles: Sendable {
    let folder: String
    private let made: DevelopmentCertificates

    init(names: [String] = ["localhost", "127.0.0.1"]) throws {
        folder =
            FileManager.default.temporaryDirectory.appending(
                path: "front-tls-\(ProcessInfo.processInfo.globallyUniqueString)"
            ).path
        made = try DevelopmentCertificates.make(in: folder, names: names, days: 2, world: .system)
    }

    deinit {
        // Best effort: it is a temporary directory.
        _ = try? FileManager.default.removeItem(atPath: folder)
    }

    var authority: String { made.authority }
    var files: CertificateFiles { CertificateFiles(certificate: made.certificate, key: made.key) }

    /// A new certificate by the same authority.
    func renew() throws {
        _ = try DevelopmentCertificates.make(in: folder, names: ["localhost", "127.0.0.1"], days: 1, world: .system)
    }

    func certificateDER() throws -> [UInt8] {
        try #require(try NIOSSLCertificate.fromPEMFile(made.certificate).first).toDERBytes()
    }

    func server(
        minimum: StorageModel.TLSVersion = .tls12, clientAuthorities: String? = nil, and others: [TLSFiles] = []
    ) throws -> ServerTLS {
        try ServerTLS(
            .init(
                certificates: [files] + others.map(\.files), minimumVersion: minimum,
                clientAuthorities: clientAuthorities),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// A client that trusts this authority alone.
    func client(
        host: String? = "localhost", version: NIOSSL.TLSVersion? = nil, certificate: CertificateFiles? = nil
    ) throws -> RawClient.TLS {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file(authority)
        tls.minimumTLSVersion = version ?? .tlsv1
        tls.maximumTLSVersion = version
        tls.applicationProtocols = ["h2", "http/1.1"]
        if let certificate {
            tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate.certificate).map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: certificate.key, format: .pem))
        }
        return RawClient.TLS(context: try NIOSSLContext(configuration: tls), host: host)
    }
}
