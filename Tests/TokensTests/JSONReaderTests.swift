import Testing

@testable import Tokens

@Suite("JSON, strictly")
struct JSONReaderTests {
    private func read(_ text: String) throws(JSONProblem) -> JSONValue { try JSONReader.read(Array(text.utf8)) }

    @Test func values() throws {
        let rows: [(String, JSONValue)] = [
            ("null", .null), (" true ", .bool(true)), ("\t\r\nfalse", .bool(false)), ("0", .number("0")),
            ("-0", .number("-0")), ("-12.50e+3", .number("-12.50e+3")), ("1E-2", .number("1E-2")), ("[]", .array([])),
            ("[1,[2]]", .array([.number("1"), .array([.number("2")])])), ("\"\"", .text("")),
            (#""a\"\\\/\b\f\n\r\t""#, .text("a\"\\/\u{8}\u{c}\n\r\t")), (#""\u0041\u00e9\u20AC""#, .text("Aé€")),
            (#""\ud83d\ude00""#, .text("😀")), ("\"é😀\"", .text("é😀")), ("{}", .object(JSONObject())),
        ]
        for (text, value) in rows { #expect(try read(text) == value, "\(text)") }
        let object = try #require(try read(#"{ "a" : 1 , "A":{"b":null}, "":[] }"#).object)
        #expect(object.count == 3)
        #expect(object["a"]?.integer == 1)
        #expect(object["A"]?.object?["b"] == .null)
        #expect(object["b"] == nil)
    }

    @Test(arguments: [
        "", " ", "{", "}", "[", "[1", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "{,}",
        "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\u{1}\"", "\"\n\"", #""\ud83d""#, #""\ud83dx""#,
        #""\ud83d\u0041""#, #""\ude00""#, "tru", "True", "nul", "01", "-", "+1", ".5", "1.", "1e", "1e+", "--1", "NaN",
        "Infinity", "1 2", "{} {}", "'a'", "/**/1", "[1]]", "\u{feff}1",
    ])
    func malformed(text: String) { #expect(throws: JSONProblem.malformed) { try read(text) } }

    @Test func bytesThatAreNoText() {
        for bytes in [[0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] as [[UInt8]] {
            #expect(throws: JSONProblem.malformed) { try JSONReader.read(bytes) }
        }
    }

    @Test func membersStandOnce() throws {
        #expect(throws: JSONProblem.duplicateMember) { try read(#"{"a":1,"a":1}"#) }
        #expect(throws: JSONProblem.duplicateMember) { try read(#"[{"x":{"a":1,"b":2,"\u0061":3}}]"#) }
        // What Unicode calls equivalent are different names.
        #expect(try read("{\"\u{e9}\":1,\"e\u{301}\":2}").object?.count == 2)
    }

    @Test func depth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(throws: Never.self) { try read(nested(17)) }
        #expect(throws: JSONProblem.tooDeep) { try read(nested(18)) }
        #expect(throws: JSONProblem.tooDeep) { try read(String(repeating: "{\"a\":", count: 100_000)) }
    }

    @Test func plainTextIsASCII() throws {
        #expect(try read("\"abc\"").plainText == "abc")
        for text in ["\"\u{212a}\"", "\"\\u0000\"", "\"\\n\"", "\"\\u007f\"", "1"] {
            #expect(try read(text).plainText == nil, "\(text)")
        }
    }

    @Test func integers() throws {
        let rows: [(String, Int64?)] = [
            ("0", 0), ("-1", -1), ("9223372036854775807", .max), ("9223372036854775808", nil), ("1.0", nil),
            ("1e3", nil), ("\"1\"", nil),
        ]
        for (text, value) in rows { #expect(try read(text).integer == value, "\(text)") }
    }
}

@Suite("Base64 in URLs")
struct Base64URLTests {
    @Test func vectors() {
        // RFC 4648 §10 and RFC 7515 appendix C.
        let rows: [(String, [UInt8]?)] = [
            ("", []), ("Zg", Array("f".utf8)), ("Zm8", Array("fo".utf8)), ("Zm9v", Array("foo".utf8)),
            ("Zm9vYg", Array("foob".utf8)), ("A-z_4ME", [3, 236, 255, 224, 193]), ("_-8", [255, 239]),
            ("Z", nil), ("Zg==", nil), ("Zh", nil), ("Zm9", nil), ("+/8", nil), ("Zm 9v", nil), ("Zm9v\n", nil),
            ("Zm9v.", nil),
        ]
        for (text, bytes) in rows { #expect(Base64URL.decode(text.utf8) == bytes, "\(text)") }
    }
}
