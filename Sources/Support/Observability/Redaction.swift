/// Takes secrets out of what is about to be logged.
package enum Redaction {
    package static let replacement = "REDACTED"

    /// A URI or query string with the values of its signature parameters replaced, percent-encoded names included.
    package static func uri(_ text: String) -> String {
        guard let query = text.utf8.firstIndex(of: UInt8(ascii: "?")) else { return text }
        return text[...query] + self.query(text[text.utf8.index(after: query)...])
    }

    /// The part of a URI after `?`.
    package static func query(_ text: some StringProtocol) -> String {
        // By bytes, as the service itself reads a query: to Swift an `&` or `=` beside some marks is another character.
        Substring(text).utf8.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).map { pair in
            let name = Substring(pair.prefix { $0 != UInt8(ascii: "=") })
            guard isSecret(parameter: String(name)) else { return String(Substring(pair)) }
            return "\(name)=\(replacement)"
        }.joined(separator: "&")
    }

    /// A header's value, fit for a log.
    package static func header(_ name: String, _ value: String) -> String {
        switch name.lowercased() {
        case "authorization", "proxy-authorization", "x-ms-copy-source-authorization":
            // The scheme and, for Shared Key, the account tell an operator what is wrong; the rest is the secret.
            let scheme = value.prefix { $0 != " " }
            guard scheme.count < value.count else { return replacement }
            if scheme.lowercased().hasPrefix("sharedkey"),
                let colon = value.firstIndex(of: ":"), colon > scheme.endIndex
            {
                return "\(value[..<colon]):\(replacement)"
            }
            return "\(scheme) \(replacement)"
        case "cookie", "set-cookie", "x-ms-encryption-key", "x-ms-source-encryption-key", "x-amz-security-token":
            return replacement
        case "x-ms-copy-source", "x-ms-rename-source", "referer":
            return uri(value)
        default:
            return value
        }
    }

    private static func isSecret(parameter name: String) -> Bool {
        var lowered = name.lowercased()
        // An encoded name is still understood by the service, so it must not slip through here.
        if lowered.utf8.contains(UInt8(ascii: "%")) { lowered = decodeASCII(lowered).lowercased() }
        return ["sig", "x-amz-signature", "x-amz-security-token", "signature"].contains(lowered)
    }

    private static func decodeASCII(_ text: String) -> String {
        var decoded: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                decoded.append(value)
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }
}
