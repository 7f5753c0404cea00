import HTTPExchange
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import Testing

@testable import FrontDoor

/// Limits, timeouts and the end.
@Suite(.timeLimit(.minutes(5)))
struct BoundsTests {
    private static let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test func connectionsOverTheLimitAreToldSo() async throws {
        var limits = FrontDoorLimits()
        limits.connections = 2
        limits.connectionsBeingRefused = 1
        try await withDoor(limits: limits, service: { _ in .text("x") }) { fixture in
            var clients: [RawClient] = []
            for _ in 0..<2 {
                let client = try await fixture.connect()
                try await client.send(Self.get)
                #expect(try await client.answer().status == 200)
                clients.append(client)
            }
            let refused = try await fixture.connect()
            let answer = try await refused.answer()
            #expect(answer.status == 503)
            #expect(answer.text.contains("overloaded(retryAfterSeconds: 2)"))
            // While that one lingers, one more is over all limits.
            let silent = try await fixture.connect()
            #expect(await silent.hasEnded())
            // The ones inside go on.
            try await clients[0].send(Self.get)
            #expect(try await clients[0].answer().status == 200)
            #expect(fixture.metrics.counter(.connectionsRefused, [MetricLabel("listener", "test")]).value == 2)
        }
    }

    @Test func requestsOverTheLimitAreRefusedAndTheConnectionKept() async throws {
        var limits = FrontDoorLimits()
        limits.requestsInFlight = 1
        let isServing = Signal()
        let mayEnd = Signal()
        try await withDoor(
            limits: limits,
            service: { request in
                guard request.head.uri == "/slow" else { return .text("fast") }
                isServing.set()
                await mayEnd.wait()
                return .text("slow")
            }
        ) { fixture in
            let slow = try await fixture.connect()
            try await slow.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            await isServing.wait()
            let client = try await fixture.connect()
            try await client.send(Self.get)
            let refusal = try await client.answer()
            #expect(refusal.status == 503)
            #expect(refusal.headers["connection"] == nil)
            // With a body under way, the connection ends.
            let uploader = try await fixture.connect()
            try await uploader.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
            #expect(try await uploader.answer().headers["connection"] == "close")
            mayEnd.set()
            #expect(try await slow.answer().text == "slow")
            // The place is free when the answer is out: the next request on that connection comes after it.
            try await slow.send(Self.get)
            #expect(try await slow.answer().text == "fast")
        }
    }

    @Test(arguments: [
        ("GET /" + String(repeating: "a", count: 40_000), 414),
        ("GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 20_000), 431),
        ("GET / HTTP/1.1\r\n" + String(repeating: "X: y\r\n", count: 300), 431),
        (
            "GET / HTTP/1.1\r\n" + String(repeating: "X: " + String(repeating: "a", count: 10_000) + "\r\n", count: 7),
            431
        ),
    ])
    func headsAreBounded(bytes: String, status: Int) async throws {
        try await withDoor(service: { _ in .text("x") }) { fixture in
            let client = try await fixture.connect()
            try await client.send(bytes)
            #expect(try await client.answer().status == status)
            #expect(await client.hasEnded())
        }
    }

    @Test func slowPeersTimeOut() async throws {
        let isServing = Signal()
        try await withDoor(service: { request in
            isServing.set()
            return await echoLength(request)
        }) { fixture in
            let idle = try await fixture.connect()
            try await idle.send(Self.get)
            _ = try await idle.answer()
            let slow = try await fixture.connect()
            try await slow.send("GET / HT")
            let uploader = try await fixture.connect()
            try await uploader.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
            await isServing.wait()
            // Both have arrived when a later request on each loop has been answered.
            for _ in 0..<4 {
                let marker = try await fixture.connect()
                try await marker.send(Self.get)
                _ = try await marker.answer()
            }
            fixture.clock.advance(seconds: 61)
            await fixture.door.sweep()
            #expect(try await slow.answer().status == 408)
            #expect(await slow.hasEnded())
            let failed = try await uploader.answer()
            #expect(failed.text == "bodyTimedOut")
            #expect(failed.headers["connection"] == "close")
            fixture.clock.advance(seconds: 121)
            await fixture.door.sweep()
            #expect(await idle.hasEnded())
        }
    }

    @Test func aPeerThatNeverReadsIsCutOff() async throws {
        let producer = ScriptedProducer { _ in .bytes(ByteBuffer(repeating: 1, count: 1 << 20)) }
        try await withDoor(service: { request in
            if request.head.uri == "/other" { return .text("other") }
            return HTTPResponse(status: .ok, body: .stream(length: 1 << 40, producer))
        }) { fixture in
            let client = try await fixture.connect(reads: false)
            try await client.send(Self.get)
            await producer.pulls.reaches(1)
            let other = try await fixture.connect()
            for _ in 0..<200 {
                try await other.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n")
                _ = try await other.answer()
            }
            fixture.clock.advance(seconds: 301)
            await fixture.door.sweep()
            await producer.closes.reaches(1)
            let stalls = fixture.metrics.counter(
                .timeouts, [MetricLabel("listener", "test"), MetricLabel("awaited", "write")])
            #expect(stalls.value == 1)
            try await client.close()
        }
    }

    @Test func drainLetsRequestsEndAndClosesWhatIsIdle() async throws {
        let isServing = Signal()
        let mayEnd = Signal()
        let fixture = try await Fixture.start { _ in
            isServing.set()
            await mayEnd.wait()
            return .text("done")
        }
        let idle = try await fixture.connect()
        let busy = try await fixture.connect()
        try await busy.send(Self.get)
        await isServing.wait()
        async let drained = fixture.door.shutdown(grace: .seconds(30))
        #expect(await idle.hasEnded())
        mayEnd.set()
        let answer = try await busy.answer()
        #expect(answer.text == "done")
        #expect(answer.headers["connection"] == "close")
        #expect(await busy.hasEnded())
        #expect(await drained == FrontDoor.Drained(connectionsCut: 0, requestsAbandoned: 0))
        await #expect(throws: (any Error).self) { try await fixture.connect() }
    }

    @Test func drainCutsWhatDoesNotEnd() async throws {
        let isServing = Signal()
        let fixture = try await Fixture.start { request in
            isServing.set()
            return await echoLength(request)
        }
        let client = try await fixture.connect()
        try await client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
        await isServing.wait()
        let drained = await fixture.door.shutdown(grace: .zero)
        #expect(drained == FrontDoor.Drained(connectionsCut: 1, requestsAbandoned: 0))
        #expect(await client.rest().isEmpty)
    }
}
