/// Takes secrets out of what is about to be logged.
package enum Redaction {
    package static let replacement = "REDACTED"

    /// A URI with the values of its secret parameters replaced, percent-encoded names included.
    package static func uri(_ text: String) -> String {
        guard let query = text.utf8.firstIndex(of: UInt8(ascii: "?")) else { return text }
        return text[...query] + self.query(text[text.utf8.index(after: query)...])
    }

    /// The part of a URI after `?`.
    package static func query(_ text: some StringProtocol) -> String {
        // By bytes, as the service itself reads a query: to Swift an `&` or `=` beside some marks is another character.
        Substring(text).utf8.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).map { pair in
            let name = Substring(pair.prefix { $0 != UInt8(ascii: "=") })
            guard isSecret(parameter: String(name)) || holdsSignedURI(pair) else { return String(Substring(pair)) }
            return "\(name)=\(replacement)"
        }.joined(separator: "&")
    }

    /// A header's value, fit for a log.
    package static func header(_ name: String, _ value: String) -> String {
        switch name.lowercased() {
        case "authorization", "proxy-authorization", "x-ms-copy-source-authorization",
            "x-ms-authorization-auxiliary":
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
        case "x-ms-copy-source", "x-ms-rename-source", "x-ms-previous-snapshot-url", "referer", "location":
            return uri(value)
        default:
            return value
        }
    }

    /// Free text, such as the cause of a failure: parameters of signed URIs, credentials behind their scheme, tokens, and
    /// the values of user delegation keys.
    package static func text(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var safe: [UInt8] = []
        safe.reserveCapacity(bytes.count)
        var at = 0
        while at < bytes.count {
            guard isWordByte(bytes[at]) else {
                safe.append(bytes[at])
                at += 1
                continue
            }
            let end = bytes[at...].firstIndex { !isWordByte($0) } ?? bytes.count
            let word = String(decoding: bytes[at..<end], as: UTF8.self)
            let next = end < bytes.count ? bytes[end] : 0
            let follows = end + 1 < bytes.count
            if next == UInt8(ascii: "="), isSecret(parameter: word) {
                safe += "\(word)=\(replacement)".utf8
                at = secretEnd(bytes, from: end + 1)
            } else if next == UInt8(ascii: " "), follows, schemes.contains(word.lowercased()) {
                safe += "\(word) \(replacement)".utf8
                at = secretEnd(bytes, from: end + 1)
            } else if next == UInt8(ascii: ">"), follows, word.lowercased() == "value", at > 0, bytes[at - 1] == 0x3C {
                safe += "\(word)>\(replacement)".utf8
                at = bytes[(end + 1)...].firstIndex(of: 0x3C) ?? bytes.count
            } else if next == UInt8(ascii: "."), word.hasPrefix("eyJ") {
                safe += replacement.utf8
                at = secretEnd(bytes, from: end)
            } else {
                safe += bytes[at..<end]
                at = end
            }
        }
        return String(decoding: safe, as: UTF8.self)
    }

    private static let schemes: Set<String> = ["bearer", "basic", "sharedkey", "sharedkeylite"]

    /// What parameter names, schemes and the parts of a token are made of.
    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "%"):
            true
        default: byte >= 0x80
        }
    }

    private static func secretEnd(_ bytes: [UInt8], from start: Int) -> Int {
        bytes[start...].firstIndex { $0 <= 0x20 || "&\"'<>,;)".utf8.contains($0) } ?? bytes.count
    }

    /// Whether the parameter's value is itself a signed URI, percent-encoded.
    private static func holdsSignedURI(_ pair: Substring.UTF8View) -> Bool {
        var rest = pair
        while let at = rest.firstIndex(of: UInt8(ascii: "%")) {
            // `sig` before an encoded `=`, encoded once or more often.
            let before = rest[..<at].suffix(3)
            let after = rest[at...].dropFirst()
            if before.count == 3, Substring(before).lowercased() == "sig",
                Substring(after.drop { $0 == 0x32 || $0 == 0x35 }.prefix(2)).lowercased() == "3d"
            {
                return true
            }
            rest = after
        }
        return false
    }

    /// In lower case. Of a shared access signature only `sig` is secret; the rest tells an operator what was tried.
    private static let secretParameters: Set<String> = [
        "sig", "signature", "x-amz-signature", "x-amz-security-token", "access_token", "id_token", "refresh_token",
        "client_secret", "client_assertion", "assertion", "accountkey", "sharedaccesssignature",
    ]

    private static let secretLengths = Set(secretParameters.map(\.utf8.count))

    private static func isSecret(parameter name: String) -> Bool {
        // Most names are told apart by their length alone. Letters beside ASCII may become others in lower case.
        if !secretLengths.contains(name.utf8.count),
            name.utf8.allSatisfy({ $0 < 0x80 && $0 != UInt8(ascii: "%") })
        {
            return false
        }
        var lowered = name.lowercased()
        // An encoded name is still understood by the service, so it must not slip through here.
        if lowered.utf8.contains(UInt8(ascii: "%")) { lowered = decodeASCII(lowered).lowercased() }
        return secretParameters.contains(lowered)
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
