import Crypto
import Foundation
import StorageModel
import SwiftASN1
import Testing
import X509

@testable import Certificates

@Suite struct DevelopmentCertificatesTests {
    private static let start = Timestamp(seconds: 1_700_000_000)

    private func world(atDay day: Int64 = 0) -> World {
        var world = World.system
        world.now = { Timestamp(seconds: Self.start.seconds + day * 86_400) }
        return world
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "certificates-\(ProcessInfo.processInfo.globallyUniqueString)")
        defer { try? FileManager.default.removeItem(at: url) }
        try body(url.path)
    }

    private func certificate(_ path: String) throws -> Certificate {
        try Certificate(pemEncoded: String(contentsOfFile: path, encoding: .utf8))
    }

    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    private func message(_ body: () throws -> some Any) -> String {
        do {
            _ = try body()
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func serverCertificate() throws {
        try withFolder { folder in
            let made = try DevelopmentCertificates.make(
                in: folder, names: DevelopmentCertificates.defaultNames, days: 30, world: world())
            #expect(!made.hasKeptAuthority)
            let (authority, leaf) = (try certificate(made.authority), try certificate(made.certificate))
            #expect(authority.publicKey.isValidSignature(leaf.signature, for: leaf))
            #expect(authority.publicKey.isValidSignature(authority.signature, for: authority))
            #expect(leaf.issuer == authority.subject)
            #expect(leaf.notValidBefore == Date(timeIntervalSince1970: 1_700_000_000 - 3600))
            #expect(leaf.notValidAfter == Date(timeIntervalSince1970: 1_700_000_000 + 30 * 86_400))
            let key = try P256.Signing.PrivateKey(
                pemRepresentation: String(contentsOfFile: made.key, encoding: .utf8))
            #expect(leaf.publicKey == Certificate.PublicKey(key.publicKey))
            let names = try #require(try leaf.extensions.subjectAlternativeNames)
            #expect(
                Array(names) == [
                    .dnsName("localhost"), .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])),
                    .ipAddress(ASN1OctetString(contentBytes: ArraySlice([UInt8](repeating: 0, count: 15) + [1]))),
                    .dnsName("*.blob.localhost"), .dnsName("*.blob.core.windows.net"),
                ])
            #expect(try leaf.extensions.basicConstraints == .notCertificateAuthority)
            #expect(try authority.extensions.basicConstraints == .isCertificateAuthority(maxPathLength: 0))
        }
    }

    @Test func filesAndTheirModes() throws {
        try withFolder { folder in
            let made = try DevelopmentCertificates.make(in: folder, names: ["a"], days: 1, world: world())
            #expect(try mode(made.key) == 0o600)
            #expect(try mode(made.authorityKey) == 0o600)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                    "ca.key", "ca.pem", "server.key", "server.pem",
                ])
        }
    }

    @Test("the authority stays as long as it is valid; the certificate is new each time")
    func keptAuthority() throws {
        try withFolder { folder in
            let first = try DevelopmentCertificates.make(in: folder, names: ["a"], days: 30, world: world())
            let (authority, leaf) = (try certificate(first.authority), try certificate(first.certificate))
            let second = try DevelopmentCertificates.make(in: folder, names: ["b"], days: 30, world: world(atDay: 3640))
            #expect(second.hasKeptAuthority)
            #expect(try certificate(second.authority) == authority)
            let newer = try certificate(second.certificate)
            #expect(newer.serialNumber != leaf.serialNumber)
            #expect(authority.publicKey.isValidSignature(newer.signature, for: newer))
            // Ten days are left of the authority.
            #expect(newer.notValidAfter == authority.notValidAfter)
            let third = try DevelopmentCertificates.make(in: folder, names: ["b"], days: 30, world: world(atDay: 3650))
            #expect(!third.hasKeptAuthority)
            #expect(try certificate(third.authority) != authority)
        }
    }

    @Test("an authority that cannot be used is never overwritten")
    func brokenAuthority() throws {
        try withFolder { folder in
            let made = try DevelopmentCertificates.make(in: folder, names: ["a"], days: 1, world: world())
            let again = { try DevelopmentCertificates.make(in: folder, names: ["a"], days: 1, world: self.world()) }
            let original = try String(contentsOfFile: made.authority, encoding: .utf8)
            try P256.Signing.PrivateKey().pemRepresentation.write(
                toFile: made.authorityKey, atomically: true, encoding: .utf8)
            #expect(message(again).contains("not the key of"))
            try "broken".write(toFile: made.authorityKey, atomically: true, encoding: .utf8)
            #expect(message(again).contains("move both away"))
            try FileManager.default.removeItem(atPath: made.authorityKey)
            #expect(message(again).contains("ca.key is not"))
            #expect(try String(contentsOfFile: made.authority, encoding: .utf8) == original)
        }
    }

    @Test(arguments: [
        "", "*", "*.", "a..b", "-a.b", "a-.b", "a b", "*.*.b", "a.*.b", "ä.b", "300.1.1.1/8",
        String(repeating: "a", count: 64), "a,DNS:b",
    ])
    func refusedNames(name: String) throws {
        try withFolder { folder in
            #expect(
                message { try DevelopmentCertificates.make(in: folder, names: [name], days: 1, world: world()) }
                    .contains("neither a DNS name"))
            #expect(!FileManager.default.fileExists(atPath: folder))
        }
    }

    @Test func refusedRequests() throws {
        try withFolder { folder in
            #expect(
                message { try DevelopmentCertificates.make(in: folder, names: [], days: 1, world: world()) }
                    .contains("needs a name"))
            #expect(
                message { try DevelopmentCertificates.make(in: folder, names: ["a"], days: 0, world: world()) }
                    .contains("one day"))
            #expect(
                message { try DevelopmentCertificates.make(in: "\(folder)/a/b", names: ["a"], days: 1, world: world()) }
                    .contains("\(folder)/a/b"))
        }
    }
}
