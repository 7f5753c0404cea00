import HTTPExchange
import NIOCore
import StorageModel
import Testing

@testable import FrontDoor

@Suite struct ProxyConnectionTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    private static let header = ProxyHeaderTests.header(
        0x21, 0x11, ProxyHeaderTests.four + ProxyHeaderTests.linkEntry)
    private static let local = ProxyHeaderTests.header(0x20, 0x00, [])
    private static let here = [IPRange(cidr: "10.0.0.0/8"), IPRange(cidr: "127.0.0.1")].compactMap { $0 }

    @Test func headerAndRequestInAnyPieces() async throws {
        try await withDoor(proxySources: Self.here, service: describePeer) { fixture in
            let bytes = Self.header + Array(Self.get.utf8)
            for cut in [0, 1, 12, 16, Self.header.count, Self.header.count + 1] {
                let client = try await fixture.connect()
                if cut > 0 { try await client.send(Array(bytes[..<cut])) }
                try await client.send(Array(bytes[cut...]))
                #expect(try await client.answer().text == "192.0.2.10 plain link=305419896 verified=false")
                // All its requests come from the same client.
                try await client.send(Self.get + Self.get)
                for _ in 0..<2 {
                    #expect(try await client.answer().text == "192.0.2.10 plain link=305419896 verified=false")
                }
            }
        }
    }

    @Test func portAndSixteenByteAddresses() async throws {
        let service: @Sendable (HTTPRequest) async -> HTTPResponse = { .text($0.peer.address) }
        try await withDoor(proxySources: Self.here, service: service) { fixture in
            for (header, address) in [
                (Self.header, "192.0.2.10:50000"),
                (ProxyHeaderTests.header(0x21, 0x21, ProxyHeaderTests.six), "[2001:db8::1]:50000"),
            ] {
                let client = try await fixture.connect(preamble: header)
                try await client.send(Self.get)
                #expect(try await client.answer().text == address)
            }
        }
    }

    @Test("a probe speaks for itself")
    func probe() async throws {
        try await withDoor(proxySources: Self.here, service: describePeer) { fixture in
            let client = try await fixture.connect(preamble: Self.local)
            try await client.send(Self.get)
            #expect(try await client.answer().text == "127.0.0.1 plain link=none verified=false")
        }
    }

    @Test func headerBeforeTLS() async throws {
        let files = try TLSFiles()
        try await withDoor(tls: files.server(), proxySources: Self.here, service: describePeer) { fixture in
            let client = try await fixture.connect(preamble: Self.header, tls: files.client())
            try await client.send(Self.get)
            #expect(try await client.answer().text == "192.0.2.10 TLS 1.3 link=305419896 verified=false")
            let without = try await fixture.connect(tls: files.client())
            #expect(await without.hasEnded())
            await fixture.finish()
            #expect(fixture.metric("proxy_refusals_total{listener=\"test\",reason=\"header\"") == 1)
            #expect(fixture.metric("tls_handshake_failures_total") == 0)
        }
    }

    @Test(arguments: [
        Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8),
        Array("PROXY TCP4 192.0.2.10 198.51.100.5 50000 443\r\n".utf8),
        ProxyHeaderTests.header(0x21, 0x12, ProxyHeaderTests.four),
        ProxyHeaderTests.signature + [0x21, 0x11, 0xFF, 0xFF],
    ]) func withoutAHeaderThatCounts(bytes: [UInt8]) async throws {
        try await withDoor(proxySources: Self.here, service: describePeer) { fixture in
            let client = try await fixture.connect()
            try await client.send(bytes)
            #expect(await client.hasEnded())
            #expect(fixture.metric("proxy_refusals_total{listener=\"test\",reason=\"header\"") == 1)
            #expect(fixture.metric("http_requests_total") == 0)
        }
    }

    @Test func fromElsewhere() async throws {
        let sources = [IPRange(cidr: "10.0.0.0/8"), IPRange(cidr: "::1")].compactMap { $0 }
        try await withDoor(proxySources: sources, service: describePeer) { fixture in
            let client = try await fixture.connect()
            client.sendLater(Self.header + Array(Self.get.utf8))
            #expect(await client.hasEnded())
            #expect(fixture.metric("proxy_refusals_total{listener=\"test\",reason=\"source\"") == 1)
        }
    }

    @Test("a header has the time of a head")
    func slowHeader() async throws {
        try await withDoor(proxySources: Self.here, service: describePeer) { fixture in
            let slow = try await fixture.connect()
            try await slow.send(Array(Self.header.prefix(20)))
            let served = try await fixture.connect(preamble: Self.header)
            try await served.send(Self.get)
            #expect(try await served.answer().status == 200)
            fixture.clock.advance(seconds: 10)
            await fixture.door.sweep()
            #expect(await slow.hasEnded())
            #expect(fixture.metric("http_timeouts_total{awaited=\"proxy\"") == 1)
            try await served.send(Self.get)
            #expect(try await served.answer().status == 200)
        }
    }
}
