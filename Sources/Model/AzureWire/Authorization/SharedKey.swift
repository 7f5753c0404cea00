package import StorageModel

extension AccountKey {
    /// `nil` unless the text is Base64 of at least one byte.
    package init?(base64: some StringProtocol) {
        guard let bytes = Base64.decode(base64), !bytes.isEmpty else { return nil }
        self.init(bytes: bytes)
    }
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
        if let key = keys.firstIndex(where: { $0.verifies(given, of: plain) }) { return .valid(key: key) }
        for spelling in request.spellings() where spelling != .plain {
            let text = request.bytesToSign(scheme, spelling)
            if let key = keys.firstIndex(where: { $0.verifies(given, of: text) }) { return .valid(key: key) }
        }
        return refusal()
    }

    package static func signature(_ request: SharedKeyRequest, scheme: SharedKeyScheme, key: AccountKey) -> String {
        Base64.encode(key.sign(request.bytesToSign(scheme, .plain)))
    }
}
