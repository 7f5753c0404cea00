import Crypto
import Foundation
import NIOSSL
import StorageModel
import SwiftASN1
import Testing
import WebDocuments
import X509

@testable import WebDocumentsHTTP

/// What HTTPS is for: who answers has to be who was asked.
@Suite("Documents over TLS")
struct TLSTests {
    /// A certificate that signs itself, for these names.
    private struct Credentials {
        let certificate: String
        let key: String

        init(names: [String]) throws {
            let key = P256.Signing.PrivateKey()
            let name = try DistinguishedName { CommonName("issuer") }
            let certificate = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(bytes: [7]),
                publicKey: Certificate.PublicKey(key.publicKey),
                notValidBefore: Date(timeIntervalSince1970: 1_577_836_800),
                notValidAfter: Date(timeIntervalSince1970: 2_493_072_000), issuer: name, subject: name,
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                    SubjectAlternativeNames(names.map { .dnsName($0) })
                }, issuerPrivateKey: Certificate.PrivateKey(key))
            self.certificate = try certificate.serializeAsPEM().pemString
            self.key = key.pemRepresentation
        }

        func context() throws -> NIOSSLContext {
            let certificates = try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8))
            return try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: certificates.map { .certificate($0) },
                    privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))))
        }
    }

    /// Asks a server with the certificate of `names` for a document at `https://localhost`.
    private func fetch(names: [String], trusts isTrusted: Bool) async throws -> [UInt8] {
        let credentials = try Credentials(names: names)
        let file = FileManager.default.temporaryDirectory.appending(
            path: "ca-\(ProcessInfo.processInfo.globallyUniqueString).pem")
        try Data((isTrusted ? credentials : try Credentials(names: names)).certificate.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let server = try await DocumentServer.start(tls: credentials.context())
        server.publish([1, 2, 3], at: "/keys")
        var options = WebDocumentsHTTP.Options()
        options.certificateAuthorities = file.path
        options.connectSeconds = 1
        options.fetchSeconds = 120
        let outcome: Result<[UInt8], any Error>
        do {
            outcome = .success(
                try await WebDocumentsHTTP(options).fetch("https://localhost:\(server.port)/keys", limit: 100))
        } catch { outcome = .failure(error) }
        try await server.stop()
        if case .failure = outcome { #expect(server.asked == []) }
        return try outcome.get()
    }

    @Test func theRightOneAnswers() async throws {
        let document = try await fetch(names: ["localhost"], trusts: true)
        #expect(document == [1, 2, 3])
    }

    @Test func anotherAuthority() async throws {
        await #expect(throws: StorageFailure.self) { try await fetch(names: ["localhost"], trusts: false) }
    }

    @Test func anotherName() async throws {
        await #expect(throws: StorageFailure.self) { try await fetch(names: ["issuer.example.net"], trusts: true) }
    }
}
