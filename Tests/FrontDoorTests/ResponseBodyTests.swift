import HTTPExchange
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import Testing

@testable import FrontDoor

/// Bodies on their way out.
@Suite(.timeLimit(.minutes(5)))
struct ResponseBodyTests {
    private static let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

    private func withStream(
        length: Int64, _ producer: ScriptedProducer, _ body: (Fixture, RawClient) async throws -> Void
    ) async throws {
        try await withDoor(service: { request in
            if request.head.uri == "/other" { return .text("other") }
            return HTTPResponse(status: .ok, body: .stream(length: length, producer))
        }) { fixture in
            try await body(fixture, try await fixture.connect())
        }
    }

    @Test func streamsBytesAndFileSpans() async throws {
        let (file, bytes) = try scratchFile(bytes: 5 << 20)
        let producer = ScriptedProducer { index in
            switch index {
            case 0: .bytes(ByteBuffer(string: "head:"))
            case 1: .file(FileSpan(file: file, offset: 7, length: 3 << 20))
            case 2: .bytes(ByteBuffer(repeating: 0x42, count: 300_000))
            case 3: .file(FileSpan(file: file, offset: 1 << 20, length: 1))
            default: nil
            }
        }
        let length = 5 + (3 << 20) + 300_000 + 1
        try await withStream(length: Int64(length), producer) { _, client in
            try await client.send(Self.get + "GET /other HTTP/1.1\r\nHost: h\r\n\r\n")
            let answer = try await client.answer()
            let expected =
                Array("head:".utf8) + bytes[7..<(7 + 3 << 20)] + [UInt8](repeating: 0x42, count: 300_000)
                + [bytes[1 << 20]]
            #expect(answer.headers["content-length"] == "\(length)")
            #expect(answer.body == expected)
            #expect(try await client.answer().text == "other")
            #expect(producer.closes.count == 1)
        }
    }

    /// More answers than socket buffers hold, in every way in which they can be written, to a peer that asks for all of them
    /// at once, says that it is done, and only then begins to read.
    @Test(arguments: [100, 60_000, 200_000])
    func whatASlowPeerIsOwedArrivesInOrder(length: Int) async throws {
        let (file, bytes) = try scratchFile(bytes: 300_000)
        let (answers, started) = (40_000_000 / (length + 20_000), Signal())
        try await withDoor(service: { request in
            started.set()
            let number = Int(request.head.uri.dropFirst()) ?? 0
            guard number % 2 == 1 else { return .text("\(number):" + String(repeating: "x", count: length)) }
            let producer = ScriptedProducer { index in
                index == 0 ? .file(FileSpan(file: file, offset: Int64(number), length: length)) : nil
            }
            return HTTPResponse(status: .ok, body: .stream(length: Int64(length), producer))
        }) { fixture in
            let client = try await fixture.connect(reads: false)
            try await client.send((0..<answers).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined())
            try await client.endInput()
            await started.wait()
            try await client.startReading()
            for number in 0..<answers {
                let body = try await client.answer().body
                if number % 2 == 1 {
                    #expect(body == Array(bytes[number..<number + length]))
                } else {
                    #expect(body == Array(("\(number):" + String(repeating: "x", count: length)).utf8))
                }
            }
            #expect(await client.rest().isEmpty)
        }
    }

    @Test func theFileStaysOpenUntilItIsSent() async throws {
        let (file, bytes) = try scratchFile(bytes: 4 << 20)
        // The producer's only reference goes with the piece: the descriptor must outlive it.
        let pending = Locked<OpenFile?>(file)
        weak let watched = file
        _ = consume file
        let producer = ScriptedProducer { _ in
            pending.withLock { pending in
                defer { pending = nil }
                return pending.map { .file(FileSpan(file: $0, offset: 0, length: 4 << 20)) }
            }
        }
        try await withDoor(service: { _ in
            HTTPResponse(status: .ok, body: .stream(length: 4 << 20, producer))
        }) { fixture in
            let client = try await fixture.connect(reads: false)
            try await client.send(Self.get)
            await producer.pulls.reaches(1)
            try await client.startReading()
            #expect(try await client.answer().body == bytes)
            await producer.closes.reaches(1)
        }
        #expect(watched == nil)
    }

