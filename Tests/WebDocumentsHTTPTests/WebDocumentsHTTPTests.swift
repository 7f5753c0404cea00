import Dispatch
import NIOCore
import StorageModel
import StorageTestKit
import Testing
import WebDocuments

@testable import WebDocumentsHTTP

@Suite("Documents over HTTP")
struct WebDocumentsHTTPTests {
    private static func documents(
        allowsPlainLoopback: Bool = true, silenceSeconds: Int64 = 5
    ) throws -> WebDocumentsHTTP {
        var options = WebDocumentsHTTP.Options()
        options.allowsPlainLoopback = allowsPlainLoopback
        options.silenceSeconds = silenceSeconds
        // Suites that run beside this one may keep it waiting for long.
        options.fetchSeconds = 120
        return try WebDocumentsHTTP(options)
    }

    private func withServer(_ body: (DocumentServer) async throws -> Void) async throws {
        let server = try await DocumentServer.start()
        do { try await body(server) } catch {
            try await server.stop()
            throw error
        }
        try await server.stop()
    }

    private func cause(_ documents: WebDocumentsHTTP, _ url: String) async -> String {
        do {
            _ = try await documents.fetch(url, limit: 1_000)
            return "no failure"
        } catch {
            #expect(error.code == .unavailable)
            return error.cause ?? ""
        }
    }

    @Test(arguments: WebDocumentContract.cases) func contract(_ contract: WebDocumentContractCase) async throws {
        try await withServer { server in
            try await contract.run(
                WebDocumentFixture(
                    documents: try Self.documents(),
                    publish: { document, path in
                        server.publish(document, at: path)
                        return "http://127.0.0.1:\(server.port)\(path)"
                    }, nowhere: "http://127.0.0.1:\(server.port)/nowhere"))
        }
    }

    @Test(arguments: WebDocumentContract.cases) func inMemory(_ contract: WebDocumentContractCase) async throws {
        let documents = InMemoryWebDocuments()
        try await contract.run(
            WebDocumentFixture(
                documents: documents,
                publish: { document, path in
                    documents.publish(document, at: "https://issuer\(path)")
                    return "https://issuer\(path)"
                }, nowhere: "https://issuer/nowhere"))
    }

    @Test func namesAreLookedUp() async throws {
        try await withServer { server in
            server.publish([7], at: "/one")
            let document = try await Self.documents().fetch("http://localhost:\(server.port)/one", limit: 10)
            #expect(document == [7])
        }
    }

    @Test func redirectsAreNotFollowed() async throws {
        try await withServer { server in
            server.publish([7], at: "/one")
            let cause = await cause(try Self.documents(), "http://127.0.0.1:\(server.port)/redirect")
            #expect(cause.contains("302"))
            #expect(server.asked == ["/redirect"])
        }
    }

    @Test func anAnswerThatNeverComes() async throws {
        try await withServer { server in
            let documents = try Self.documents(silenceSeconds: 1)
            #expect(await cause(documents, "http://127.0.0.1:\(server.port)/never") != "no failure")
            #expect(server.asked == ["/never"])
        }
    }

