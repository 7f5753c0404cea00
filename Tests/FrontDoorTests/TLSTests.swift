import Foundation
import HTTPExchange
import Logging
import NIOCore
import NIOSSL
import Observability
import StorageModel
import Testing

@testable import FrontDoor

/// What a service is told about the connection, as text.
func describePeer(_ request: HTTPRequest) async -> HTTPResponse {
    let peer = request.peer
    let host = peer.address.split(separator: ":").first ?? ""
    return .text(
        "\(host) \(peer.tls?.rawValue ?? "plain") link=\(peer.privateLinkID.map { "\($0)" } ?? "none") "
            + "verified=\(peer.hasVerifiedCertificate)")
}

@Suite struct TLSTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test(arguments: [(NIOSSL.TLSVersion.tlsv12, "TLS 1.2"), (.tlsv13, "TLS 1.3")])
    func requestsKnowTheirConnection(version: NIOSSL.TLSVersion, name: String) async throws {
        let files = try TLSFiles()
        try await withDoor(tls: files.server(), service: describePeer) { fixture in
            let client = try await fixture.connect(tls: files.client(version: version))
            for _ in 0..<3 {
                try await client.send(Self.get)
                #expect(try await client.answer().text == "127.0.0.1 \(name) link=none verified=false")
            }
            // Several at once, and the last one ends the connection.
            try await client.send(
                Self.get + Self.get + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            for _ in 0..<3 { #expect(try await client.answer().status == 200) }
            #expect(await client.hasEnded())
        }
    }

    @Test func oldVersionsAreRefused() async throws {
        let files = try TLSFiles()
        for (minimum, version) in [(StorageModel.TLSVersion.tls12, NIOSSL.TLSVersion.tlsv11), (.tls13, .tlsv12)] {
            try await withDoor(tls: files.server(minimum: minimum), service: describePeer) { fixture in
                let client = try await fixture.connect(tls: files.client(version: version))
                #expect(await client.hasEnded())
                let other = try await fixture.connect(tls: files.client(version: .tlsv13))
                try await other.send(Self.get)
                #expect(try await other.answer().status == 200)
                await fixture.finish()
                #expect(fixture.metric("tls_handshake_failures_total") == 1)
            }
        }
    }

    @Test("what is no TLS ends its own connection alone")
    func plainTextIsRefused() async throws {
        let files = try TLSFiles()
        try await withDoor(tls: files.server(), service: describePeer) { fixture in
            let open = try await fixture.connect(tls: files.client())
            try await open.send(Self.get)
            #expect(try await open.answer().status == 200)
            let plain = try await fixture.connect()
            try await plain.send(Self.get)
            let rest = await plain.rest()
            #expect(!String(decoding: rest, as: UTF8.self).contains("HTTP"))
            try await open.send(Self.get)
            #expect(try await open.answer().status == 200)
            await fixture.finish()
            #expect(fixture.metric("tls_handshake_failures_total") == 1)
        }
    }

    @Test func certificateByName() async throws {
        let (one, two) = (try TLSFiles(names: ["one.example"]), try TLSFiles(names: ["two.example", "*.two.example"]))
        let shown = [try one.certificateDER(), try two.certificateDER()]
        try await withDoor(tls: one.server(and: [two]), service: describePeer) { fixture in
            for (files, host, index) in [(one, "one.example", 0), (two, "two.example", 1), (two, "a.two.example", 1)] {
                for version in [NIOSSL.TLSVersion.tlsv12, .tlsv13] {
                    let client = try await fixture.connect(tls: files.client(host: host, version: version))
                    try await client.send(Self.get)
                    #expect(try await client.answer().status == 200, "\(host)")
                    #expect(try await client.nodeCertificate() == shown[index], "\(host)")
                }
            }
            // The first one is for all other names, and clients do not take it for theirs.
            let stranger = try await fixture.connect(tls: two.client(host: "other.example"))
            #expect(await stranger.hasEnded())
        }
    }

    @Test func reload() async throws {
        let files = try TLSFiles()
        let tls = try files.server()
        try await withDoor(tls: tls, service: describePeer) { fixture in
            func shown(_ client: RawClient) async throws -> [UInt8] {
                try await client.send(Self.get)
                #expect(try await client.answer().status == 200)
                return try await client.nodeCertificate()
            }
            let open = try await fixture.connect(tls: files.client())
            let first = try await shown(open)
            #expect(first == (try files.certificateDER()))
            #expect(tls.reloadIfChanged() == nil)

            try files.renew()
            let second = try files.certificateDER()
            #expect(try await shown(fixture.connect(tls: files.client())) == first)
            #expect(tls.reloadIfChanged() == true)
            #expect(tls.reloadIfChanged() == nil)
            #expect(try await shown(fixture.connect(tls: files.client())) == second)
            #expect(try await shown(open) == first)

            // A key of another certificate, and then no certificate at all: what was there stays.
            let key = try String(contentsOfFile: files.files.key, encoding: .utf8)
            let other = try TLSFiles()
            try String(contentsOfFile: other.files.key, encoding: .utf8).write(
                toFile: files.files.key, atomically: true, encoding: .utf8)
            #expect(tls.reloadIfChanged() == false)
            // Said once, not at every look.
            #expect(tls.reloadIfChanged() == nil)
            #expect(try await shown(fixture.connect(tls: files.client())) == second)
            try key.write(toFile: files.files.key, atomically: true, encoding: .utf8)
            try "nothing".write(toFile: files.files.certificate, atomically: true, encoding: .utf8)
            #expect(!tls.reload())
            try FileManager.default.removeItem(atPath: files.files.certificate)
            #expect(!tls.reload())
            #expect(try await shown(fixture.connect(tls: files.client())) == second)

            try files.renew()
            #expect(tls.reloadIfChanged() == true)
            #expect(try await shown(fixture.connect(tls: files.client())) == files.certificateDER())
        }
    }

    @Test func filesThatCannotBeUsed() throws {
        let (one, two) = (try TLSFiles(), try TLSFiles())
        let silent = try one.server()
        #expect(silent.expiresAt > 0)
        let swapped = CertificateFiles(certificate: one.files.certificate, key: two.files.key)
        let rows: [([CertificateFiles], String)] = [
            ([swapped], two.files.key), ([one.files, swapped], two.files.key),
            ([CertificateFiles(certificate: one.files.key, key: one.files.key)], one.files.key),
            ([CertificateFiles(certificate: one.files.certificate, key: one.files.certificate)], one.files.certificate),
            ([CertificateFiles(certificate: "/missing.pem", key: one.files.key)], "/missing.pem"),
        ]
        for (certificates, path) in rows {
            let problem = #expect(throws: CertificateProblem.self) {
                try ServerTLS(.init(certificates: certificates), logger: .init(label: "test"))
            }
            #expect(problem?.path == path)
        }
    }

    @Test("clients must show a certificate of the authority")
    func clientCertificates() async throws {
        let (files, strangers) = (try TLSFiles(), try TLSFiles())
        let tls = try files.server(clientAuthorities: files.authority)
        try await withDoor(tls: tls, service: describePeer) { fixture in
            for version in [NIOSSL.TLSVersion.tlsv12, .tlsv13] {
                let known = try await fixture.connect(
                    tls: files.client(version: version, certificate: files.files))
                try await known.send(Self.get)
                #expect(try await known.answer().text.hasSuffix("verified=true"))
                for certificate in [nil, strangers.files] {
                    let unknown = try await fixture.connect(
                        tls: files.client(version: version, certificate: certificate))
                    // In TLS 1.3 the client is done first, and may be refused in the middle of its request.
                    unknown.sendLater(Array(Self.get.utf8))
                    #expect(await unknown.hasEnded())
                }
            }
            await fixture.finish()
            #expect(fixture.metric("tls_handshake_failures_total") == 4)
            #expect(fixture.metric("http_requests_total") == 2)
        }
    }

    @Test("a handshake has the time of a head")
    func slowHandshake() async throws {
        let files = try TLSFiles()
        try await withDoor(tls: files.server(), service: describePeer) { fixture in
            let silent = try await fixture.connect()
            // Begins a record of 512 bytes and does not go on.
            let slow = try await fixture.connect()
            try await slow.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
            let served = try await fixture.connect(tls: files.client())
            try await served.send(Self.get)
            #expect(try await served.answer().status == 200)
            fixture.clock.advance(seconds: 9)
            await fixture.door.sweep()
            fixture.clock.advance(seconds: 1)
            await fixture.door.sweep()
            #expect(await silent.hasEnded())
            #expect(await slow.hasEnded())
            #expect(fixture.metric("http_timeouts_total{awaited=\"handshake\"") == 2)
            try await served.send(Self.get)
            #expect(try await served.answer().status == 200)
        }
    }

    @Test("connections in their handshake count, and a shutdown does not wait for them")
    func handshakesCount() async throws {
        let files = try TLSFiles()
        var limits = FrontDoorLimits()
        limits.connections = 2
        try await withDoor(limits: limits, tls: files.server(), service: describePeer) { fixture in
            let silent = [try await fixture.connect(), try await fixture.connect()]
            let third = try await fixture.connect(tls: files.client())
            #expect(try await third.answer().status == 503)
            #expect(await third.hasEnded())
            try await third.close()
            let drained = await fixture.door.shutdown(grace: .seconds(60))
            #expect(drained == .init(connectionsCut: 0, requestsAbandoned: 0))
            for client in silent { #expect(await client.hasEnded()) }
        }
    }

    @Test("two listeners share a service and its limits")
    func plainTextBesideTLS() async throws {
        let files = try TLSFiles()
        let metrics = MetricRegistry()
        var limits = FrontDoorLimits()
        limits.connections = 2
        let door = FrontDoor(
            .init(
                name: "test",
                listeners: [
                    .init(host: "127.0.0.1", port: 0), .init(host: "127.0.0.1", port: 0, tls: try files.server()),
                ], limits: limits, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                metrics: metrics, audit: try AuditLog(.none, metrics: metrics)),
            service: ScriptedService(describePeer))
        let addresses = try await door.bind()
        try #require(addresses.count == 2)
        let clients = [
            try await RawClient.connect(to: addresses[0]),
            try await RawClient.connect(to: addresses[1], tls: files.client()),
        ]
        for (client, connection) in zip(clients, ["plain", "TLS 1.3"]) {
            try await client.send(Self.get)
            #expect(try await client.answer().text.contains(connection))
        }
        for (address, tls) in zip(addresses, [nil, try files.client()]) {
            let third = try await RawClient.connect(to: address, tls: tls)
            #expect(try await third.answer().status == 503)
            try await third.close()
        }
        await door.shutdown(grace: .zero)
        for client in clients { #expect(await client.hasEnded()) }
    }

    @Test func bodiesIn() async throws {
        let files = try TLSFiles()
        try await withDoor(tls: files.server(), service: echoLength) { fixture in
            let client = try await fixture.connect(tls: files.client())
            for length in [0, 1, 16_384, 3 << 20] {
                try await client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n")
                if length > 0 { try await client.send([UInt8](repeating: 7, count: length)) }
                #expect(try await client.answer().text == "\(length)")
            }
        }
    }
}