    @Test func headAndStatusesWithoutBodyCloseTheProducerUnasked() async throws {
        for (request, status) in [("HEAD", HTTPResponseStatus.ok), ("GET", .noContent), ("GET", .notModified)] {
            let producer = ScriptedProducer { _ in .bytes(ByteBuffer(string: "x")) }
            try await withDoor(service: { _ in
                HTTPResponse(status: status, body: .stream(length: 1, producer))
            }) { fixture in
                let client = try await fixture.connect()
                try await client.send("\(request) / HTTP/1.1\r\nHost: h\r\n\r\n")
                let answer = try await client.answer(toHead: true)
                #expect(answer.headers["content-length"] == (request == "HEAD" ? "1" : nil))
                await producer.closes.reaches(1)
            }
            #expect(producer.pulls.count == 0)
            #expect(producer.closes.count == 1)
        }
    }

    @Test(arguments: ["fails", "fails at once", "ends early", "says too much"])
    func aBodyThatGoesWrongIsNeverACleanEnd(how: String) async throws {
        let producer = ScriptedProducer { index throws(StorageFailure) in
            switch (how, index) {
            case ("fails at once", _): throw StorageFailure(.damaged)
            case (_, 0): .bytes(ByteBuffer(repeating: 1, count: 100_000))
            case ("fails", _): throw StorageFailure(.damaged)
            case ("says too much", _): .bytes(ByteBuffer(repeating: 1, count: 900_001))
            default: nil
            }
        }
        let metrics = Locked<MetricRegistry?>(nil)
        try await withStream(length: 1_000_000, producer) { fixture, client in
            metrics.withLock { $0 = fixture.metrics }
            try await client.send(Self.get)
            let rest = await client.rest()
            #expect(rest.count < 200_000)
            await producer.closes.reaches(1)
            let other = try await fixture.connect()
            try await other.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await other.answer().text == "other")
        }
        #expect(producer.closes.count == 1)
        let labels = [MetricLabel("listener", "test"), MetricLabel("side", "node")]
        #expect(metrics.withLock { $0 }?.counter(.answersCut, labels).value == 1)
    }

    @Test(arguments: [true, false])
    func aPeerThatGoesAwayEndsTheProducerOnce(usesFile: Bool) async throws {
        let (file, _) = try scratchFile(bytes: 1 << 20)
        let producer = ScriptedProducer { _ in
            usesFile
                ? .file(FileSpan(file: file, offset: 0, length: 1 << 20))
                : .bytes(ByteBuffer(repeating: 1, count: 1 << 20))
        }
        try await withDoor(service: { _ in
            HTTPResponse(status: .ok, body: .stream(length: 1 << 40, producer))
        }) { fixture in
            let client = try await fixture.connect(reads: false)
            try await client.send(Self.get)
            await producer.pulls.reaches(1)
            try await client.abort()
            await producer.closes.reaches(1)
            let pulls = producer.pulls.count
            let other = try await fixture.connect()
            try await other.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await producer.closes.reaches(1)
            #expect(pulls < 200)
            try await other.abort()
            await producer.closes.reaches(2)
        }
        #expect(producer.closes.count == 2)
    }

    /// A peer that does not read stops the producer: of 1 TiB no more is asked for than sockets and the bound hold.
    @Test(arguments: [true, false])
    func aPeerThatDoesNotReadStopsTheProducer(usesFile: Bool) async throws {
        let (file, _) = try scratchFile(bytes: 1 << 20)
        let producer = ScriptedProducer { _ in
            usesFile
                ? .file(FileSpan(file: file, offset: 0, length: 1 << 20))
                : .bytes(ByteBuffer(repeating: 1, count: 1 << 20))
        }
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
                #expect(try await other.answer().text == "other")
            }
            // Kernel buffers on both sides (a few MiB each) and the front door's own bound.
            #expect(producer.pulls.count < 40)
            try await client.abort()
            await producer.closes.reaches(1)
        }
    }

    @Test func largeAnswersInMemoryArriveWhole() async throws {
        let (_, bytes) = try scratchFile(bytes: 3 << 20)
        try await withDoor(service: { _ in
            HTTPResponse(status: .ok, body: .bytes(ByteBuffer(bytes: bytes)))
        }) { fixture in
            let client = try await fixture.connect()
            try await client.send(Self.get + "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            #expect(try await client.answer().body == bytes)
            #expect(try await client.answer().body == bytes)
            #expect(await client.hasEnded())
        }
    }
}
