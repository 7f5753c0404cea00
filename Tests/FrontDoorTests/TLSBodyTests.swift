import Glibc
import HTTPExchange
import NIOCore
import NIOHTTP1
import StorageModel
import Testing

@testable import FrontDoor

/// Answers under TLS: nothing may go around the encryption, and the bytes are those of the file.
@Suite struct TLSBodyTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    private static func answer(_ pieces: [BodyPiece], cut: Int64 = 0) -> @Sendable (HTTPRequest) async -> HTTPResponse {
        let length = pieces.reduce(cut) { $0 + Int64($1.length) }
        return { _ in
            HTTPResponse(
                status: .ok,
                body: .stream(
                    length: length,
                    ScriptedProducer { index throws(StorageFailure) in index < pieces.count ? pieces[index] : nil }))
        }
    }

    @Test(
        "spans of every size and place",
        arguments: [
            [0..<1], [0..<114_688], [0..<114_689], [5..<(5 + 3 << 20)], [100..<100_000, 7..<8, 1_000_000..<1_500_001],
        ])
    func spans(ranges: [Range<Int>]) async throws {
        let (file, bytes) = try scratchFile(bytes: 4 << 20)
        let pieces = ranges.map { BodyPiece.file(FileSpan(file: file, offset: Int64($0.lowerBound), length: $0.count)) }
        let files = try TLSFiles()
        try await withDoor(tls: files.server(), service: Self.answer(pieces)) { fixture in
            let client = try await fixture.connect(tls: files.client())
            for _ in 0..<2 {
                try await client.send(Self.get)
                let body = try await client.answer().body
                #expect(body == ranges.flatMap { Array(bytes[$0]) })
            }
            await fixture.finish()
            #expect(fixture.metric("http_response_bytes_total") == 2 * ranges.reduce(0) { $0 + $1.count })
        }
    }

    @Test func piecesOfEveryKind() async throws {
        let (file, bytes) = try scratchFile(bytes: 300_000)
        let memory = [UInt8](repeating: 9, count: 400_000)
        let pieces: [BodyPiece] = [
            .bytes(ByteBuffer(bytes: memory)), .file(FileSpan(file: file, offset: 1, length: 299_999)),
            .bytes(ByteBuffer(string: "end")),
        ]
        let files = try TLSFiles()
        try await withDoor(tls: files.server(), service: Self.answer(pieces)) { fixture in
            let client = try await fixture.connect(tls: files.client())
            try await client.send(Self.get)
            #expect(try await client.answer().body == memory + bytes[1...] + "end".utf8)
        }
    }

    @Test(arguments: [10, 65_536, 1 << 20]) func bodiesInMemory(count: Int) async throws {
        let files = try TLSFiles()
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 251) }
        let service: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
            HTTPResponse(status: .ok, body: .bytes(ByteBuffer(bytes: bytes)))
        }
        try await withDoor(tls: files.server(), service: service) { fixture in
            let client = try await fixture.connect(tls: files.client())
            try await client.send(Self.get + Self.get)
            for _ in 0..<2 { #expect(try await client.answer().body == bytes) }
        }
    }

    @Test("an answer that is longer than all buffers arrives whole")
    func longAnswer() async throws {
        let (file, bytes) = try scratchFile(bytes: 1 << 20)
        // Much more than the sockets between hold.
        let rounds = 64
        let producer = ScriptedProducer { index throws(StorageFailure) in
            index < rounds ? .file(FileSpan(file: file, offset: 0, length: 1 << 20)) : nil
        }
        let files = try TLSFiles()
        let service: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
            HTTPResponse(status: .ok, body: .stream(length: Int64(rounds) << 20, producer))
        }
        try await withDoor(tls: files.server(), service: service) { fixture in
            let client = try await fixture.connect(tls: files.client())
            try await client.send(Self.get)
            let answer = try await client.answer()
            #expect(answer.body.count == rounds << 20)
            #expect(answer.body.prefix(1 << 20).elementsEqual(bytes))
            #expect(answer.body.suffix(1 << 20).elementsEqual(bytes))
            await producer.closes.reaches(1)
        }
    }

    @Test("a peer that does not read makes the answer wait, and is cut at last")
    func stalledReader() async throws {
        let (file, _) = try scratchFile(bytes: 1 << 20)
        let rounds = 16_384
        let producer = ScriptedProducer { index throws(StorageFailure) in
            index < rounds ? .file(FileSpan(file: file, offset: 0, length: 1 << 20)) : nil
        }
        let files = try TLSFiles()
        let service: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
            HTTPResponse(status: .ok, body: .stream(length: Int64(rounds) << 20, producer))
        }
        try await withDoor(tls: files.server(), service: service) { fixture in
            let client = try await fixture.connect(tls: files.client())
            try await client.send(Self.get)
            await producer.pulls.reaches(1)
            try await client.stopReading()
            // The clock does not go on by itself: only these sweeps can end the answer.
            while producer.closes.count == 0 {
                fixture.clock.advance(seconds: 100)
                await fixture.door.sweep()
                await Task.yield()
            }
            #expect(producer.pulls.count < rounds)
            await fixture.finish()
            #expect(fixture.metric("http_answers_cut_total") == 1)
        }
    }

    @Test("a file that ends too early is no regular end", arguments: [0, 150_000])
    func fileCutShort(left: Int) async throws {
        let (file, _) = try scratchFile(bytes: 200_000)
        let files = try TLSFiles()
        let span = BodyPiece.file(FileSpan(file: file, offset: 0, length: 200_000))
        try #require(ftruncate(file.descriptor, left) == 0)
        try await withDoor(tls: files.server(), service: Self.answer([span])) { fixture in
            let client = try await fixture.connect(tls: files.client())
            try await client.send(Self.get)
            await #expect(throws: RawClient.ConnectionEnded.self) { try await client.answer() }
            await fixture.finish()
            #expect(fixture.metric("http_answers_cut_total{listener=\"test\",side=\"node\"") == 1)
        }
    }
}
