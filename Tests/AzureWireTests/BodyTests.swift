import AzureWire
import NIOCore
import StorageModel
import Testing

@Suite struct BlockListBodyTests {
    static func parse(_ text: String) throws(AzureError) -> [BlockListEntry] {
        try BlockListBody.parse(ByteBuffer(string: text))
    }

    @Test func documentOrder() throws {
        let entries = try Self.parse(
            """
            <?xml version="1.0" encoding="utf-8"?>
            <BlockList>
              <Latest>AAAA</Latest><Committed> AAAB
              </Committed><Uncommitted>AAAA</Uncommitted><Latest>+/==</Latest>
            </BlockList>
            """)
        #expect(entries.map(\.source) == [.latest, .committed, .uncommitted, .latest])
        #expect(entries.map(\.id.text) == ["AAAA", "AAAB", "AAAA", "+/=="])
    }

    @Test(arguments: [
        "<BlockList/>", "<BlockList></BlockList>", "\u{FEFF}<?xml version='1.0' encoding='utf-8'?>\n<BlockList />",
    ])
    func emptyLists(text: String) throws {
        #expect(try Self.parse(text).isEmpty)
    }

    @Test func theLimit() throws {
        let list = { "<BlockList>" + String(repeating: "<Latest>QUJDREVG</Latest>\n", count: $0) + "</BlockList>" }
        #expect(try Self.parse(list(50_000)).count == 50_000)
        #expect(throws: AzureError.blockListTooLong(limit: 50_000)) { try Self.parse(list(50_001)) }
        #expect(throws: AzureError.blockListTooLong(limit: 50_000)) { try Self.parse(list(200_000)) }
    }

    @Test(arguments: ["", "!!!!", "AAA", "A A=", String(repeating: "A", count: 88)])
    func badIDs(id: String) {
        #expect(throws: AzureError(.invalidBlockList)) {
            try Self.parse("<BlockList><Latest>\(id)</Latest></BlockList>")
        }
        #expect(BlockListBody.blockID(id) == nil)
    }

    @Test func longestID() {
        let id = String(repeating: "A", count: 86) + "=="
        #expect(BlockListBody.blockID(id) == BlockID(text: id))
    }

    @Test(arguments: [
        "", "<Blocks/>", "<BlockList><Other>AAAA</Other></BlockList>", "<BlockList>x</BlockList>",
        "<BlockList><Latest>AAAA</Latest>", "<BlockList><Latest><Latest>AAAA</Latest></Latest></BlockList>",
        "<BlockList><Latest>AAAA</Committed></BlockList>", "<BlockList/><BlockList/>",
    ])
    func badDocuments(text: String) {
        let error = #expect(throws: AzureError.self) { try Self.parse(text) }
        #expect(error?.code == .invalidXmlDocument)
        #expect(error?.details.map(\.name) == ["LineNumber", "LinePosition", "Reason"])
    }
}

@Suite struct SignedIdentifiersTests {
    static func parse(_ text: String) throws(AzureError) -> [AccessPolicy] {
        try SignedIdentifiersBody.parse(ByteBuffer(string: text))
    }

    static func one(_ policy: String) -> String {
        "<SignedIdentifiers><SignedIdentifier><Id>p</Id>\(policy)</SignedIdentifier></SignedIdentifiers>"
    }

