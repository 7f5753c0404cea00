import HTTPExchange
import NIOCore
import NIOHTTP1
import Testing

@testable import FrontDoor

private func parse(_ text: String, limits: FrontDoorLimits = FrontDoorLimits()) -> RequestHeadParser.Outcome {
    parse(Array(text.utf8), limits: limits)
}

private func parse(_ bytes: [UInt8], limits: FrontDoorLimits = FrontDoorLimits()) -> RequestHeadParser.Outcome {
    var parser = RequestHeadParser(limits: limits)
    var buffer = ByteBuffer(bytes: bytes)
    return parser.parse(&buffer)
}

private func head(_ text: String) throws -> ParsedHead {
    guard case .head(let parsed) = parse(text) else {
        Issue.record("not a head: \(parse(text))")
        throw RawClient.ConnectionEnded()
    }
    return parsed
}

/// What no two implementations may read differently. Each is refused as malformed.
let malformedRequests: [(what: String, bytes: String)] = [
    ("no version (HTTP/0.9)", "GET /\r\n\r\n"),
    ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("lower-case protocol", "GET / http/1.1\r\nHost: h\r\n\r\n"),
    ("long version", "GET / HTTP/1.10\r\nHost: h\r\n\r\n"),
    ("two spaces before the target", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("a space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("a tab in the target", "GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("a fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("a relative target", "GET a HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("authority form", "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("a star without OPTIONS", "GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("a user in absolute form", "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("no host in absolute form", "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("a method with a colon", "GE:T / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("NUL in the target", "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"),
    ("a control character in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\u{1}b\r\n\r\n"),
    ("a bare line feed after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n"),
    ("a bare line feed after a header", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n"),
    ("a bare line feed at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n"),
    ("a bare carriage return in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rY: b\r\n\r\n"),
    ("a folded header", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"),
    ("a blank before the colon", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\n"),
    ("a header without a colon", "GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n"),
    ("an empty header name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n"),
    ("a header name with a parenthesis", "GET / HTTP/1.1\r\nHost: h\r\nX(y): x\r\n\r\n"),
    ("no Host in 1.1", "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
    ("two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n"),
    ("a Host with a blank", "GET / HTTP/1.1\r\nHost: h i\r\n\r\n"),
    ("a Host with a slash", "GET / HTTP/1.1\r\nHost: h/i\r\n\r\n"),
    ("two equal lengths", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
    ("two lengths", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    ("a list of lengths", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n"),
    ("a signed length", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n"),
    ("a negative length", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n"),
    ("an empty length", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n"),
    ("a hexadecimal length", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\n"),
    ("a length beyond 64 bits", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775808\r\n\r\n"),
    ("length and chunks", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("chunks and length", "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    ("chunks twice", "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("an unknown coding", "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    ("an obscured coding", "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n"),
    ("an obscured coding with a vertical tab", "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \u{B}chunked\r\n\r\n"),
    ("chunks in 1.0", "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("empty lines", "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("a TLS hello", "\u{16}\u{3}\u{1}\u{2}"),
    ("a header line first", " GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
]

struct RequestHeadParserTests {
    @Test(arguments: malformedRequests)
    func refusesWhatIsAmbiguous(what: String, bytes: String) {
        guard case .refused(.malformed) = parse(bytes) else {
            Issue.record("\(what) was not refused as malformed: \(parse(bytes))")
            return
        }
    }

    @Test func refusesTextThatIsNotUTF8() {
        for prefix in ["GET /", "GET / HTTP/1.1\r\nX: "] {
            let rest = prefix.hasSuffix(": ") ? "\r\nHost: h\r\n\r\n" : " HTTP/1.1\r\nHost: h\r\n\r\n"
            guard case .refused(.malformed) = parse(Array(prefix.utf8) + [0xC3, 0x28] + Array(rest.utf8)) else {
                Issue.record("not refused")
                continue
            }
        }
    }

    @Test func readsAnOrdinaryRequest() throws {
        let parsed = try head(
            "PUT /c/b%2Fc?comp=block&x=%20 HTTP/1.1\r\nHost: acc.localhost:10000\r\nContent-Length: 5\r\n"
                + "x-ms-meta-name:  a value\t\r\nX-Empty:\r\nExpect: 100-Continue\r\n\r\n")
        #expect(parsed.head.method == .PUT)
        #expect(parsed.head.uri == "/c/b%2Fc?comp=block&x=%20")
        #expect(parsed.head.version == .http1_1)
        #expect(parsed.head.headers["x-ms-meta-name"] == ["a value"])
        #expect(parsed.head.headers["x-empty"] == [""])
        #expect(parsed.framing == .length(5))
        #expect(parsed.expectsContinue)
        #expect(parsed.keepsAlive)
        #expect(parsed.byteCount == 147)
    }

    @Test func keepsUTF8AndUnknownMethods() throws {
        let parsed = try head("FROB /ü HTTP/1.1\r\nHost: h\r\nX: é\r\n\r\n")
        #expect(parsed.head.uri == "/ü")
        #expect(parsed.head.method == .RAW(value: "FROB"))
        #expect(parsed.head.headers["x"] == ["é"])
        #expect(parsed.framing == .none)
    }

    @Test(arguments: [
        ("HTTP/1.1", "", true), ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: x, Close \r\n", false), ("HTTP/1.1", "Connection: closed\r\n", true),
        ("HTTP/1.0", "", false), ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", false),
    ])
    func persistence(version: String, header: String, keepsAlive: Bool) throws {
        #expect(try head("GET / \(version)\r\nHost: h\r\n\(header)\r\n").keepsAlive == keepsAlive)
    }

    @Test(arguments: [
        ("http://other:81/a?b", "/a?b", "other:81"), ("HTTPS://Other", "/", "Other"), ("http://o?x=1", "/?x=1", "o"),
    ])
    func absoluteFormTakesTheHostFromTheTarget(target: String, uri: String, host: String) throws {
        let parsed = try head("GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(parsed.head.uri == uri)
        #expect(parsed.head.headers["host"] == [host])
    }

    @Test func optionsMayAskForEverything() throws {
        #expect(try head("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").head.uri == "*")
    }

    @Test func otherVersionsAreNotSupported() {
        for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0"] {
            guard case .refused(.versionNotSupported) = parse("GET / \(version)\r\nHost: h\r\n\r\n") else {
                Issue.record("\(version) is not refused")
                continue
            }
        }
    }

    @Test func anEmptyLineBeforeTheRequestIsIgnored() throws {
        #expect(try head("\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n").head.uri == "/x")
    }

    @Test func aHeadMayArriveByteByByte() {
        var parser = RequestHeadParser(limits: FrontDoorLimits())
        var buffer = ByteBuffer()
        let bytes = Array("GET /a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\nNEXT".utf8)
        var heads = 0
        for (index, byte) in bytes.enumerated() {
            buffer.writeInteger(byte)
            if heads == 1 { break }
            if case .head(let parsed) = parser.parse(&buffer) {
                heads += 1
                #expect(parsed.head.uri == "/a")
                #expect(index == bytes.count - 5)
            }
        }
        #expect(heads == 1)
        #expect(String(buffer: buffer) == "N")
    }

    @Test func sizesAreBounded() {
        var limits = FrontDoorLimits()
        limits.requestLineBytes = 40
        limits.headerLineBytes = 30
        limits.headBytes = 100
        limits.headerFields = 3
        let long = String(repeating: "a", count: 60)
        let table: [(String, HTTPRefusal)] = [
            ("GET /\(long)", .uriTooLong),
            ("GET /\(long) HTTP/1.1\r\nHost: h\r\n\r\n", .uriTooLong),
            ("GET / HTTP/1.1\r\nX: \(long)", .headersTooLarge),
            ("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", .headersTooLarge),
            (
                "GET / HTTP/1.1\r\nA: \(long.prefix(25))\r\nB: \(long.prefix(25))\r\nC: \(long.prefix(25))\r\n\r\n",
                .headersTooLarge
            ),
        ]
        for (text, expected) in table {
            guard case .refused(let refusal) = parse(text, limits: limits) else {
                Issue.record("not refused: \(text)")
                continue
            }
            #expect(refusal == expected)
        }
    }

    /// A line of exactly the allowed length passes, wherever its end is cut.
    @Test(arguments: [
        "GET /\(String(repeating: "a", count: 26)) HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "a", count: 27))\r\n\r\n",
    ])
    func aLineOfTheAllowedLengthPassesByteByByte(text: String) {
        var limits = FrontDoorLimits()
        limits.requestLineBytes = 40
        limits.headerLineBytes = 30
        var parser = RequestHeadParser(limits: limits)
        var buffer = ByteBuffer()
        var outcome = RequestHeadParser.Outcome.incomplete
        for byte in text.utf8 {
            buffer.writeInteger(byte)
            outcome = parser.parse(&buffer)
            guard case .incomplete = outcome else { break }
        }
        guard case .head = outcome, buffer.readableBytes == 0 else {
            Issue.record("\(outcome), \(buffer.readableBytes) bytes left")
            return
        }
    }
}

struct BodyDecoderTests {
    /// Feeds the bytes in two parts, cut at every place.
    private func decode(_ framing: ParsedHead.Framing, _ text: String) -> Set<String> {
        let bytes = Array(text.utf8)
        return Set(
            (0...bytes.count).map { cut in
                var decoder = BodyDecoder(framing)
                var buffer = ByteBuffer(bytes: bytes[..<cut])
                var body = ""
                var rest: ArraySlice<UInt8>? = bytes[cut...]
                while true {
                    switch decoder.next(from: &buffer) {
                    case .piece(let piece): body += String(buffer: piece)
                    case .end: return body + "|" + String(buffer: buffer) + String(decoding: rest ?? [], as: UTF8.self)
                    case .malformed: return "malformed"
                    case .incomplete:
                        guard let more = rest else { return "incomplete" }
                        buffer.writeBytes(more)
                        rest = nil
                    }
                }
            })
    }

    @Test func byLength() {
        #expect(decode(.length(5), "helloNEXT") == ["hello|NEXT"])
        #expect(decode(.length(0), "NEXT") == ["|NEXT"])
        #expect(decode(.none, "NEXT") == ["|NEXT"])
        #expect(decode(.length(6), "hello") == ["incomplete"])
    }

    @Test(arguments: [
        ("5\r\nhello\r\n0\r\n\r\nNEXT", "hello|NEXT"), ("0\r\n\r\n", "|"),
        ("3;a=b\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde|"),
        ("A\r\n0123456789\r\n00\r\nX: y\r\nZ:\r\n\r\nN", "0123456789|N"),
        ("5\nhello\r\n0\r\n\r\n", "malformed"), ("5\r\nhello0\r\n\r\n", "malformed"),
        ("5\r\nhelloo\r\n0\r\n\r\n", "malformed"), ("\r\nhello", "malformed"), ("-5\r\nhello", "malformed"),
        ("+5\r\nhello", "malformed"), ("5 \r\nhello", "malformed"), (" 5\r\nhello", "malformed"),
        ("0x5\r\nhello", "malformed"), ("5;\u{1}\r\nhello", "malformed"), ("5\r\r\nhello", "malformed"),
        ("1000000000000000\r\n", "malformed"), ("0\r\nbad trailer\r\n\r\n", "malformed"),
        ("0\r\n: x\r\n\r\n", "malformed"), ("0\r\nX: y\n\r\n", "malformed"), ("5\r\nhel", "incomplete"),
        ("0\r\n", "incomplete"),
    ])
    func byChunks(text: String, expected: String) {
        #expect(decode(.chunked, text) == [expected])
    }

    @Test func chunkLinesAndTrailersAreBounded() {
        #expect(decode(.chunked, "5;" + String(repeating: "x", count: 2_000)) == ["malformed"])
        let trailer = "X: " + String(repeating: "y", count: 900) + "\r\n"
        var decoder = BodyDecoder(.chunked)
        var buffer = ByteBuffer(string: "0\r\n" + String(repeating: trailer, count: 20))
        #expect(decoder.next(from: &buffer) == .malformed)
    }
}
