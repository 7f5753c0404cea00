/// A key set (RFC 7517 §5) as an issuer publishes it, or an operator puts it into a file.
enum KeySetDocument {
    static let maximumBytes = 1 << 20
    static let maximumKeys = 64

    /// The RSA keys in it that may verify RS256 signatures; others are passed over, as the RFC asks. Of two with one id
    /// the first counts.
    static func keys(_ document: [UInt8]) throws(DocumentProblem) -> [VerificationKey] {
        guard document.count <= maximumBytes else { throw DocumentProblem("the key set is longer than 1 MiB") }
        let members: JSONObject?
        do { members = try JSONReader.read(document).object } catch {
            throw DocumentProblem("the key set is not JSON: \(error)")
        }
        guard let values = members?["keys"]?.array else { throw DocumentProblem("there are no keys in the key set") }
        var keys: [VerificationKey] = []
        var ids: Set<String> = []
        for value in values where keys.count < maximumKeys {
            guard let key = value.object.flatMap(key), ids.insert(key.id).inserted else { continue }
            keys.append(key)
        }
        // An issuer without keys is a mistake: what was there before is kept.
        guard !keys.isEmpty else { throw DocumentProblem("no key in the key set can be used") }
        return keys
    }

    private static func key(_ members: JSONObject) -> VerificationKey? {
        guard members["kty"]?.plainText == "RSA", isAbsent(members["use"], or: "sig"),
            isAbsent(members["alg"], or: "RS256"),
            members["key_ops"].map({ $0.array?.contains(.text("verify")) == true }) ?? true,
            let id = members["kid"]?.plainText, !id.isEmpty, id.utf8.count <= CompactToken.maximumKeyIDBytes,
            let modulus = members["n"]?.plainText.flatMap({ Base64URL.decode($0.utf8) }),
            let exponent = members["e"]?.plainText.flatMap({ Base64URL.decode($0.utf8) })
        else { return nil }
        var issuer: String?
        if let value = members["issuer"], value != .null {
            guard let text = value.plainText else { return nil }
            issuer = text
        }
        return VerificationKey(id: id, issuer: issuer, modulus: modulus, exponent: exponent)
    }

    private static func isAbsent(_ value: JSONValue?, or expected: String) -> Bool {
        value == nil || value?.plainText == expected
    }
}

/// What is wrong with a document of an issuer, for the log.
struct DocumentProblem: Error, CustomStringConvertible, Sendable {
    let description: String
    init(_ description: String) { self.description = description }
}