    @Test func policies() throws {
        let body = """
            <?xml version="1.0" encoding="utf-8"?><SignedIdentifiers><SignedIdentifier><Id>a&amp;b</Id><AccessPolicy>\
            <Start>2024-03-01</Start><Expiry>2024-03-01T12:00:00.1234567Z</Expiry><Permission>lwr</Permission>\
            </AccessPolicy>\
            </SignedIdentifier><SignedIdentifier><Id>empty</Id><AccessPolicy><Start/><Expiry></Expiry><Permission/>\
            </AccessPolicy>\
            </SignedIdentifier></SignedIdentifiers>
            """
        let policies = try Self.parse(body)
        #expect(
            policies == [
                AccessPolicy(
                    id: "a&b", start: Timestamp(seconds: 1_709_251_200),
                    expiry: Timestamp(nanoseconds: 1_709_294_400_123_456_700),
                    permissions: "rwl"),
                AccessPolicy(id: "empty", start: nil, expiry: nil, permissions: nil),
            ])
        #expect(
            String(buffer: SignedIdentifiersBody.xml(policies)) == """
                <?xml version="1.0" encoding="utf-8"?><SignedIdentifiers><SignedIdentifier><Id>a&amp;b</Id>\
                <AccessPolicy>\
                <Start>2024-03-01T00:00:00.0000000Z</Start><Expiry>2024-03-01T12:00:00.1234567Z</Expiry>\
                <Permission>rwl</Permission></AccessPolicy></SignedIdentifier><SignedIdentifier><Id>empty</Id>\
                </SignedIdentifier>\
                </SignedIdentifiers>
                """)
    }

    @Test func emptyLists() throws {
        #expect(try Self.parse("").isEmpty)
        #expect(try Self.parse("<SignedIdentifiers />").isEmpty)
        #expect(
            String(buffer: SignedIdentifiersBody.xml([]))
                == "<?xml version=\"1.0\" encoding=\"utf-8\"?><SignedIdentifiers />")
    }

    @Test func limits() throws {
        let many = { count in
            "<SignedIdentifiers>"
                + (0..<count).map { "<SignedIdentifier><Id>\($0)</Id></SignedIdentifier>" }.joined()
                + "</SignedIdentifiers>"
        }
        #expect(try Self.parse(many(5)).count == 5)
        #expect(throws: AzureError.invalidXML(reason: "more than 5 signed identifiers")) { try Self.parse(many(6)) }
        let letters = Self.one("<AccessPolicy><Permission>racwdxyltfmeopi</Permission></AccessPolicy>")
        #expect(try Self.parse(letters).first?.permissions == "racwdxyltfmeopi")
    }

    @Test(arguments: [
        ("<AccessPolicy><Permission>rz</Permission></AccessPolicy>", AzureError.invalidXMLNode("Permission", "rz")),
        ("<AccessPolicy><Start>tomorrow</Start></AccessPolicy>", AzureError.invalidXMLNode("Start", "tomorrow")),
        ("<AccessPolicy><Expiry>2024-02-30</Expiry></AccessPolicy>", AzureError.invalidXMLNode("Expiry", "2024-02-30")),
    ])
    func badValues(policy: String, error: AzureError) {
        #expect(throws: error) { try Self.parse(Self.one(policy)) }
    }

    @Test func badIDs() {
        let long = String(repeating: "x", count: 65)
        #expect(throws: AzureError.invalidXMLNode("Id", long)) {
            try Self.parse(
                "<SignedIdentifiers><SignedIdentifier><Id>\(long)</Id></SignedIdentifier></SignedIdentifiers>")
        }
        #expect(throws: AzureError.missingXMLNode("Id")) {
            try Self.parse("<SignedIdentifiers><SignedIdentifier/></SignedIdentifiers>")
        }
        #expect(throws: AzureError.invalidXML(reason: "an identifier stands twice")) {
            try Self.parse(
                "<SignedIdentifiers><SignedIdentifier><Id>p</Id></SignedIdentifier><SignedIdentifier><Id>p</Id>"
                    + "</SignedIdentifier>"
                    + "</SignedIdentifiers>")
        }
    }
}

@Suite struct TagsBodyTests {
    @Test func parses() throws {
        let body = ByteBuffer(
            string:
                "<Tags><TagSet><Tag><Key>a b</Key><Value> </Value></Tag><Tag><Key>c</Key><Value/></Tag></TagSet></Tags>"
        )
        let pairs = try TagsBody.parse(body)
        #expect(pairs.map(\.0) == ["a b", "c"])
        #expect(pairs.map(\.1) == [" ", ""])
        #expect(try TagsBody.parse(ByteBuffer(string: "<Tags><TagSet /></Tags>")).isEmpty)
    }

    @Test func refuses() {
        #expect(throws: AzureError.missingXMLNode("Value")) {
            try TagsBody.parse(ByteBuffer(string: "<Tags><TagSet><Tag><Key>a</Key></Tag></TagSet></Tags>"))
        }
        #expect(throws: AzureError.unsupportedXMLNode("Tag")) {
            try TagsBody.parse(ByteBuffer(string: "<Tags><Tag/></Tags>"))
        }
        #expect(throws: AzureError.invalidXML(reason: "the root element is not Tags")) {
            try TagsBody.parse(ByteBuffer(string: "<TagSet/>"))
        }
    }

    @Test func writes() throws {
        #expect(
            String(buffer: TagsBody.xml(try Tags(validating: [("k", "v")])))
                == "<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet><Tag><Key>k</Key><Value>v</Value></Tag>"
                + "</TagSet></Tags>"
        )
        #expect(
            String(buffer: TagsBody.xml(.empty)) == "<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet /></Tags>")
    }
}
