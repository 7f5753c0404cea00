import HTTPExchange
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import Testing

@testable import FrontDoor

/// Real sockets on the loopback interface: one connection's requests and answers.
@Suite(.timeLimit(.minutes(5)))
struct ConnectionTests {
    @Test func keepsAConnectionForManyRequests() async throws {
        try await withDoor(service: { .text($0.head.uri) }) { fixture in
            let client = try await fixture.connect()
            for index in 0..<3 {
                try await client.send("GET /\(index) HTTP/1.1\r\nHost: h\r\n\r\n")
                let answer = try await client.answer()
                #expect(answer.status == 200)
                #expect(answer.text == "/\(index)")
                #expect(answer.headers["date"] == "Sun, 06 Nov 1994 08:49:37 GMT")
                #expect(answer.headers["server"] == "Forebay/test")
                #expect(answer.headers["connection"] == nil)
            }
            #expect(fixture.metrics.counter(.connectionsAccepted, [MetricLabel("listener", "test")]).value == 1)
        }
    }

    @Test func answersPipelinedRequestsInOrderOneAtATime() async throws {
        let running = Locked(0)
        let most = Locked(0)
        try await withDoor(service: { request in
            let now = running.withLock { running in
                running += 1
                return running
            }
            most.withLock { $0 = max($0, now) }
            // Later requests would overtake earlier ones if they were served side by side.
            for _ in 0..<(request.head.uri == "/0" ? 100 : 0) { await Task.yield() }
            running.withLock { $0 -= 1 }
            return .text(request.head.uri)
        }) { fixture in
            let client = try await fixture.connect()
            try await client.send((0..<10).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined())
            for index in 0..<10 { #expect(try await client.answer().text == "/\(index)") }
            #expect(most.withLock { $0 } == 1)
        }
    }

    @Test func tenThousandPipelinedRequestsDoNotOverflowTheStack() async throws {
        var limits = FrontDoorLimits()
        limits.requestsInFlight = 0
        for allowed in [0, 10] {
            limits.requestsInFlight = allowed
            try await withDoor(limits: limits, service: { _ in HTTPResponse(status: .noContent) }) { fixture in
                let client = try await fixture.connect()
                let request = "GET / HTTP/1.1\r\nHost: h\r\n"
                let last = request + "Connection: close\r\n\r\n"
                client.sendLater(Array((String(repeating: request + "\r\n", count: 9_999) + last).utf8))
                let answers = await client.rest().split(separator: UInt8(ascii: "\n"))
                let status = "HTTP/1.1 \(allowed == 0 ? 503 : 204)"
                #expect(answers.count { String(decoding: $0, as: UTF8.self).contains(status) } == 10_000)
            }
        }
    }

    @Test func speaksHTTP10() async throws {
        try await withDoor(service: { _ in .text("x") }) { fixture in
            let once = try await fixture.connect()
            try await once.send("GET / HTTP/1.0\r\n\r\n")
            let answer = try await once.answer()
            #expect(answer.headers["connection"] == "close")
            #expect(await once.hasEnded())
            let kept = try await fixture.connect()
            for _ in 0..<2 {
                try await kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(try await kept.answer().headers["connection"] == "keep-alive")
            }
        }
    }

    @Test func closesWhenAsked() async throws {
        try await withDoor(service: { request in
            var response = HTTPResponse.text("x")
            response.closesConnection = request.head.uri == "/service"
            return response
        }) { fixture in
            for request in [
                "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET /service HTTP/1.1\r\nHost: h\r\n\r\n",
            ] {
                let client = try await fixture.connect()
                try await client.send(request)
                #expect(try await client.answer().headers["connection"] == "close")
                #expect(await client.hasEnded())
            }
        }
    }

    @Test func framesAnswersWithoutABody() async throws {
        let table: [(String, HTTPResponse, Int, String?)] = [
            ("/204", HTTPResponse(status: .noContent, body: .bytes(ByteBuffer(string: "never"))), 204, nil),
            ("/304", HTTPResponse(status: .notModified), 304, nil),
            ("/empty", HTTPResponse(status: .created), 201, "0"),
            ("/head", HTTPResponse(status: .ok, body: .headOnly(length: 7)), 200, "7"),
            ("/bytes", .text("hello"), 200, "5"),
        ]
        try await withDoor(service: { request in
            table.first { $0.0 == request.head.uri }.map(\.1) ?? .text("?", status: .notFound)
        }) { fixture in
            let client = try await fixture.connect()
            for (uri, _, status, length) in table {
                try await client.send("HEAD \(uri) HTTP/1.1\r\nHost: h\r\n\r\n")
                let answer = try await client.answer(toHead: true)
                #expect(answer.status == status, "\(uri)")
                #expect(answer.headers["content-length"] == length, "\(uri)")
            }
            // Were there a stray byte after any of them, this one would not be read right.
            try await client.send("GET /204 HTTP/1.1\r\nHost: h\r\n\r\nGET /bytes HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await client.answer().status == 204)
            #expect(try await client.answer().text == "hello")
        }
    }

    @Test func headersOfTheFrontDoorAreItsOwn() async throws {
        try await withDoor(service: { _ in
            HTTPResponse(
                status: .ok,
                headers: [
                    "Content-Length": "99", "Transfer-Encoding": "chunked", "Connection": "upgrade", "Date": "never",
                    "Server": "other", "X-Kept": "yes",
                ], body: .bytes(ByteBuffer(string: "abc")))
        }) { fixture in
            let client = try await fixture.connect()
            try await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.text == "abc")
            #expect(answer.headers["transfer-encoding"] == nil)
            #expect(answer.headers["connection"] == nil)
            #expect(answer.headers["date"] == "Sun, 06 Nov 1994 08:49:37 GMT")
            #expect(answer.headers["server"] == "other")
            #expect(answer.headers["x-kept"] == "yes")
        }
    }

    @Test(arguments: ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"])
    func headersCannotBeInjected(value: String) async throws {
        try await withDoor(service: { request in
            switch request.head.uri {
            case "/name": HTTPResponse(status: .ok, headers: [value: "x"])
            case "/reason": HTTPResponse(status: .custom(code: 200, reasonPhrase: value))
            default: HTTPResponse(status: .ok, headers: ["X": value], body: .bytes(ByteBuffer(string: "secret")))
            }
        }) { fixture in
            for uri in ["/value", "/name", "/reason"] {
                let client = try await fixture.connect()
                try await client.send("GET \(uri) HTTP/1.1\r\nHost: h\r\n\r\n")
                let answer = try await client.answer()
                #expect(answer.status == 500)
                #expect(answer.headers["set-cookie"] == nil)
                #expect(answer.body.isEmpty)
                #expect(await client.hasEnded())
            }
        }
    }

    @Test(arguments: malformedRequests)
    func refusesMalformedRequestsAndLeavesNeighboursAlone(what: String, bytes: String) async throws {
        try await withDoor(service: { _ in .text("fine") }) { fixture in
            let neighbour = try await fixture.connect()
            try await neighbour.send("GET / HTTP/1.1\r\nHo")
            let client = try await fixture.connect()
            try await client.send(bytes)
            let answer = try await client.answer()
            #expect(answer.status == 400, "\(what)")
            #expect(answer.headers["connection"] == "close")
            #expect(answer.headers["x-request-id"]?.count == 36)
            #expect(await client.hasEnded(), "\(what): nothing that followed was taken for a request")
            try await neighbour.send("st: h\r\n\r\n")
            #expect(try await neighbour.answer().text == "fine")
        }
    }

    @Test func givesEveryRequestAnIDOfItsOwn() async throws {
        try await withDoor(service: { .text($0.id + " " + $0.peer.address) }) { fixture in
            let client = try await fixture.connect()
            var ids: Set<String> = []
            for _ in 0..<200 {
                try await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                let words = try await client.answer().text.split(separator: " ")
                ids.insert(String(words[0]))
                #expect(words[1].hasPrefix("127.0.0.1:"))
                #expect(UUIDText.parse(words[0]) == String(words[0]))
            }
            #expect(ids.count == 200)
        }
    }

    @Test func aPeerMayStopSendingAndStillReadItsAnswer() async throws {
        try await withDoor(service: { _ in .text("still here") }) { fixture in
            let client = try await fixture.connect()
            try await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            try await client.endSending()
            #expect(try await client.answer().text == "still here")
            #expect(await client.hasEnded())
        }
    }
}
