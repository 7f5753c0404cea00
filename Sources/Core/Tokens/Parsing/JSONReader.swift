/// Reads one JSON text (RFC 8259), strictly: UTF-8 without a mark, nothing behind the value, no member twice.
///
/// A reader of its own, because what a token says must have one meaning: the ecosystem's decoders silently choose one of
/// two members with the same name.
struct JSONReader {
    /// More than identity providers nest; bounds the stack.
    static let maximumDepth = 16

    private let bytes: [UInt8]
    private var at = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func read(_ bytes: [UInt8]) throws(JSONProblem) -> JSONValue {
        var reader = JSONReader(bytes)
        let value = try reader.value(depth: 0)
        reader.skipBlanks()
        guard reader.at == bytes.count else { throw .malformed }
        return value
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { at += 1 }
    }

    /// Skips blanks, and then the byte when it is there.
    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard next == UInt8(ascii: byte) else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONProblem) -> JSONValue {
        guard depth <= Self.maximumDepth else { throw .tooDeep }
        skipBlanks()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .text(try text())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONProblem) -> JSONValue {
        for offset in 0..<word.utf8CodeUnitCount {
            guard next == word.utf8Start[offset] else { throw .malformed }
            at += 1
        }
        return value
    }

    private mutating func object(depth: Int) throws(JSONProblem) -> JSONValue {
        at += 1
        var object = JSONObject()
        if take("}") { return .object(object) }
        repeat {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw .malformed }
            let name = try text()
            guard take(":") else { throw .malformed }
            guard object.add(name, try value(depth: depth + 1)) else { throw .duplicateMember }
        } while take(",")
        guard take("}") else { throw .malformed }
        return .object(object)
    }

    private mutating func array(depth: Int) throws(JSONProblem) -> JSONValue {
        at += 1
        var values: [JSONValue] = []
        if take("]") { return .array(values) }
        repeat { values.append(try value(depth: depth + 1)) } while take(",")
        guard take("]") else { throw .malformed }
        return .array(values)
    }

    private mutating func digits() -> Int {
        let start = at
        while let byte = next, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { at += 1 }
        return at - start
    }

    private mutating func number() throws(JSONProblem) -> String {
        let start = at
        if next == UInt8(ascii: "-") { at += 1 }
        let beginsWithZero = next == UInt8(ascii: "0")
        let whole = digits()
        guard whole == 1 || whole > 1 && !beginsWithZero else { throw .malformed }
        if next == UInt8(ascii: ".") {
            at += 1
            guard digits() > 0 else { throw .malformed }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            at += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
            guard digits() > 0 else { throw .malformed }
        }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private mutating func text() throws(JSONProblem) -> String {
        at += 1
        var content: [UInt8] = []
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: content, as: UTF8.self) else { throw .malformed }
                return text
            case UInt8(ascii: "\\"): try escape(into: &content)
            case 0..<0x20: throw .malformed
            default: content.append(byte)
            }
        }
        throw .malformed
    }

    private mutating func escape(into content: inout [UInt8]) throws(JSONProblem) {
        guard let letter = next else { throw .malformed }
        at += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(letter)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var code = try codeUnit()
            if 0xD800..<0xDC00 ~= code {
                guard next == UInt8(ascii: "\\") else { throw .malformed }
                at += 1
                guard next == UInt8(ascii: "u") else { throw .malformed }
                at += 1
                let low = try codeUnit()
                guard 0xDC00..<0xE000 ~= low else { throw .malformed }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw .malformed }
            content.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default: throw .malformed
        }
    }

    private mutating func codeUnit() throws(JSONProblem) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = next else { throw .malformed }
            at += 1
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): code = code << 4 | UInt32(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): code = code << 4 | UInt32(digit - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): code = code << 4 | UInt32(digit - UInt8(ascii: "A") + 10)
            default: throw .malformed
            }
        }
        return code
    }
}
