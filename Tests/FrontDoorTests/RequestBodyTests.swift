import HTTPExchange
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import Testing

@testable import FrontDoor

/// Bodies on their way in.
@Suite(.timeLimit(.minutes(5)))
struct RequestBodyTests {
    @Test func bodiesByLengthAndByChunks() async throws {
        try await withDoor(service: { request in
            do throws(StorageFailure) {
                let body = try await request.body.collect(limit: 1 << 20)
                let length = request.body.declaredLength.map { "\($0)" } ?? "nil"
                return .text("\(length) \(request.body.isFramed) \(String(buffer: body))")
            } catch { return .text("\(error.code)", status: .badRequest) }
        }) { fixture in
            let client = try await fixture.connect()
            let table = [
                ("Content-Length: 5\r\n\r\nhello", "5 true hello"),
                ("Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n", "nil true hello"),
                ("Content-Length: 0\r\n\r\n", "0 true "), ("\r\n", "0 false "),
                ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "nil true "),
            ]
            for (rest, expected) in table {
                try await client.send("PUT / HTTP/1.1\r\nHost: h\r\n" + rest)
                #expect(try await client.answer().text == expected)
            }
            // All at once, and byte by byte.
            try await client.send(table.map { "PUT / HTTP/1.1\r\nHost: h\r\n" + $0.0 }.joined())
            for (_, expected) in table { #expect(try await client.answer().text == expected) }
            for (rest, expected) in table {
                for byte in ("PUT / HTTP/1.1\r\nHost: h\r\n" + rest).utf8 { try await client.send([byte]) }
                #expect(try await client.answer().text == expected)
            }
        }
    }

    @Test func largeBodiesArriveWhole() async throws {
        let (_, bytes) = try scratchFile(bytes: 8 << 20)
        let expected = ByteBuffer(bytes: bytes)
        try await withDoor(service: { request in
            var whole = ByteBuffer()
            var largest = 0
            do {
                while var piece = try await request.body.next() {
                    largest = max(largest, piece.readableBytes)
                    whole.writeBuffer(&piece)
                }
            } catch { return .text("\(error)", status: .badRequest) }
            return .text("\(whole == expected) \(largest <= 256 * 1024)")
        }) { fixture in
            let client = try await fixture.connect()
            client.sendLater(Array("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: \(bytes.count)\r\n\r\n".utf8) + bytes)
            #expect(try await client.answer().text == "true true")
        }
    }

    @Test func bodiesCanBePulledFromAnyThread() async throws {
        try await withDoor(service: { request in
            let task = Task.detached { await echoLength(request) }
            return await task.value
        }) { fixture in
            let client = try await fixture.connect()
            for _ in 0..<3 {
                try await client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
                try await client.send([UInt8](repeating: 1, count: 100_000))
                #expect(try await client.answer().text == "100000")
            }
        }
    }

    @Test func continueComesAtTheFirstPull() async throws {
        let mayPull = Signal()
        try await withDoor(service: { request in
            await mayPull.wait()
            return await echoLength(request)
        }) { fixture in
            let client = try await fixture.connect()
            try await client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            mayPull.set()
            #expect(try await client.answer().status == 100)
            try await client.send("hello")
            #expect(try await client.answer().text == "5")
            try await client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
            #expect(try await client.answer().text == "1")
        }
    }

    @Test func noContinueWhenTheAnswerIsHereFirst() async throws {
        try await withDoor(service: { _ in .text("no", status: .preconditionFailed) }) { fixture in
            let client = try await fixture.connect()
            try await client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.status == 412)
            #expect(answer.headers["connection"] == "close")
            #expect(await client.hasEnded())
        }
    }

    @Test func anUnreadBodyDoesNotCostTheConnection() async throws {
        try await withDoor(service: { .text($0.head.uri, status: .conflict) }) { fixture in
            let client = try await fixture.connect()
            try await client.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
            #expect(try await client.answer().text == "/a")
            // The answer was first; the body comes all the same and must not be taken for requests.
            let smuggled = Array("GET /evil HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
            let flood = Array(repeating: smuggled, count: 1_000_000 / smuggled.count + 1).joined()
            client.sendLater(Array(flood.prefix(1_000_000)))
            try await client.send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await client.answer().text == "/b")
        }
    }

    @Test func anUnreadBodyThatIsTooLongEndsTheConnectionAfterTheAnswer() async throws {
        var limits = FrontDoorLimits()
        limits.discardedBodyBytes = 1 << 16
        try await withDoor(limits: limits, service: { _ in .text("too large", status: .payloadTooLarge) }) { fixture in
            let client = try await fixture.connect()
            // Sent to its end before anything is read: a reset would lose the answer.
            try await client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n")
            try await client.send([UInt8](repeating: 0x41, count: 4_000_000))
            let answer = try await client.answer()
            #expect(answer.status == 413)
            #expect(answer.text == "too large")
            #expect(answer.headers["connection"] == "close")
            #expect(await client.hasEnded())
        }
    }

    @Test(arguments: [true, false])
    func anAbortedUploadFailsTheReaderOnly(resets: Bool) async throws {
        let outcome = Locked<StorageFailure.Code?>(nil)
        let hasBegun = Signal()
        let hasFailed = Signal()
        let wasCancelled = Locked(true)
        try await withDoor(service: { request in
            do throws(StorageFailure) {
                while try await request.body.next() != nil { hasBegun.set() }
            } catch {
                outcome.withLock { $0 = error.code }
                // What the service does after it has failed to read is not disturbed.
                await Task.yield()
                wasCancelled.withLock { $0 = Task.isCancelled }
                hasFailed.set()
            }
            return .text("x")
        }) { fixture in
            let client = try await fixture.connect()
            try await client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc")
            await hasBegun.wait()
            if resets { try await client.abort() } else { try await client.close() }
            await hasFailed.wait()
            #expect(outcome.withLock { $0 } == .bodyTruncated)
            #expect(wasCancelled.withLock { $0 } == false)
        }
    }

    @Test func aBrokenChunkIsATruncatedBody() async throws {
        try await withDoor(service: echoLength) { fixture in
            let client = try await fixture.connect()
            try await client.send("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nXX\r\n")
            let answer = try await client.answer()
            #expect(answer.status == 400)
            #expect(answer.headers["connection"] == "close")
            #expect(await client.hasEnded())
        }
    }

    /// Whoever does not pull makes the sender wait: of 64 MiB only what the kernel's buffers and one piece hold leaves it.
    @Test func aConsumerThatDoesNotPullStopsTheReader() async throws {
        let mayPull = Signal()
        let isServing = Signal()
        try await withDoor(service: { request in
            guard request.head.method == .PUT else { return .text("alive") }
            isServing.set()
            await mayPull.wait()
            return await echoLength(request)
        }) { fixture in
            let client = try await fixture.connect()
            let total = 64 << 20
            client.sendLater(Array("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: \(total)\r\n\r\n".utf8))
            client.sendLater([UInt8](repeating: 1, count: total))
            await isServing.wait()
            // Other connections on the same loops go through many rounds meanwhile.
            let other = try await fixture.connect()
            for _ in 0..<200 {
                try await other.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                _ = try await other.answer()
            }
            let buffered = await fixture.door.bufferedRequestBytes()
            #expect(buffered <= FrontDoorLimits().bodyPieceBytes)
            mayPull.set()
            #expect(try await client.answer().text == "\(total)")
        }
    }
}
