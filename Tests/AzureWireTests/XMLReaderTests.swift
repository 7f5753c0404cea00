import AzureWire
import NIOCore
import Testing

@Suite struct XMLReaderTests {
    static func events(_ text: String, _ bounds: XMLReader.Bounds = .init()) throws(XMLProblem) -> [XMLEvent] {
        try events(Array(text.utf8), bounds)
    }

    static func events(_ bytes: [UInt8], _ bounds: XMLReader.Bounds = .init()) throws(XMLProblem) -> [XMLEvent] {
        var reader = XMLReader(bytes, bounds: bounds)
        var events: [XMLEvent] = []
        while let event = try reader.next() { events.append(event) }
        return events
    }

    @Test func plainDocument() throws {
        let document =
            "\u{FEFF}<?xml version='1.0' encoding=\"UTF-8\" standalone=\"yes\"?>\r\n<!-- c --><?pi x?>"
            + "<a x='1' y = \"&lt;>\"><b/>t<c  >é</c ><d\n/></a> <!-- end -->\n"
        #expect(
            try Self.events(document) == [
                .start("a"), .start("b"), .end, .text("t"), .start("c"), .text("é"), .end, .start("d"), .end, .end,
            ])
    }

    @Test func textIsOnePiece() throws {
        let document = "<a>1&amp;2<!-- x -->&#51;&#x34;<![CDATA[<&5]]>&lt;&gt;&quot;&apos;<?p?>6</a>"
        #expect(try Self.events(document) == [.start("a"), .text("1&234<&5<>\"'6"), .end])
    }

    @Test func lineEnds() throws {
        #expect(
            try Self.events("<a>1\r\n2\r3\n4&#xD;5<![CDATA[\r\n]]></a>") == [
                .start("a"), .text("1\n2\n3\n4\r5\n"), .end,
            ])
    }

    @Test func leafText() throws {
        var reader = XMLReader(Array("<a><b>x<!-- --> y</b><c/><d><e/></d></a>".utf8))
        #expect(try reader.next() == .start("a"))
        #expect(try reader.next() == .start("b"))
        #expect(try reader.leafText() == "x y")
        #expect(try reader.next() == .start("c"))
        #expect(try reader.leafText() == "")
        #expect(try reader.next() == .start("d"))
        #expect(throws: XMLProblem.self) { try reader.leafText() }
    }

    @Test(arguments: [
        "", " ", "text", "<", "<a", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "<a x></a>", "<a x=1/>", "<a x='1'y='2'/>",
        "<a x='<'/>", "<a x='1/>", "</a>", "<a>&</a>", "<a>&amp</a>", "<a>&unknown;</a>", "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#x110000;</a>", "<a>&#;</a>", "<a>&#x;</a>", "<a>&#1a;</a>", "<a>&#99999999999;</a>", "<a>]]></a>",
        "<a>\u{1}</a>",
        "<a>\u{FFFE}</a>", "<a><![CDATA[x</a>", "<a><![CDATA[\u{1}]]></a>", "<a><!-- x</a>", "<!-- a--b --><a/>",
        "<a><?x</a>",
        "<1a/>", "<-a/>", "< a/>", "<a / >", "<!DOCTYPE a><a/>", "<a><!DOCTYPE x></a>", "<!ENTITY x 'y'><a/>",
        "<?xml version='1.0' encoding='utf-16'?><a/>", "<?xml version='1.0' encoding='iso-8859-1'?><a/>", "<?xml ",
        "<a/>&amp;",
        "<a>\0</a>",
    ])
    func refuses(document: String) {
        #expect(throws: XMLProblem.self) { try Self.events(document) }
    }

    @Test(
        arguments: [
            [0xFE, 0xFF, 0x00, 0x3C], [0xFF, 0xFE, 0x3C, 0x00], [0x00, 0x3C, 0x00, 0x61], [0x3C, 0x00, 0x61, 0x00],
            Array("<a>".utf8) + [0xC3] + Array("</a>".utf8), Array("<a".utf8) + [0xFF] + Array("/>".utf8),
            Array("<a>".utf8) + [0xED, 0xA0, 0x80] + Array("</a>".utf8),
        ] as [[UInt8]])
    func refusesOtherEncodings(bytes: [UInt8]) {
        #expect(throws: XMLProblem.self) { try Self.events(bytes) }
    }

    @Test func placeOfAProblem() {
        #expect(throws: XMLProblem(reason: "an entity is not defined", line: 3, column: 3)) {
            try Self.events("<a>\n<b/>\nxy&zz;</a>")
        }
    }

    @Test func billionLaughs() {
        var document = "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\">"
        for level in 1...9 { document += "<!ENTITY lol\(level) \"&lol\(level - 1);&lol\(level - 1);\">" }
        document += "]><lolz>&lol9;</lolz>"
        #expect(throws: XMLProblem.self) { try Self.events(document) }
    }

    @Test func bounds() {
        let depth = { String(repeating: "<a>", count: $0) + String(repeating: "</a>", count: $0) }
        #expect(throws: Never.self) { try Self.events(depth(16)) }
        #expect(throws: XMLProblem.self) { try Self.events(depth(17)) }
        #expect(throws: XMLProblem.self) { try Self.events(String(repeating: "<a>", count: 1_000_000)) }
        let many = { "<r>" + String(repeating: "<a/>", count: $0 - 1) + "</r>" }
        #expect(throws: Never.self) { try Self.events(many(2_000)) }
        #expect(throws: XMLProblem.self) { try Self.events(many(2_001)) }
        let huge = String(repeating: "x", count: 10 << 20)
        #expect(throws: XMLProblem.self) { try Self.events("<a b='\(huge)'/>") }
        #expect(throws: XMLProblem.self) { try Self.events("<\(huge)/>") }
        #expect(throws: XMLProblem.self) { try Self.events("<a \(huge)='1'/>") }
        #expect(throws: XMLProblem.self) { try Self.events("<a>&\(huge);</a>") }
        let attributes = (0..<17).map { " x\($0)='1'" }.joined()
        #expect(throws: XMLProblem.self) { try Self.events("<a\(attributes)/>") }
    }

    @Test func tree() throws {
        let root = try XMLElement(reading: ByteBuffer(string: "<a> <b>1</b>\n<b> 2 </b><c/></a>"))
        #expect(
            root
                == XMLElement(
                    name: "a",
                    children: [
                        XMLElement(name: "b", text: "1"), XMLElement(name: "b", text: " 2 "), XMLElement(name: "c"),
                    ]))
        #expect(throws: AzureError.invalidXML(line: 1, column: 17, reason: "text stands between elements")) {
            try XMLElement(reading: ByteBuffer(string: "<a>x<b>1</b></a>"))
        }
    }
}
