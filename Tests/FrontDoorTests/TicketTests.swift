import HTTPExchange
import NIOCore
import NIOHTTP1
import StorageModel
import Testing

@testable import FrontDoor

/// What a request was admitted to ends exactly once, whatever becomes of its answer.
@Suite(.timeLimit(.minutes(5)))
struct TicketTests {
    private final class CountingTicket: RequestTicket {
        let ends = Tally()
        let charges = Locked<[[Int64]]>([])

        func end(requestBytes: Int64, responseBytes: Int64) {
            charges.withLock { $0.append([requestBytes, responseBytes]) }
            ends.add()
        }
    }

    private static let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    private static let put = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"

    /// Serves one request, lets `peer` do its part, shuts the door and looks at the ticket.
    private func charges(
        _ request: String, _ answer: @escaping @Sendable (HTTPRequest) async -> HTTPResponse,
        peer: (Fixture, RawClient) async throws -> Void = { _, client in _ = try await client.answer() }
    ) async throws -> [[Int64]] {
        let ticket = CountingTicket()
        try await withDoor(service: { request in
            var response = await answer(request)
            response.ticket = ticket
            return response
        }) { fixture in
            let client = try await fixture.connect()
            try await client.send(request)
            try await peer(fixture, client)
            await ticket.ends.reaches(1)
        }
        return ticket.charges.withLock { $0 }
    }

    private func stream(_ length: Int64, _ producer: ScriptedProducer) -> HTTPResponse {
        HTTPResponse(status: .ok, body: .stream(length: length, producer))
    }

    @Test func anAnswerThatIsWhole() async throws {
        #expect(try await charges(Self.get) { _ in .text("four") } == [[0, 4]])
        #expect(try await charges(Self.put, echoLength) == [[5, 1]])
        #expect(try await charges(Self.get) { _ in HTTPResponse(status: .noContent) } == [[0, 0]])
        #expect(try await charges(Self.get) { _ in .text("busy", status: .serviceUnavailable) } == [[0, 4]])
    }

    @Test func anAnswerToHead() async throws {
        let charged = try await charges("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n") { _ in
            HTTPResponse(status: .ok, body: .headOnly(length: 100))
        } peer: { _, client in
            _ = try await client.answer(toHead: true)
        }
        #expect(charged == [[0, 0]])
    }

    @Test func aStream() async throws {
        let (file, _) = try scratchFile(bytes: 3 << 20)
        let charged = try await charges(Self.get) { _ in
            stream(
                5 + (3 << 20),
                ScriptedProducer { index in
                    index == 0
                        ? .bytes(ByteBuffer(string: "head:")) : .file(FileSpan(file: file, offset: 0, length: 3 << 20))
                })
        }
        #expect(charged == [[0, 5 + (3 << 20)]])
    }

    @Test(arguments: ["fails", "fails at once", "ends early"])
    func aStreamThatGoesWrong(how: String) async throws {
        let charged = try await charges(Self.get) { _ in
            stream(
                1_000_000,
                ScriptedProducer { index throws(StorageFailure) in
                    switch (how, index) {
                    case ("fails at once", _): throw StorageFailure(.damaged)
                    case (_, 0): .bytes(ByteBuffer(repeating: 1, count: 1_000))
                    case ("fails", _): throw StorageFailure(.damaged)
                    default: nil
                    }
                })
        } peer: { _, client in
            _ = await client.rest()
        }
        #expect(charged == [[0, how == "fails at once" ? 0 : 1_000]])
    }

    @Test func anAnswerThatMustNotGoOut() async throws {
        let broken: HTTPHeaders = ["x-broken": "a\r\nb"]
        let whole = try await charges(Self.get) { _ in HTTPResponse(status: .ok, headers: broken) }
        #expect(whole == [[0, 0]])
        let streamed = try await charges(Self.get) { _ in
            HTTPResponse(
                status: .ok, headers: broken,
                body: .stream(length: 1, ScriptedProducer { _ in .bytes(ByteBuffer(string: "x")) }))
        }
        #expect(streamed.count == 1)
    }

    @Test func aPeerThatGoesWhileItIsServed() async throws {
        let (isServing, mayEnd) = (Signal(), Signal())
        let charged = try await charges(Self.get) { _ in
            isServing.set()
            await mayEnd.wait()
            return .text("late")
        } peer: { fixture, client in
            await isServing.wait()
            try await client.abort()
            // Whether the node knows by now that the peer is gone is left open: the ticket ends in both cases.
            mayEnd.set()
        }
        #expect(charged.count == 1)
    }

    @Test func aPeerThatGoesWithinItsBody() async throws {
        let isServing = Signal()
        let charged = try await charges("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc") { request in
            isServing.set()
            return await echoLength(request)
        } peer: { _, client in
            await isServing.wait()
            try await client.abort()
        }
        #expect(charged.count == 1)
        #expect(charged.first?.last == 0)
    }

    @Test func aPeerThatGoesWithinTheAnswer() async throws {
        let producer = ScriptedProducer { _ in .bytes(ByteBuffer(repeating: 1, count: 1 << 20)) }
        let charged = try await charges(Self.get) { _ in
            stream(1 << 40, producer)
        } peer: { _, client in
            await producer.pulls.reaches(2)
            try await client.abort()
        }
        #expect(charged.count == 1)
        #expect(charged.first?.first == 0)
        #expect((charged.first?.last ?? 0) >= 1 << 20)
    }

    @Test func aConnectionThatIsCut() async throws {
        let isServing = Signal()
        let charged = try await charges("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc") { request in
            isServing.set()
            return await echoLength(request)
        } peer: { fixture, _ in
            await isServing.wait()
            await fixture.door.shutdown(grace: .zero)
        }
        #expect(charged.count == 1)
    }

    /// The next request of a connection finds the place of the one before free.
    @Test func theTicketEndsBeforeTheNextRequestBegins() async throws {
        let tickets = (0..<20).map { _ in CountingTicket() }
        let served = Tally()
        try await withDoor(service: { _ in
            let number = served.count
            served.add()
            let open = tickets[..<number].filter { $0.ends.count != 1 }.count
            var response = HTTPResponse.text("\(open)")
            response.ticket = tickets[number]
            return response
        }) { fixture in
            let client = try await fixture.connect()
            try await client.send(String(repeating: Self.get, count: 20))
            for _ in 0..<20 { #expect(try await client.answer().text == "0") }
        }
        #expect(tickets.map(\.ends.count) == Array(repeating: 1, count: 20))
    }
}
