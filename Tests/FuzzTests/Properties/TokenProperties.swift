import Access
import StorageModel

@testable import Tokens

/// Tokens, the JSON in them, and the key sets that they are checked with: nothing has two readings.
enum TokenProperties {
    static func check(_ input: [UInt8]) throws {
        let value = read(input)
        if let value { try json(value) }
        try base64(input)
        try token(String(decoding: input, as: UTF8.self))
        try payload(input, value)
        if let object = value?.object { try claims(object) }
        try keySet(input)
    }

    private static func read(_ input: [UInt8]) -> JSONValue? {
        do { return try JSONReader.read(input) } catch { return nil }
    }

    private static func json(_ value: JSONValue) throws {
        var written = ""
        try write(value, to: &written, depth: 0)
        try hold(read(Array(written.utf8)) == value, "\(written) reads differently")
        // A second member of the same name, whatever its value, is refused.
        if let object = value.object, let name = object.names.min() {
            var twice = String(written.dropLast()) + ","
            quote(name, to: &twice)
            twice += ":null}"
            try hold(read(Array(twice.utf8)) == nil, "\(twice) has a member twice")
        }
    }

    private static func write(_ value: JSONValue, to text: inout String, depth: Int) throws {
        try hold(depth <= JSONReader.maximumDepth, "deeper than it may be")
        switch value {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let digits): text += digits
        case .text(let value): quote(value, to: &text)
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                try write(value, to: &text, depth: depth + 1)
            }
            text += "]"
        case .object(let object):
            text += "{"
            for (index, name) in object.names.enumerated() {
                if index > 0 { text += "," }
                quote(name, to: &text)
                text += ":"
                try write(must(object[name], "\(name) is gone"), to: &text, depth: depth + 1)
            }
            text += "}"
        }
    }

    private static func quote(_ value: String, to text: inout String) {
        text += "\""
        for unit in value.utf16 {
            let digits = String(unit, radix: 16)
            text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
        text += "\""
    }

    private static func base64(_ input: [UInt8]) throws {
        if let bytes = Base64URL.decode(input) {
            try hold(encode(bytes) == input, "two texts stand for the same bytes")
        }
        try hold(Base64URL.decode(encode(input)) == input, "other bytes came back")
    }

    private static func encode(_ bytes: [UInt8]) -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var digits: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for index in 0...group.count { digits.append(alphabet[Int(bits >> UInt32(18 - 6 * index) & 63)]) }
        }
        return digits
    }

    private static func token(_ text: String) throws {
        guard let token = take(text) else { return }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        try hold(parts.count == 3 && text.utf8.count <= CompactToken.maximumBytes, "a token of another form passed")
        try hold(token.signedBytes == Array("\(parts[0]).\(parts[1])".utf8), "other bytes are signed than came")
        try hold(encode(token.signature) == Array(parts[2].utf8), "another signature was read")
        let header = try must(Base64URL.decode(parts[0].utf8).flatMap(read)?.object, "the header is no object")
        try hold(header["alg"] == .text("RS256") && header["crit"] == nil, "another algorithm passed")
        try hold(header["kid"] == .text(token.keyID), "another key was read")
        try hold(1...CompactToken.maximumKeyIDBytes ~= token.keyID.utf8.count, "the key's name is out of bounds")
        try claims(token.payload)
    }

    private static func take(_ text: String) -> CompactToken? {
        do { return try CompactToken(text) } catch { return nil }
    }

    /// As a payload the bytes say what they say alone.
    private static func payload(_ input: [UInt8], _ value: JSONValue?) throws {
        let header = encode(Array(#"{"alg":"RS256","kid":"k"}"#.utf8))
        let dot = [UInt8(ascii: ".")]
        let text = String(decoding: header + dot + encode(input) + dot + Array("AAAA".utf8), as: UTF8.self)
        guard text.utf8.count <= CompactToken.maximumBytes else { return }
        try hold(take(text)?.payload == value?.object, "the payload is another one in a token")
    }

    private static func claims(_ payload: JSONObject) throws {
        let claims: TokenClaims
        do { claims = try TokenClaims(payload) } catch { return }
        let identity = claims.identity
        for id in [identity.tenantID, identity.objectID, identity.applicationID ?? identity.objectID] + identity.groups
        {
            try hold(UUIDText.parse(id) == id, "\(id) is no id")
        }
        try hold(!claims.audiences.isEmpty && claims.audiences.count <= 16, "the audiences are out of bounds")
        for seconds in [Int64.min, 0, 1_709_294_400, .max] {
            let now = Timestamp(nanoseconds: seconds)
            do { try claims.check(at: now, skewSeconds: 300) } catch { continue }
            try hold(now.seconds < claims.expiresSeconds + 300, "an expired token passed")
            try hold(now.seconds >= claims.notBeforeSeconds - 300, "a token passed too early")
        }
    }

    private static func keySet(_ input: [UInt8]) throws {
        let keys: [VerificationKey]
        do { keys = try KeySetDocument.keys(input) } catch { return }
        try hold(1...KeySetDocument.maximumKeys ~= keys.count, "\(keys.count) keys")
        try hold(Set(keys.map(\.id)).count == keys.count, "two keys of one name")
        for key in keys { try hold(!key.verifies([], of: input), "no signature is a signature") }
    }
}
