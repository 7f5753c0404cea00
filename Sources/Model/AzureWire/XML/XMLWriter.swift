package import NIOCore
package import StorageModel

/// Writes a document front to back into one buffer. Names of elements are literals; text is escaped.
package struct XMLWriter {
    package private(set) var buffer: ByteBuffer

    /// Begins with the XML declaration, without a byte order mark.
    package init(capacity: Int = 1_024) {
        buffer = ByteBufferAllocator().buffer(capacity: capacity)
        buffer.writeStaticString("<?xml version=\"1.0\" encoding=\"utf-8\"?>")
    }

    package mutating func open(_ name: StaticString) { write("<", name, ">") }

    /// The parts in one go: a listing has hundreds of thousands of them.
    private mutating func write(_ first: StaticString, _ second: StaticString, _ third: StaticString) {
        let room = first.utf8CodeUnitCount + second.utf8CodeUnitCount + third.utf8CodeUnitCount
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { space in
            var at = Self.copy(first, to: space, at: 0)
            at = Self.copy(second, to: space, at: at)
            return Self.copy(third, to: space, at: at)
        }
    }

    /// `<name>`, at most `limit` bytes that `body` writes and counts, `</name>`.
    @inline(__always)
    private mutating func write(
        element name: StaticString, limit: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int
    ) {
        let room = 2 * name.utf8CodeUnitCount + limit + 5
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { space in
            var at = Self.copy("<", to: space, at: 0)
            at = Self.copy(name, to: space, at: at)
            at = Self.copy(">", to: space, at: at)
            at += body(UnsafeMutableRawBufferPointer(rebasing: space[at..<at + limit]))
            at = Self.copy("</", to: space, at: at)
            at = Self.copy(name, to: space, at: at)
            return Self.copy(">", to: space, at: at)
        }
    }

    @inline(__always)
    private static func copy(_ text: StaticString, to space: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let count = text.utf8CodeUnitCount
        UnsafeMutableRawBufferPointer(rebasing: space[offset...]).copyMemory(
            from: UnsafeRawBufferPointer(start: text.utf8Start, count: count))
        return offset + count
    }

    package mutating func open(_ name: StaticString, attributes: [(name: StaticString, value: String)]) {
        buffer.writeStaticString("<")
        buffer.writeStaticString(name)
        for attribute in attributes {
            buffer.writeStaticString(" ")
            buffer.writeStaticString(attribute.name)
            buffer.writeStaticString("=\"")
            escape(attribute.value, inAttribute: true)
            buffer.writeStaticString("\"")
        }
        buffer.writeStaticString(">")
    }

    package mutating func close(_ name: StaticString) { write("</", name, ">") }
    package mutating func empty(_ name: StaticString) { write("<", name, " />") }

    /// `<name />` when there is no text.
    package mutating func element(_ name: StaticString, _ text: String?) {
        guard let text, !text.isEmpty else {
            empty(name)
            return
        }
        var copy = text
        let isPlain = copy.withUTF8 { bytes in
            guard XMLText.isPlain(bytes) else { return false }
            write(element: name, limit: bytes.count) { space in
                space.copyMemory(from: UnsafeRawBufferPointer(bytes))
                return bytes.count
            }
            return true
        }
        if isPlain { return }
        open(name)
        escape(text, inAttribute: false)
        close(name)
    }

    /// For text without a character that needs escaping.
    package mutating func element(_ name: StaticString, literal text: StaticString) {
        write(element: name, limit: text.utf8CodeUnitCount) { Self.copy(text, to: $0, at: 0) }
    }

    package mutating func element(_ name: StaticString, number: Int64) {
        var text = String(number)
        text.withUTF8 { digits in
            write(element: name, limit: digits.count) { space in
                space.copyMemory(from: UnsafeRawBufferPointer(digits))
                return digits.count
            }
        }
    }

    package mutating func element(_ name: StaticString, flag: Bool) {
        element(name, literal: flag ? "true" : "false")
    }

    package mutating func element(_ name: StaticString, date: Timestamp) {
        write(element: name, limit: HTTPDate.length) { space in
            HTTPDate.write(date, to: space)
            return HTTPDate.length
        }
    }

    package mutating func element(_ name: StaticString, base64 bytes: [UInt8]?) {
        element(name, bytes.map { Base64.encode($0) })
    }

    /// A name that may hold what XML 1.0 cannot: it is then percent-encoded as a whole and marked `Encoded="true"`.
    package mutating func name(_ element: StaticString, _ name: String) {
        guard !XMLText.isRepresentable(name) else {
            self.element(element, name)
            return
        }
        open(element, attributes: [("Encoded", "true")])
        buffer.writeString(PercentCoding.encode(name))
        close(element)
    }

    /// `<key>value</key>` for each entry. A key that cannot name an element stands under a name that says so.
    package mutating func metadata(_ metadata: UserMetadata) {
        guard !metadata.isEmpty else {
            empty("Metadata")
            return
        }
        open("Metadata")
        for entry in metadata.entries {
            guard XMLText.isName(entry.key) else {
                element("x-ms-invalid-name", entry.key)
                continue
            }
            namedElement(entry.key, entry.value)
        }
        close("Metadata")
    }

    /// An element whose name is not a literal; left out when the name could not be one.
    mutating func dynamicElement(_ name: String, _ text: String) {
        if XMLText.isName(name) { namedElement(name, text) }
    }

    private mutating func namedElement(_ name: String, _ text: String) {
        buffer.writeStaticString("<")
        buffer.writeString(name)
        buffer.writeStaticString(">")
        escape(text, inAttribute: false)
        buffer.writeStaticString("</")
        buffer.writeString(name)
        buffer.writeStaticString(">")
    }

    private mutating func escape(_ text: String, inAttribute: Bool) {
        var text = text
        text.withUTF8 { bytes in
            var start = 0
            var index = 0
            while index < bytes.count {
                guard let replacement = XMLText.replacement(bytes, index, inAttribute: inAttribute) else {
                    index += 1
                    continue
                }
                buffer.writeBytes(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[start..<index])))
                buffer.writeStaticString(replacement.text)
                index += replacement.width
                start = index
            }
            buffer.writeBytes(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[start..<bytes.count])))
        }
    }
}

