import AzureWire
import NIOCore
import StorageModel
import Testing

/// A small generator with a seed, so that a failing run can be repeated.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// No input crashes a codec, whatever else it does with it.
@Suite struct HostileInputTests {
    /// Pieces that take a random text deeper into a parser than random bytes go.
    static let fragments: [String] = [
        "<", ">", "</", "/>", "<a>", "</a>", "<BlockList>", "</BlockList>", "<Latest>", "</Latest>", "AAAA", "&",
        "&amp;", "&#x",
        ";", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<?xml version='1.0' encoding='", "'", "\"", "=", "%", "%4",
        "%41", "+",
        "bytes=", "-", ",", "0x", "0x0000000000000001", "W/", "*", "(", ")", " AND ", " OR ", "@container", "Fri, ",
        "01 Mar 2024 ",
        "12:00:00", " GMT", "2024-03-01", "T", "Z", ".", "--b", "--b--", "\r\n", "\r\n\r\n", "DELETE / HTTP/1.1",
        "Content-ID: 1",
        "SharedKey ", "a:b", "\u{0}", "é", "\u{FFFE}", "😀", " ", "99999999999999999999", "<Tags>", "<TagSet>", "<Tag>",
        "<Key>",
        "<SignedIdentifiers>", "<SignedIdentifier>", "<Id>", "<StorageServiceProperties>", "<Cors>", "<CorsRule>", ":",
        "?", "/", "#",
    ]

    static func bytes(_ random: inout SplitMix) -> [UInt8] {
        let count = Int(random.next() % 40)
        var bytes: [UInt8] = []
        for _ in 0..<count {
            if random.next() % 4 == 0 {
                bytes.append(UInt8(truncatingIfNeeded: random.next()))
            } else {
                bytes += fragments[Int(random.next() % UInt64(fragments.count))].utf8
            }
        }
        return bytes
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func random(seed: UInt64) {
        var random = SplitMix(seed: seed)
        for _ in 0..<1_500 {
            let bytes = Self.bytes(&random)
            Self.texts(String(decoding: bytes, as: UTF8.self))
            Self.bodies(bytes, &random)
        }
    }

    private static func texts(_ text: String) {
        if let decoded = Base64.decode(text) { #expect(Base64.decodedLength(of: text) == decoded.count) }
        if let decoded = PercentCoding.decode(text) {
            #expect(PercentCoding.decode(PercentCoding.encode(decoded)) == decoded)
        }
        _ = QueryString(text)
        if let target = RequestTarget(text) {
            #expect(target.rawPath.hasPrefix("/"))
            _ = RawResourcePath(target.rawPath, style: .path).blobName
        }
        _ = RawResourcePath(text, style: .host).containerName
        if let date = HTTPDate.parse(text) { #expect(HTTPDate.parse(HTTPDate.format(date)) != nil) }
        if let date = ISODate.parse(text) { #expect(ISODate.parse(ISODate.format(date)) != nil) }
        if let version = ServiceVersion(text) { #expect(ServiceVersion(version.description) == version) }
        _ = RangeHeader.parse(text)
        _ = ETagList(text, comparison: .weak)
        _ = ConditionHeaders.rangeValidator(text)
        _ = try? ConditionHeaders.target.parse(.write) { _ in [text] }
        _ = TagExpression.parse(text, dialect: .header)
        _ = TagExpression.parse(text, dialect: .query)
        _ = TagsHeader.parse(text)
        _ = AuthorizationHeader(text)
        _ = try? BatchRequest.boundary(contentType: text)
        _ = StructuredMessage.isSupported(text)
        let request = SharedKeyRequest(
            method: text, rawPath: text, account: text, style: .path, query: QueryString(text) ?? .empty,
            headers: SignableHeaders([("x-ms-\(text)", text), ("x-ms-meta-a-b", text), ("Date", text), (text, text)]),
            version: .tags)
        _ = SharedKey.verify(request, scheme: .full, signature: text, keys: [AccountKey(bytes: [1])])
        _ = try? CORS.preflight(
            origin: text, method: text, requestHeaders: text, rules: [CORSTests.rule([text], [text])])
    }

    private static func bodies(_ bytes: [UInt8], _ random: inout SplitMix) {
        let body = ByteBuffer(bytes: bytes)
        _ = try? BlockListBody.parse(body)
        _ = try? TagsBody.parse(body)
        _ = try? SignedIdentifiersBody.parse(body)
        _ = try? ServicePropertiesBody.parse(body)
        _ = try? BatchRequest.parse(body, boundary: "b")
        _ = try? StructuredMessageTests.decode(bytes, pieces: 7)
        var message = StructuredMessageTests.vector
        message[Int(random.next() % 68)] = UInt8(truncatingIfNeeded: random.next())
        message[Int(random.next() % 68)] = UInt8(truncatingIfNeeded: random.next())
        _ = try? StructuredMessageTests.decode(message, pieces: 16)
    }

    /// What the writer makes of any text, the reader reads back: the text, or its encoded form.
    @Test func anyNameComesBack() throws {
        var random = SplitMix(seed: 5)
        for _ in 0..<1_000 {
            let name = String(decoding: Self.bytes(&random), as: UTF8.self)
            let page = ListingTests.page([.prefix(name)])
            let root = try XMLElement(reading: page.xml(ListingTests.current))
            let element = try #require(root.child("Blobs")?.child("BlobPrefix")?.child("Name"))
            #expect(element.text == name || PercentCoding.decode(element.text) == name)
        }
    }
}