    /// Addresses that accept and say nothing take their time from the one fetch, not each a time of its own.
    @Test func addressesShareTheTime() async throws {
        #expect(WebDocumentsHTTP.Options().fetchSeconds == 10)
        try await withServer { server in
            let target = try WebAddress("http://127.0.0.1:\(server.port)/never")
            let address = try #require(IPAddress("127.0.0.1"))
            let same = Array(repeating: address, count: 3)
            await #expect(throws: StorageFailure.self) {
                try await Self.documents().fetch(target, at: same, limit: 100, by: .now() + .seconds(1))
            }
            let asked = server.asked.count
            #expect(asked <= 1)
            // One that is silent leaves time for the next.
            await #expect(throws: StorageFailure.self) {
                try await Self.documents(silenceSeconds: 1).fetch(
                    target, at: [address, address], limit: 100, by: .now() + .seconds(120))
            }
            #expect(server.asked.count == asked + 2)
            await #expect(throws: StorageFailure.self) {
                try await Self.documents().fetch(target, at: same, limit: 100, by: .now())
            }
            #expect(server.asked.count == asked + 2)
        }
    }

    @Test func aResolverThatTakesTooLong() async throws {
        let end = DispatchSemaphore(value: 0)
        defer { end.signal() }
        await #expect(throws: StorageFailure.self) {
            try await WebDocumentsHTTP.resolve("issuer.example.net", by: .now() + .milliseconds(50)) { _ in
                // Without an end in time the test would not end either.
                _ = end.wait(timeout: .now() + .seconds(20))
                return [try #require(IPAddress("192.0.2.1"))]
            }
        }
        #expect(
            try await WebDocumentsHTTP.resolve("127.0.0.1", by: .now() + .seconds(120))
                == [#require(IPAddress("127.0.0.1"))])
    }

    @Test func plainTextNeedsLeave() async throws {
        try await withServer { server in
            server.publish([7], at: "/one")
            let documents = try Self.documents(allowsPlainLoopback: false, silenceSeconds: 1)
            #expect(await cause(documents, "http://127.0.0.1:\(server.port)/one").contains("not https"))
            // TLS where nobody speaks it.
            #expect(await cause(documents, "https://127.0.0.1:\(server.port)/one") != "no failure")
            #expect(server.asked == [])
        }
    }

    /// Whatever spelling the resolver reads.
    @Test(arguments: [
        "https://169.254.169.254/metadata/identity", "https://[fe80::1]/", "https://[::ffff:169.254.169.254]/",
        "https://168.63.129.16/", "https://0.0.0.0/", "https://[::]/", "https://2852039166/", "https://0xa9fea9fe/",
        "https://[fd00:ec2::254]/", "https://224.0.0.1/",
    ])
    func addressesThatAreNotAsked(url: String) async throws {
        #expect(try await cause(Self.documents(), url).contains("is not asked"))
    }

    @Test(arguments: [
        "", "x", "ftp://host/", "file:///etc/passwd", "https://", "https:///path", "https://user@host/",
        "https://user:word@host/", "https://host/#part", "http+unix://socket/", "unix:///socket",
    ])
    func noAddresses(url: String) { #expect(throws: StorageFailure.self) { try WebAddress(url) } }

    @Test func allAddressesOfANameCount() throws {
        let address = try WebAddress("https://issuer.example.net/keys")
        func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
        #expect(throws: Never.self) {
            try address.check([ip("192.0.2.1"), ip("2001:db8::1")], allowsPlainLoopback: false)
        }
        #expect(throws: StorageFailure.self) { try address.check([], allowsPlainLoopback: false) }
        #expect(throws: StorageFailure.self) {
            try address.check([ip("192.0.2.1"), ip("169.254.1.1")], allowsPlainLoopback: true)
        }
        let plain = try WebAddress("http://issuer.example.net/keys")
        #expect(throws: StorageFailure.self) { try plain.check([ip("192.0.2.1")], allowsPlainLoopback: true) }
        #expect(throws: StorageFailure.self) {
            try plain.check([ip("127.0.0.1"), ip("192.0.2.1")], allowsPlainLoopback: true)
        }
        #expect(throws: Never.self) { try plain.check([ip("127.0.0.1"), ip("::1")], allowsPlainLoopback: true) }
    }

    @Test func addressesAsText() throws {
        for text in ["192.0.2.10", "2001:db8:0:0:0:0:0:1", "0:0:0:0:0:0:0:1"] {
            #expect(try #require(IPAddress(text)).text == text)
        }
    }

    @Test(arguments: [
        ("", ""), ("::1", "::1"), ("::1 ::2 ::3 192.0.2.1", "::1 192.0.2.1 ::2 ::3"),
        ("192.0.2.1 192.0.2.2 ::1 ::2 ::3", "192.0.2.1 ::1 192.0.2.2 ::2 ::3"),
    ])
    func familiesTakeTurns(given: String, expected: String) {
        func list(_ text: String) -> [IPAddress] { text.split(separator: " ").compactMap { IPAddress(String($0)) } }
        #expect(HostAddresses.alternating(list(given)) == list(expected))
    }

    @Test func filesWithoutCertificates() {
        for path in ["/nowhere/ca.pem", "/dev/null"] {
            var options = WebDocumentsHTTP.Options()
            options.certificateAuthorities = path
            #expect(throws: StorageFailure.self, "\(path)") { try WebDocumentsHTTP(options) }
        }
    }
}
