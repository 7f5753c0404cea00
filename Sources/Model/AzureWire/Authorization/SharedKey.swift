import Crypto

/// One of an account's keys. Prints as nothing that helps anybody.
package struct AccountKey: Sendable, CustomStringConvertible {
    /// The code with the key already taken in: a copy of it is all that a signature begins with.
    private let keyed: HMAC<SHA256>

    /// `nil` unless the text is Base64 of at least one byte.
    package init?(base64: some StringProtocol) {
        guard let bytes = Base64.decode(base64), !bytes.isEmpty else { return nil }
        self.init(bytes: bytes)
    }

    package init(bytes: [UInt8]) { keyed = HMAC<SHA256>(key: SymmetricKey(data: bytes)) }

    /// HMAC-SHA256 of the text, 32 bytes.
    package func sign(_ text: [UInt8]) -> [UInt8] { code(text).withUnsafeBytes { Array($0) } }

    /// Whether the text has this signature, in a time that depends on the lengths alone.
    func verifies(_ signature: [UInt8], of text: [UInt8]) -> Bool {
        code(text).withUnsafeBytes { computed in
            signature.withUnsafeBytes { SharedKey.isEqual($0, computed) }
        }
    }

    private func code(_ text: [UInt8]) -> HMAC<SHA256>.MAC {
        var code = keyed
        text.withUnsafeBytes { code.update(data: $0) }
        return code.finalize()
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

    /// In a time that depends on the length alone.
    package static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.withUnsafeBytes { left in right.withUnsafeBytes { isEqual(left, $0) } }
    }

    static func isEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in 0..<left.count { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}
