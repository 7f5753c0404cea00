import Crypto

/// One of an account's keys. Prints as nothing that helps anybody.
package struct AccountKey: Sendable, CustomStringConvertible {
    private let key: SymmetricKey

    /// `nil` unless the text is Base64 of at least one byte.
    package init?(base64: some StringProtocol) {
        guard let bytes = Base64.decode(base64), !bytes.isEmpty else { return nil }
        self.init(bytes: bytes)
    }

    package init(bytes: [UInt8]) { key = SymmetricKey(data: bytes) }

    /// HMAC-SHA256 of the text, 32 bytes.
    package func sign(_ text: [UInt8]) -> [UInt8] {
        var code = HMAC<SHA256>(key: key)
        code.update(data: text)
        return Array(code.finalize())
    }

    package var description: String { "AccountKey(…)" }
}

/// Shared Key and Shared Key Lite.
package enum SharedKey {
    package enum Verdict: Sendable, Equatable {
        /// The place of the key that made the signature.
        case valid(key: Int)
        /// With the text that the server signed: it holds nothing that the client did not send.
        case invalid(stringToSign: String)
        /// A signed header stands twice: 400.
        case duplicateHeader(String)
    }

    package static func verify(
        _ request: SharedKeyRequest, scheme: SharedKeyScheme, signature: String, keys: [AccountKey]
    ) -> Verdict {
        if let name = request.headers.duplicate { return .duplicateHeader(name) }
        let plain = request.bytesToSign(scheme, .plain)
        let refusal = { Verdict.invalid(stringToSign: String(decoding: plain, as: UTF8.self)) }
        guard let given = Base64.decode(signature) else { return refusal() }
        if let key = keys.firstIndex(where: { isEqual($0.sign(plain), given) }) { return .valid(key: key) }
        for spelling in request.spellings() where spelling != .plain {
            let text = request.bytesToSign(scheme, spelling)
            if let key = keys.firstIndex(where: { isEqual($0.sign(text), given) }) { return .valid(key: key) }
        }
        return refusal()
    }

    package static func signature(_ request: SharedKeyRequest, scheme: SharedKeyScheme, key: AccountKey) -> String {
        Base64.encode(key.sign(request.bytesToSign(scheme, .plain)))
    }

    /// In a time that depends on the length alone.
    package static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}
