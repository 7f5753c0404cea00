import HTTPExchange
import NIOHTTP1
import Observability
import StorageModel
import Testing

@testable import Admin

@Suite("The admin endpoint") struct AdminServiceTests {
    @Test(
        "answers its pages",
        arguments: [
            ("/healthz/live", "live\n"), ("/healthz/ready", "ready\n"), ("/healthz/ready?verbose", "ready\n"),
            ("/status", "{\"version\":\"1.2\",\"extents\":{\"used\":7}}\n"),
        ])
    func pages(uri: String, expected: String) async throws {
        let response = try await AdminFixture().ask(.GET, uri)
        #expect(response.status == .ok)
        #expect(text(response) == expected)
        #expect(response.headers["Cache-Control"] == ["no-store"])
    }

    @Test("says why it is not ready") func readiness() async throws {
        let limited = try await AdminFixture(.limited(reason: "writes are refused")).ask(.GET, "/healthz/ready")
        #expect(limited.status == .ok, "readers must not be sent away")
        #expect(text(limited) == "ready, but writes are refused\n")
        let draining = try await AdminFixture(.notReady(reason: "draining"))
        let response = await draining.ask(.GET, "/healthz/ready")
        #expect(response.status == .serviceUnavailable)
        #expect(text(response) == "not ready: draining\n")
        #expect(await draining.ask(.GET, "/healthz/live").status == .ok)
    }

    @Test("renders metrics") func metrics() async throws {
        let fixture = try await AdminFixture()
        fixture.metrics.counter(.auditLines).add(3)
        let response = await fixture.ask(.GET, "/metrics")
        #expect(response.headers.first(name: "Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        #expect(text(response).contains("\nforebay_audit_lines_total 3\n"))
    }

    @Test("answers HEAD with the length alone") func head() async throws {
        for (uri, expected) in [("/healthz/live", 5), ("/accounts", 16)] as [(String, Int64)] {
            guard case .headOnly(let length) = try await AdminFixture().ask(.HEAD, uri).body else {
                Issue.record("HEAD of \(uri) has a body")
                return
            }
            #expect(length == expected)
        }
    }

    @Test("lets in whoever has the token or a certificate, and nobody else")
    func gate() async throws {
        let token = AdminFixture.token
        let rows: [(authorization: String?, certificate: Bool, isAdmitted: Bool)] = [
            ("Bearer \(token)", false, true), ("bearer \(token)", false, true), ("BEARER   \(token)", false, true),
            (nil, true, true), ("Bearer wrong-token-of-the-tests-0", true, true),
            (nil, false, false), ("", false, false), ("Bearer", false, false), ("Bearer ", false, false),
            (token, false, false), ("Basic \(token)", false, false), ("Bearer\(token)", false, false),
            ("Bearer \(token)x", false, false), ("Bearer \(token.dropLast())", false, false),
            ("Bearer \(token.dropLast())8", false, false), ("Bearer \(token) ", false, false),
            ("Bearer \(token.uppercased())", false, false),
        ]
        for (authorization, certificate, isAdmitted) in rows {
            let fixture = try await AdminFixture()
            let response = await fixture.ask(
                .GET, "/accounts", authorization: authorization, hasCertificate: certificate)
            #expect((response.status == .ok) == isAdmitted, "\(authorization ?? "nothing") \(certificate)")
            #expect(fixture.metrics.counter(.adminUnauthenticated).value == (isAdmitted ? 0 : 1))
            guard !isAdmitted else { continue }
            #expect(response.status == .unauthorized)
            #expect(response.headers["WWW-Authenticate"] == ["Bearer realm=\"forebay admin\""])
            #expect(text(response).contains("\"code\":\"Unauthenticated\""))
            #expect(fixture.log.text.contains("127.0.0.1:1"))
        }
    }

    @Test("two Authorization headers are none") func twoHeaders() async throws {
        let fixture = try await AdminFixture()
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/accounts")
        for _ in 0..<2 { head.headers.add(name: "Authorization", value: "Bearer \(AdminFixture.token)") }
        let response = await fixture.service.respond(
            to: HTTPRequest(
                id: "id", head: head, receivedAt: Timestamp(seconds: 0),
                peer: Peer(address: "127.0.0.1:1", ip: nil), body: TestBody("")))
        #expect(response.status == .unauthorized)
    }

    @Test("shows strangers health, metrics only when told to, and never what else there is")
    func strangers() async throws {
        let rows: [(HTTPMethod, String, closed: UInt, open: UInt)] = [
            (.GET, "/healthz/live", 200, 200), (.HEAD, "/healthz/ready", 200, 200), (.GET, "/metrics", 401, 200),
            (.HEAD, "/metrics", 401, 200), (.GET, "/status", 401, 200), (.POST, "/status", 401, 401),
            (.GET, "/accounts", 401, 401), (.GET, "/accounts/harbor/keys", 401, 401), (.GET, "/nothing", 401, 401),
            (.POST, "/healthz/live", 401, 401), (.GET, "/", 401, 401), (.GET, "/healthz/live/", 401, 401),
        ]
        for opensMetrics in [false, true] {
            let fixture = try await AdminFixture(opensMetrics: opensMetrics)
            for (method, uri, closed, open) in rows {
                let response = await fixture.ask(method, uri, authorization: nil)
                #expect(response.status.code == (opensMetrics ? open : closed), "\(method) \(uri)")
            }
        }
    }

    @Test("a token is long enough, visible and prints as nothing")
    func tokens() throws {
        for (text, isToken) in [
            (String(repeating: "a", count: 15), false), (String(repeating: "a", count: 16), true),
            (String(repeating: "a", count: 512), true), (String(repeating: "a", count: 513), false),
            ("with a blank in it", false), ("with-a-ümlaut-in-it", false), ("with-a-line-end\n1", false),
        ] {
            #expect((AdminToken(text) != nil) == isToken, "\(text)")
        }
        let token = try #require(AdminToken(AdminFixture.token))
        #expect(!"\(token) \(AdminGate(token: token, opensMetrics: false))".contains("tests"))
    }

    @Test("waits for the store with what needs it") func starting() async throws {
        let fixture = try await AdminFixture(isStarted: false)
        let response = await fixture.ask(.GET, "/accounts")
        #expect(response.status == .serviceUnavailable)
        #expect(response.headers["Retry-After"] == ["1"])
        #expect(await fixture.ask(.GET, "/metrics").status == .ok)
    }

    @Test("refuses what is no request in plain text") func refusals() async throws {
        let service = try await AdminFixture().service
        let table: [(HTTPRefusal, HTTPResponseStatus)] = [
            (.malformed(reason: "x"), .badRequest), (.headersTooLarge, .requestHeaderFieldsTooLarge),
            (.uriTooLong, .uriTooLong), (.requestTimeout, .requestTimeout),
            (.versionNotSupported, .httpVersionNotSupported), (.overloaded(retryAfterSeconds: 2), .serviceUnavailable),
        ]
        for (refusal, status) in table {
            #expect(service.refuse(refusal, requestID: "id").status == status)
        }
        let busy = service.refuse(.overloaded(retryAfterSeconds: 2), requestID: "id")
        #expect(busy.headers.first(name: "Retry-After") == "2")
    }
}
