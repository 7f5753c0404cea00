import Crypto
import CryptoExtras

/// An RSA key that tokens are signed with, for RS256 and nothing else (RFC 7518 §3.3: 2,048 bits or more).
final class VerificationKey: Sendable {
    /// Larger ones take longer than they are worth.
    static let maximumModulusBytes = 1024

    let id: String
    /// Whose key it is, when the key set says so; may have `{tenantid}` in it.
    let issuer: String?
    private let modulus: [UInt8]
    private let exponent: [UInt8]
    private let key: _RSA.Signing.PublicKey

    /// `nil` for numbers that make no key, and for keys that are too short or too long.
    init?(id: String, issuer: String?, modulus: [UInt8], exponent: [UInt8]) {
        // An exponent of 1 would let everything pass, an even one is none.
        let isUsable = exponent.last.map { $0 & 1 == 1 } == true && (exponent.count > 1 || exponent != [1])
        guard modulus.count <= Self.maximumModulusBytes, exponent.count <= 8, exponent.first != 0, isUsable else {
            return nil
        }
        do { key = try _RSA.Signing.PublicKey(n: modulus, e: exponent) } catch { return nil }
        guard key.keySizeInBits >= 2048 else { return nil }
        self.id = id
        self.issuer = issuer
        self.modulus = modulus
        self.exponent = exponent
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256: the algorithm is this key's and never the token's.
    func verifies(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
        key.isValidSignature(
            _RSA.Signing.RSASignature(rawRepresentation: signature), for: SHA256.hash(data: bytes),
            padding: .insecurePKCS1v1_5)
    }

    func isSame(as other: VerificationKey) -> Bool {
        id == other.id && issuer == other.issuer && modulus == other.modulus && exponent == other.exponent
    }
}
