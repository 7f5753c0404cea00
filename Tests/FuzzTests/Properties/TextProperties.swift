import AzureWire
import Observability

/// Base64, percent escapes, query strings, targets: what is accepted reads the same when it is written again. What the
/// service takes for a signature, the log takes for a secret.
enum TextProperties {
    static func check(_ input: [UInt8]) throws {
        let text = String(decoding: input, as: UTF8.self)
        try base64(input, text)
        try percent(text)
        try query(text)
        try target(text)
        try redaction(text)
    }

    private static func base64(_ input: [UInt8], _ text: String) throws {
        try hold(Base64.decode(Base64.encode(input)) == input, "other bytes come back")
        try hold(Base64.decodedLength(of: text) == Base64.decode(text)?.count, "two lengths for \(text)")
        guard let bytes = Base64.decode(text) else { return }
        let again = Base64.encode(bytes)
        // The unused bits of the last digit are not looked at.
        try hold(again.utf8.count == text.utf8.count, "\(again) instead of \(text)")
        try hold(again.utf8.dropLast(3).elementsEqual(text.utf8.dropLast(3)), "\(again) instead of \(text)")
    }

    private static func percent(_ text: String) throws {
        for keeping in [PercentCoding.Keeping.unreserved, .slashes] {
            let encoded = PercentCoding.encode(text, keeping: keeping)
            try hold(encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "\(encoded) is not ASCII")
            for plus in [PercentCoding.Plus.literal, .space] {
                try hold(sameBytes(PercentCoding.decode(encoded, plus: plus), text), "\(encoded) is another text")
            }
        }
        guard let decoded = PercentCoding.decode(text) else { return }
        try hold(decoded.utf8.count <= text.utf8.count, "decoding made it longer")
        try hold(sameBytes(PercentCoding.decode(PercentCoding.encode(decoded)), decoded), "another text comes back")
    }

    private static func query(_ text: String) throws {
        guard let query = QueryString(text) else { return }
        let written = query.parameters.map { "\(PercentCoding.encode($0.name))=\(PercentCoding.encode($0.value))" }
        let again = try must(QueryString(written.joined(separator: "&")), "\(written) is not read")
        let isSame = again.parameters.elementsEqual(query.parameters) {
            sameBytes($0.name, $1.name) && sameBytes($0.value, $1.value)
        }
        try hold(isSame, "\(again) instead of \(query)")
        for parameter in query.parameters {
            try hold(query[parameter.name] != nil, "\(parameter.name) is not found")
        }
    }

    private static func target(_ text: String) throws {
        guard let target = RequestTarget(text) else { return }
        try hold(target.rawPath.utf8.first == UInt8(ascii: "/"), "the path \(target.rawPath) passed")
        try hold(!target.rawPath.utf8.contains(UInt8(ascii: "?")), "a query stands in the path \(target.rawPath)")
        let written = target.rawQuery.isEmpty ? target.rawPath : "\(target.rawPath)?\(target.rawQuery)"
        let again = try must(RequestTarget(written), "\(written) is not read")
        try hold(
            sameBytes(again.rawPath, target.rawPath) && sameBytes(again.rawQuery, target.rawQuery),
            "\(again) instead of \(target)")
        for style in [AddressingStyle.path, .host] {
            let path = RawResourcePath(target.rawPath, style: style)
            try hold(path.blob == nil || path.container != nil || target.rawPath.utf8.contains(0x2F), "a lost slash")
        }
    }

    /// The query parser decides what a signature is; the log must not show its value. A signature is Base64.
    private static func redaction(_ text: String) throws {
        let shown = Redaction.uri("/c/b?" + text)
        for part in text.utf8.split(separator: UInt8(ascii: "&")) {
            guard let query = QueryString(String(Substring(part))), let value = query["sig"], value.utf8.count >= 4
            else {
                continue
            }
            let raw = part.drop { $0 != UInt8(ascii: "=") }.dropFirst()
            guard Base64.decode(value) != nil,
                let pieces = QueryString(String(Substring(shown.utf8.dropFirst(5))))
            else { continue }
            let isShown = pieces.parameters.contains { sameBytes($0.value, value) } || contains(shown, raw)
            let isElsewhere = text.utf8.split(separator: UInt8(ascii: "&")).count {
                contains(String(Substring($0)), raw)
            }
            try hold(!isShown || isElsewhere > 1, "\(shown) shows the signature of \(text)")
        }
    }

    private static func contains(_ text: String, _ part: some Collection<UInt8>) -> Bool {
        let bytes = Array(text.utf8)
        let part = Array(part)
        guard bytes.count >= part.count else { return false }
        return (0...(bytes.count - part.count)).contains { bytes[$0...].starts(with: part) }
    }
}
