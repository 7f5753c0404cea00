import HTTPExchange
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import Testing

@testable import Admin

private final class NoBody: RequestBody {
    var declaredLength: Int64? { 0 }
    var isFramed: Bool { false }
    func next() async throws(StorageFailure) -> ByteBuffer? { nil }
}

private func request(_ method: HTTPMethod, _ uri: String) -> HTTPRequest {
    HTTPRequest(
        id: "id", head: HTTPRequestHead(version: .http1_1, method: method, uri: uri),
        receivedAt: Timestamp(seconds: 0), peer: Peer(address: "127.0.0.1:1", ip: nil), body: NoBody())
}

private func text(_ response: HTTPResponse) -> String {
    if case .bytes(let bytes) = response.body { String(buffer: bytes) } else { "" }
}

struct AdminServiceTests {
    private let metrics = MetricRegistry()

    private func service(_ readiness: Readiness = .ready) -> AdminService {
        AdminService(metrics: metrics, readiness: { readiness }) { json in
            json.member("version", "1.2")
            json.object("extents") { $0.member("used", 7) }
        }
    }

    @Test(arguments: [
        ("/healthz/live", "live\n"), ("/healthz/ready", "ready\n"), ("/healthz/ready?verbose", "ready\n"),
        ("/status", "{\"version\":\"1.2\",\"extents\":{\"used\":7}}\n"),
    ])
    func answersItsPages(uri: String, expected: String) async {
        let response = await service().respond(to: request(.GET, uri))
        #expect(response.status == .ok)
        #expect(text(response) == expected)
    }

    @Test func saysWhyItIsNotReady() async {
        let limited = await service(.limited(reason: "writes are refused")).respond(to: request(.GET, "/healthz/ready"))
        #expect(limited.status == .ok, "readers must not be sent away")
        #expect(text(limited) == "ready, but writes are refused\n")
        let response = await service(.notReady(reason: "draining")).respond(to: request(.GET, "/healthz/ready"))
        #expect(response.status == .serviceUnavailable)
        #expect(text(response) == "not ready: draining\n")
        #expect(await service(.notReady(reason: "draining")).respond(to: request(.GET, "/healthz/live")).status == .ok)
    }

    @Test func rendersMetrics() async {
        metrics.counter(.auditLines).add(3)
        let response = await service().respond(to: request(.GET, "/metrics"))
        #expect(response.headers.first(name: "Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        #expect(text(response).contains("\nforebay_audit_lines_total 3\n"))
    }

    @Test func answersHeadWithTheLengthAlone() async {
        let response = await service().respond(to: request(.HEAD, "/healthz/live"))
        guard case .headOnly(let length) = response.body else {
            Issue.record("HEAD has a body")
            return
        }
        #expect(length == 5)
    }

    @Test(arguments: ["/", "/healthz", "/metrics/", "//metrics", "/METRICS"])
    func knowsNothingElse(uri: String) async {
        #expect(await service().respond(to: request(.GET, uri)).status == .notFound)
    }

    @Test(arguments: [HTTPMethod.POST, .PUT, .DELETE, .OPTIONS])
    func readsOnly(method: HTTPMethod) async {
        let response = await service().respond(to: request(method, "/status"))
        #expect(response.status == .methodNotAllowed)
        #expect(response.headers.first(name: "Allow") == "GET, HEAD")
    }

    @Test func refusesInPlainText() {
        let table: [(HTTPRefusal, HTTPResponseStatus)] = [
            (.malformed(reason: "x"), .badRequest), (.headersTooLarge, .requestHeaderFieldsTooLarge),
            (.uriTooLong, .uriTooLong), (.requestTimeout, .requestTimeout),
            (.versionNotSupported, .httpVersionNotSupported), (.overloaded(retryAfterSeconds: 2), .serviceUnavailable),
        ]
        for (refusal, status) in table {
            #expect(service().refuse(refusal, requestID: "id").status == status)
        }
        let busy = service().refuse(.overloaded(retryAfterSeconds: 2), requestID: "id")
        #expect(busy.headers.first(name: "Retry-After") == "2")
    }
}