/// What XML 1.0 says of characters.
enum XMLText {
    /// What must stand in the place of the bytes at `index`. Characters that XML cannot hold become U+FFFD.
    static func replacement(
        _ bytes: UnsafeBufferPointer<UInt8>, _ index: Int, inAttribute: Bool
    ) -> (text: StaticString, width: Int)? {
        switch bytes[index] {
        case UInt8(ascii: "&"): return ("&amp;", 1)
        case UInt8(ascii: "<"): return ("&lt;", 1)
        case UInt8(ascii: ">"): return ("&gt;", 1)
        case 0x0D: return ("&#xD;", 1)
        case UInt8(ascii: "\""): return inAttribute ? ("&quot;", 1) : nil
        case 0x09: return inAttribute ? ("&#x9;", 1) : nil
        case 0x0A: return inAttribute ? ("&#xA;", 1) : nil
        case 0..<0x20: return ("\u{FFFD}", 1)
        case 0xEF: return isNonCharacter(bytes, index) ? ("\u{FFFD}", 3) : nil
        default: return nil
        }
    }

    /// Whether nothing in the text needs an escape, in an element or an attribute.
    static func isPlain(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        for byte in bytes {
            // The marks of XML, control characters, and the first byte of U+FFFE and U+FFFF.
            if byte < 0x20 || byte == 0xEF { return false }
            switch byte {
            case UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""): return false
            default: continue
            }
        }
        return true
    }

    private static func isNonCharacter(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
        index + 2 < bytes.count && bytes[index + 1] == 0xBF && bytes[index + 2] >= 0xBE
    }

    /// Whether every character can stand in a document, escaped or not.
    static func isRepresentable(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            for index in bytes.indices {
                let byte = bytes[index]
                if byte < 0x20, byte != 0x09, byte != 0x0A, byte != 0x0D { return false }
                if byte == 0xEF, isNonCharacter(bytes, index) { return false }
            }
            return true
        }
    }

    /// Whether the text is a name without a colon.
    static func isName(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first, isNameStart(first) else { return false }
        return text.unicodeScalars.dropFirst().allSatisfy {
            isNameStart($0) || $0 == "-" || $0 == "." || ("0"..."9").contains($0) || $0.value == 0xB7
                || (0x300...0x36F).contains($0.value) || $0.value == 0x203F || $0.value == 0x2040
        }
    }

    private static func isNameStart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x41...0x5A, 0x5F, 0x61...0x7A, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x2FF, 0x370...0x37D, 0x37F...0x1FFF,
            0x200C...0x200D, 0x2070...0x218F, 0x2C00...0x2FEF, 0x3001...0xD7FF, 0xF900...0xFDCF, 0xFDF0...0xFFFD,
            0x10000...0xEFFFF:
            true
        default: false
        }
    }
}
