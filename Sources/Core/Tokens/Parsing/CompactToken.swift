/// A signed token in its compact form (RFC 7515 §7.1), taken apart; nothing in it is believed yet.
struct CompactToken: Sendable {
    /// Entra's own limit is lower; a request head of ours holds no more than 64 KiB.
    static let maximumBytes = 16 << 10
    static let maximumKeyIDBytes = 256

    let keyID: String
    let payload: JSONObject
    let signature: [UInt8]
    /// Header and payload as they came: what the signature is over.
    let signedBytes: [UInt8]

    init(_ token: String) throws(TokenRefusal) {
        guard token.utf8.count <= Self.maximumBytes else { throw .tooLarge }
        let bytes = Array(token.utf8)
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        // Five would be an encrypted token, which Azure Storage's clients never send.
        guard parts.count == 3 else { throw .malformed }
        keyID = try Self.keyID(Self.object(parts[0]))
        payload = try Self.object(parts[1])
        // A token without a signature has an empty third part; it was refused for its algorithm.
        guard let signature = Base64URL.decode(parts[2]), !signature.isEmpty else { throw .malformed }
        self.signature = signature
        signedBytes = Array(bytes[..<parts[1].endIndex])
    }

    private static func object(_ part: ArraySlice<UInt8>) throws(TokenRefusal) -> JSONObject {
        guard let bytes = Base64URL.decode(part) else { throw .malformed }
        let value: JSONValue
        do { value = try JSONReader.read(bytes) } catch { throw error == .duplicateMember ? .ambiguous : .malformed }
        guard let object = value.object else { throw .malformed }
        return object
    }

    /// The header says which key, and nothing else: which algorithm is for us to say, and a key that a token brings or
    /// points to (`jwk`, `jku`, `x5c`, `x5u`) is nobody's.
    private static func keyID(_ header: JSONObject) throws(TokenRefusal) -> String {
        guard header["alg"]?.plainText == "RS256" else { throw .algorithm }
        guard header["crit"] == nil else { throw .extension }
        if let type = header["typ"] {
            guard let type = type.plainText?.lowercased(), ["jwt", "at+jwt", "application/at+jwt"].contains(type) else {
                throw .type
            }
        }
        guard let keyID = header["kid"]?.plainText, !keyID.isEmpty, keyID.utf8.count <= maximumKeyIDBytes else {
            throw .keyMissing
        }
        return keyID
    }
}
