package import NIOCore

package enum XMLEvent: Sendable, Hashable {
    case start(String)
    /// Everything between two tags as one text; never empty.
    case text(String)
    case end
}

/// Where and why a document cannot be read. Line and column count from 1, the column in bytes.
package struct XMLProblem: Error, Sendable, Hashable {
    package var reason: String
    package var line: Int
    package var column: Int

    package init(reason: String, line: Int, column: Int) {
        self.reason = reason
        self.line = line
        self.column = column
    }
}

/// Reads a document in memory, event by event. Takes what request bodies need of XML 1.0: elements, text, CDATA,
/// attributes (skipped), comments and processing instructions (skipped), the five named entities and character
/// references. Everything else is refused, DTDs above all: nothing can expand, and every bound is checked while
/// reading.
package struct XMLReader {
    package struct Bounds: Sendable {
        package var depth: Int
        package var elements: Int
        package var nameBytes: Int
        package var attributes: Int
        package var attributeBytes: Int

        package init(
            depth: Int = 16, elements: Int = 2_000, nameBytes: Int = 256, attributes: Int = 16,
            attributeBytes: Int = 4_096
        ) {
            self.depth = depth
            self.elements = elements
            self.nameBytes = nameBytes
            self.attributes = attributes
            self.attributeBytes = attributeBytes
        }
    }

    private enum Stage { case prolog, content, epilog }

    let bytes: [UInt8]
    private let bounds: Bounds
    var at = 0
    private var stage = Stage.prolog
    private var elementCount = 0
    /// Where the names of the open elements stand.
    private var open: [Range<Int>] = []
    /// `<a/>` has reported its start, not yet its end.
    private var owesEnd = false

    package init(_ bytes: [UInt8], bounds: Bounds = Bounds()) {
        self.bytes = bytes
        self.bounds = bounds
    }

    package init(_ buffer: ByteBuffer, bounds: Bounds = Bounds()) {
        self.init(Array(buffer.readableBytesView), bounds: bounds)
    }

    /// The next event, or `nil` at the end of a complete document.
    package mutating func next() throws(XMLProblem) -> XMLEvent? {
        if owesEnd { return closeElement() }
        switch stage {
        case .prolog:
            try readProlog()
            return try startElement()
        case .content: return try content()
        case .epilog:
            try skipMisc()
            guard at == bytes.count else { throw problem("text after the root element") }
            return nil
        }
    }

    /// The text of the element whose start was just reported, up to and with its end. An element inside is refused.
    package mutating func leafText() throws(XMLProblem) -> String {
        var text = ""
        while let event = try next() {
            switch event {
            case .text(let piece): text = piece
            case .end: return text
            case .start(let name): throw problem("element \(name.prefix(64)) stands where text is expected")
            }
        }
        return text
    }

    package func problem(_ reason: String) -> XMLProblem {
        var line = 1
        var lineStart = 0
        for index in 0..<min(at, bytes.count) where bytes[index] == 0x0A {
            line += 1
            lineStart = index + 1
        }
        return XMLProblem(reason: reason, line: line, column: max(0, at - lineStart) + 1)
    }
}

