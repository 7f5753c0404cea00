package import Access
package import HTTPExchange
package import Logging
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

/// The operators' endpoint, on a port of its own: health, metrics, status, accounts and roles.
///
/// Health is for everybody, everything else behind the gate.
package final class AdminService: HTTPService {
    private let gate: AdminGate
    private let readiness: @Sendable () async -> Readiness
    private let metrics: MetricRegistry
    private let status: @Sendable (inout JSONWriter) async -> Void
    private let access: @Sendable () -> AccessStore?
    private let unauthenticated: Counter
    private let logger: Logger

    /// - Parameters:
    ///   - status: writes the members of the status document's object.
    ///   - access: `nil` until the stores are open.
    package init(
        gate: AdminGate, metrics: MetricRegistry, readiness: @escaping @Sendable () async -> Readiness,
        status: @escaping @Sendable (inout JSONWriter) async -> Void,
        access: @escaping @Sendable () -> AccessStore?, logger: Logger
    ) {
        self.gate = gate
        self.metrics = metrics
        self.readiness = readiness
        self.status = status
        self.access = access
        self.logger = logger
        unauthenticated = metrics.counter(.adminUnauthenticated)
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        let routed = Result { () throws(AdminOperation.Unroutable) in
            try AdminOperation(request.head.method, uri: request.head.uri)
        }
        let operation = try? routed.get()
        guard gate.admits(request, to: operation) else {
            unauthenticated.add()
            logger.warning(
                "admin request without a valid credential",
                metadata: [
                    LogKey.peer: "\(request.peer.address)", LogKey.requestID: "\(request.id)",
                    LogKey.operation: "\(operation?.name ?? "Unknown")",
                ])
            return render(.unauthenticated, operation)
        }
        let response: HTTPResponse
        switch routed {
        case .failure(let unroutable): return render(AdminRefusal(unroutable), nil)
        case .success(let operation): response = await perform(operation, request)
        }
        return request.head.method == .HEAD ? response.withoutBody : response
    }

    private func perform(_ operation: AdminOperation, _ request: HTTPRequest) async -> HTTPResponse {
        switch operation {
        case .live: return text(.ok, "live\n", operation.name)
        case .ready:
            switch await readiness() {
            case .ready: return text(.ok, "ready\n", operation.name)
            case .limited(let reason): return text(.ok, "ready, but \(reason)\n", operation.name)
            case .notReady(let reason): return text(.serviceUnavailable, "not ready: \(reason)\n", operation.name)
            }
        case .metrics:
            return answer(
                .ok, ByteBuffer(string: metrics.render()), "text/plain; version=0.0.4; charset=utf-8", operation.name)
        case .status:
            var json = JSONWriter(reservingCapacity: 1024)
            await json.object { json in await status(&json) }
            return document(.ok, json, operation)
        case .listAccounts, .createAccount, .showAccount, .changeAccount, .deleteAccount, .showKeys, .rotateKey,
            .revokeDelegationKeys, .listRoles, .assignRole, .removeRole:
            return await manage(operation, request)
        }
    }

    private func manage(_ operation: AdminOperation, _ request: HTTPRequest) async -> HTTPResponse {
        do throws(AdminRefusal) {
            guard let access = access() else { throw .starting }
            let result = try await AccessOperations(store: access).perform(operation, body: request.body)
            if operation.isNoteworthy {
                let account = result.account ?? operation.account
                logger.notice(
                    "admin operation done",
                    metadata: [
                        LogKey.operation: "\(operation.name)", LogKey.account: "\(account?.value ?? "")",
                        LogKey.peer: "\(request.peer.address)", LogKey.requestID: "\(request.id)",
                    ])
            }
            guard let json = result.document else { return answer(.noContent, nil, nil, operation.name) }
            return document(result.status, json, operation)
        } catch {
            if let cause = error.cause {
                logger.error(
                    "admin operation failed",
                    metadata: [
                        LogKey.operation: "\(operation.name)", LogKey.cause: "\(cause)",
                        LogKey.requestID: "\(request.id)",
                    ])
            }
            return render(error, operation)
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

    // MARK: - Rendering

    private func render(_ refusal: AdminRefusal, _ operation: AdminOperation?) -> HTTPResponse {
        var json = JSONWriter()
        json.object { json in
            json.object("error") { error in
                error.member("code", refusal.code)
                error.member("message", refusal.message)
            }
        }
        json.newline()
        var response = answer(
            refusal.status, ByteBuffer(bytes: json.bytes), "application/json", operation?.name ?? "Unknown")
        response.headers.add(contentsOf: refusal.headers)
        response.audit.statusText = refusal.code
        return response
    }

    private func document(
        _ status: HTTPResponseStatus, _ json: JSONWriter, _ operation: AdminOperation
    ) -> HTTPResponse {
        var json = json
        json.newline()
        return answer(status, ByteBuffer(bytes: json.bytes), "application/json", operation.name)
    }

    private func text(_ status: HTTPResponseStatus, _ text: String, _ operation: String) -> HTTPResponse {
        answer(status, ByteBuffer(string: text), "text/plain; charset=utf-8", operation)
    }

    private func answer(
        _ status: HTTPResponseStatus, _ body: ByteBuffer?, _ type: String?, _ operation: String
    ) -> HTTPResponse {
        var facts = AuditFacts()
        facts.operationName = operation
        if status.code >= 400 { facts.statusText = status.reasonPhrase }
        // Some answers hold keys, and none is worth keeping.
        var headers: HTTPHeaders = ["Cache-Control": "no-store"]
        if let type { headers.add(name: "Content-Type", value: type) }
        return HTTPResponse(status: status, headers: headers, body: body.map { .bytes($0) } ?? .empty, audit: facts)
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
