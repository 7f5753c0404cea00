package import HTTPExchange
import NIOCore
import NIOHTTP1
package import Observability
import StorageModel

/// Whether the node takes work.
package enum Readiness: Sendable, Equatable {
    case ready
    /// Takes a part of the work, reads above all: still worth sending requests to. The reason is shown.
    case limited(reason: String)
    /// Starting, draining or failed: the reason is shown to whoever asks.
    case notReady(reason: String)
}

/// The operators' endpoint, on a port of its own: health, metrics, status. Reads only.
package final class AdminService: HTTPService {
    private let readiness: @Sendable () async -> Readiness
    private let metrics: MetricRegistry
    private let status: @Sendable (inout JSONWriter) async -> Void

    /// - Parameter status: writes the members of the status document's object.
    package init(
        metrics: MetricRegistry, readiness: @escaping @Sendable () async -> Readiness,
        status: @escaping @Sendable (inout JSONWriter) async -> Void
    ) {
        self.metrics = metrics
        self.readiness = readiness
        self.status = status
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        guard let page = AdminPage(uri: request.head.uri) else { return text(.notFound, "not found\n", "Unknown") }
        guard request.head.method == .GET || request.head.method == .HEAD else {
            var response = text(.methodNotAllowed, "only GET and HEAD\n", page.operationName)
            response.headers.add(name: "Allow", value: "GET, HEAD")
            return response
        }
        let response = await render(page)
        return request.head.method == .HEAD ? response.withoutBody : response
    }

    private func render(_ page: AdminPage) async -> HTTPResponse {
        switch page {
        case .live: return text(.ok, "live\n", page.operationName)
        case .ready:
            switch await readiness() {
            case .ready: return text(.ok, "ready\n", page.operationName)
            case .limited(let reason): return text(.ok, "ready, but \(reason)\n", page.operationName)
            case .notReady(let reason):
                return text(.serviceUnavailable, "not ready: \(reason)\n", page.operationName)
            }
        case .metrics:
            return answer(
                .ok, ByteBuffer(string: metrics.render()), "text/plain; version=0.0.4; charset=utf-8",
                page.operationName)
        case .status:
            var json = JSONWriter(reservingCapacity: 1024)
            await json.object { json in await status(&json) }
            json.newline()
            return answer(.ok, ByteBuffer(bytes: json.bytes), "application/json", page.operationName)
        }
    }

    package func refuse(_ refusal: HTTPRefusal, requestID: String) -> HTTPResponse {
        switch refusal {
        case .malformed(let reason): return text(.badRequest, "bad request: \(reason)\n", "Unknown")
        case .headersTooLarge: return text(.requestHeaderFieldsTooLarge, "headers too large\n", "Unknown")
        case .uriTooLong: return text(.uriTooLong, "target too long\n", "Unknown")
        case .requestTimeout: return text(.requestTimeout, "the request took too long\n", "Unknown")
        case .versionNotSupported: return text(.httpVersionNotSupported, "only HTTP/1.0 and HTTP/1.1\n", "Unknown")
        case .overloaded(let seconds):
            var response = text(.serviceUnavailable, "busy\n", "Unknown")
            response.headers.add(name: "Retry-After", value: String(seconds))
            return response
        }
    }

    private func text(_ status: HTTPResponseStatus, _ text: String, _ operation: String) -> HTTPResponse {
        answer(status, ByteBuffer(string: text), "text/plain; charset=utf-8", operation)
    }

    private func answer(
        _ status: HTTPResponseStatus, _ body: ByteBuffer, _ type: String, _ operation: String
    ) -> HTTPResponse {
        var facts = AuditFacts()
        facts.operationName = operation
        if status.code >= 400 { facts.statusText = status.reasonPhrase }
        return HTTPResponse(
            status: status, headers: ["Content-Type": type, "Cache-Control": "no-store"], body: .bytes(body),
            audit: facts)
    }
}

/// What the endpoint shows.
enum AdminPage: String, CaseIterable, Sendable {
    case live = "/healthz/live"
    case ready = "/healthz/ready"
    case metrics = "/metrics"
    case status = "/status"

    /// By path; a query is ignored.
    init?(uri: String) {
        self.init(rawValue: String(uri.prefix { $0 != "?" }))
    }

    var operationName: String {
        switch self {
        case .live: "AdminLive"
        case .ready: "AdminReady"
        case .metrics: "AdminMetrics"
        case .status: "AdminStatus"
        }
    }
}

extension HTTPResponse {
    /// The same answer to HEAD.
    fileprivate var withoutBody: HTTPResponse {
        guard case .bytes(let bytes) = body else { return self }
        var response = self
        response.body = .headOnly(length: Int64(bytes.readableBytes))
        return response
    }
}