// The document around the root element.
extension XMLReader {
    private mutating func readProlog() throws(XMLProblem) {
        if bytes.starts(with: [0xFE, 0xFF]) || bytes.starts(with: [0xFF, 0xFE]) || bytes.prefix(4).contains(0) {
            throw problem("only UTF-8 is understood")
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        // Some clients begin with a line end; the declaration is then an instruction like any other.
        skipSpace()
        if looking(at: "<?xml"), let after = byte(5), after.isXMLSpace { try readDeclaration() }
        try skipMisc()
        guard at < bytes.count else { throw problem("the document has no root element") }
    }

    private mutating func readDeclaration() throws(XMLProblem) {
        guard let end = find("?>", from: at, within: 1_024) else { throw problem("the XML declaration does not end") }
        let text = String(decoding: bytes[at..<end], as: UTF8.self).asciiLowercased
        if let position = text.range(ofASCII: "encoding") {
            let value = text.utf8[position...].drop { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'") }.dropFirst()
            let name = value.prefix { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'") }
            guard ["utf-8", "utf8", "us-ascii"].contains(String(Substring(name))) else {
                throw problem("only UTF-8 is understood")
            }
        }
        at = end + 2
    }

    /// Skips blanks, comments and processing instructions.
    private mutating func skipMisc() throws(XMLProblem) {
        while true {
            skipSpace()
            if looking(at: "<!--") {
                try skipComment()
            } else if looking(at: "<?") {
                try skipInstruction()
            } else {
                return
            }
        }
    }

    private mutating func skipComment() throws(XMLProblem) {
        guard let end = find("--", from: at + 4) else { throw problem("a comment does not end") }
        at = end
        guard looking(at: "-->") else { throw problem("a comment holds two hyphens") }
        at += 3
    }

    private mutating func skipInstruction() throws(XMLProblem) {
        guard let end = find("?>", from: at + 2) else { throw problem("a processing instruction does not end") }
        at = end + 2
    }
}

// Elements.
extension XMLReader {
    private mutating func content() throws(XMLProblem) -> XMLEvent {
        var text: [UInt8] = []
        while true {
            guard let next = byte(0) else { throw problem("the document ends inside an element") }
            if next != UInt8(ascii: "<") {
                try readText(into: &text)
            } else if looking(at: "<![CDATA[") {
                try readCDATA(into: &text)
            } else if looking(at: "<!--") {
                try skipComment()
            } else if looking(at: "<?") {
                try skipInstruction()
            } else if !text.isEmpty {
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw problem("the text is not UTF-8")
                }
                return .text(string)
            } else if byte(1) == UInt8(ascii: "/") {
                return try endTag()
            } else {
                return try startElement()
            }
        }
    }

    private mutating func startElement() throws(XMLProblem) -> XMLEvent {
        guard looking(at: "<") else { throw problem("text outside the root element") }
        if looking(at: "<!") { throw problem("declarations are not allowed") }
        at += 1
        let name = try readName()
        elementCount += 1
        guard elementCount <= bounds.elements else { throw problem("too many elements") }
        guard open.count < bounds.depth else { throw problem("elements nest too deep") }
        try skipAttributes()
        if byte(0) == UInt8(ascii: "/") {
            guard byte(1) == UInt8(ascii: ">") else { throw problem("a tag does not end") }
            at += 2
            owesEnd = true
        } else {
            guard byte(0) == UInt8(ascii: ">") else { throw problem("a tag does not end") }
            at += 1
        }
        open.append(name)
        stage = .content
        guard let text = String(validating: bytes[name], as: UTF8.self) else { throw problem("a name is not UTF-8") }
        return .start(text)
    }

    private mutating func endTag() throws(XMLProblem) -> XMLEvent {
        at += 2
        let name = try readName()
        guard let expected = open.last, bytes[expected].elementsEqual(bytes[name]) else {
            throw problem("an end tag does not match its start tag")
        }
        skipSpace()
        guard byte(0) == UInt8(ascii: ">") else { throw problem("a tag does not end") }
        at += 1
        return closeElement()
    }

    private mutating func closeElement() -> XMLEvent {
        owesEnd = false
        _ = open.popLast()
        if open.isEmpty { stage = .epilog }
        return .end
    }

    private mutating func readName() throws(XMLProblem) -> Range<Int> {
        let start = at
        guard let first = byte(0), first.isXMLNameByte, !first.isDigit, first != UInt8(ascii: "-"),
            first != UInt8(ascii: ".")
        else { throw problem("a name is expected") }
        while let next = byte(0), next.isXMLNameByte {
            at += 1
            guard at - start <= bounds.nameBytes else { throw problem("a name is too long") }
        }
        return start..<at
    }

    private mutating func skipAttributes() throws(XMLProblem) {
        var count = 0
        while true {
            let hasSpace = skipSpace()
            guard let next = byte(0) else { throw problem("the document ends inside a tag") }
            if next == UInt8(ascii: ">") || next == UInt8(ascii: "/") { return }
            guard hasSpace else { throw problem("a blank is missing before an attribute") }
            count += 1
            guard count <= bounds.attributes else { throw problem("too many attributes") }
            _ = try readName()
            skipSpace()
            guard byte(0) == UInt8(ascii: "=") else { throw problem("an attribute has no value") }
            at += 1
            skipSpace()
            guard let quote = byte(0), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
                throw problem("an attribute's value is not quoted")
            }
            at += 1
            let start = at
            while let next = byte(0), next != quote {
                guard next != UInt8(ascii: "<") else { throw problem("an attribute holds <") }
                at += 1
                guard at - start <= bounds.attributeBytes else { throw problem("an attribute is too long") }
            }
            guard byte(0) == quote else { throw problem("an attribute does not end") }
            at += 1
        }
    }
}
