import Crypto
import FoundationEssentials
import StorageModel
import SwiftASN1
import X509

/// A certificate authority: a self-signed certificate and its key, P-256.
struct Authority {
    private let certificate: Certificate
    private let key: P256.Signing.PrivateKey

    /// Clocks of clients may be behind.
    private static let skewSeconds: Int64 = 3600
    private static let daySeconds: Int64 = 86_400

    static func make(days: Int, now: Timestamp, world: World) throws(CertificateFailure) -> Authority {
        let key = try newKey(world)
        do {
            let name = try DistinguishedName {
                OrganizationName("Forebay")
                CommonName("Forebay private CA \(hexadecimal(world.randomBytes(4)))")
            }
            let identifier = keyIdentifier(key.publicKey)
            let certificate = try Certificate(
                version: .v3, serialNumber: serialNumber(world), publicKey: .init(key.publicKey),
                notValidBefore: date(now.seconds - skewSeconds),
                notValidAfter: date(now.seconds + Int64(days) * daySeconds), issuer: name, subject: name,
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(keyIdentifier: identifier)
                }, issuerPrivateKey: .init(key))
            return Authority(certificate: certificate, key: key)
        } catch {
            throw CertificateFailure("no authority could be made: \(error)")
        }
    }

    private init(certificate: Certificate, key: P256.Signing.PrivateKey) {
        self.certificate = certificate
        self.key = key
    }

    init(certificatePEM: String, keyPEM: String) throws(CertificateFailure) {
        do {
            certificate = try Certificate(pemEncoded: certificatePEM)
            key = try P256.Signing.PrivateKey(pemRepresentation: keyPEM)
        } catch { throw CertificateFailure("ca.pem or ca.key is not one that was made here: move both away") }
        guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
            throw CertificateFailure("ca.key is not the key of ca.pem: move both away")
        }
    }

    func isValid(at time: Timestamp) -> Bool {
        certificate.notValidBefore <= Self.date(time.seconds) && Self.date(time.seconds) < certificate.notValidAfter
    }

    func certificatePEM() throws(CertificateFailure) -> String { try Self.pem(certificate) }
    func keyPEM() -> String { key.pemRepresentation + "\n" }

    /// Signs a certificate for a server, with a key of its own.
    func issue(
        to names: [CertificateName], days: Int, now: Timestamp, world: World
    ) throws(CertificateFailure) -> (certificate: String, key: String) {
        let serverKey = try Self.newKey(world)
        let wanted = Self.date(now.seconds + Int64(days) * Self.daySeconds)
        let issued: Certificate
        do {
            issued = try Certificate(
                version: .v3, serialNumber: Self.serialNumber(world), publicKey: .init(serverKey.publicKey),
                notValidBefore: Self.date(now.seconds - Self.skewSeconds),
                notValidAfter: min(wanted, certificate.notValidAfter), issuer: certificate.subject,
                subject: try DistinguishedName { CommonName("Forebay node") }, signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([.serverAuth, .clientAuth])
                    SubjectAlternativeNames(names.map(Self.generalName))
                    SubjectKeyIdentifier(keyIdentifier: Self.keyIdentifier(serverKey.publicKey))
                    AuthorityKeyIdentifier(keyIdentifier: Self.keyIdentifier(key.publicKey))
                }, issuerPrivateKey: .init(key))
        } catch { throw CertificateFailure("no certificate could be made: \(error)") }
        return (try Self.pem(issued), serverKey.pemRepresentation + "\n")
    }

    // MARK: Parts

    private static func generalName(_ name: CertificateName) -> GeneralName {
        switch name {
        case .dns(let text): .dnsName(text)
        case .address(let address): .ipAddress(ASN1OctetString(contentBytes: address.bytes[...]))
        }
    }

    /// All but a few of 2^256 numbers are keys of P-256.
    private static func newKey(_ world: World) throws(CertificateFailure) -> P256.Signing.PrivateKey {
        var last: (any Error)?
        for _ in 0..<8 {
            do { return try P256.Signing.PrivateKey(rawRepresentation: world.randomBytes(32)) } catch { last = error }
        }
        throw CertificateFailure("no key could be made: \(last.map { "\($0)" } ?? "")")
    }

    /// RFC 5280, section 4.1.2.2: positive, at most 20 bytes.
    private static func serialNumber(_ world: World) -> Certificate.SerialNumber {
        var bytes = world.randomBytes(16)
        bytes[0] = bytes[0] & 0x3F | 0x40
        return Certificate.SerialNumber(bytes: bytes)
    }

    /// RFC 7093, section 2, method 1: the leftmost 160 bits of SHA-256 of the key.
    private static func keyIdentifier(_ key: P256.Signing.PublicKey) -> ArraySlice<UInt8> {
        Array(SHA256.hash(data: key.x963Representation))[..<20]
    }

    private static func pem(_ certificate: Certificate) throws(CertificateFailure) -> String {
        do { return try certificate.serializeAsPEM().pemString + "\n" } catch {
            throw CertificateFailure("a certificate cannot be written: \(error)")
        }
    }

    private static func date(_ seconds: Int64) -> Date { Date(timeIntervalSince1970: Double(seconds)) }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
