import HTTPExchange
import Logging
import NIOHTTP1
import Observability
import StorageModel

/// What is written down about a request when it is over: counts, the audit line, and the cause of a failure.
extension DoorState {
    func record(
        _ exchange: Exchange, _ response: HTTPResponse, _ outcome: ConnectionHandler.Outcome,
        handler: ConnectionHandler
    ) {
        let duration = handler.now - exchange.startedAt
        let latency = exchange.respondedAt - exchange.startedAt
        let received = handler.machine.bodyBytes
        let facts = response.audit
        let operation: OperationMetrics
        if let known = handler.loop.operations[facts.operationName] {
            operation = known
        } else {
            operation = metrics.operation(facts.operationName)
            handler.loop.operations[facts.operationName] = operation
        }
        operation.count(status: UInt(response.status.code))
        operation.duration.observe(duration)
        operation.latency.observe(latency)
        metrics.requestBytes.add(received)
        metrics.responseBytes.add(exchange.bodyBytes)
        switch outcome {
        case .complete: break
        case .peerGone: metrics.cutByPeer.add()
        case .failed: metrics.cutByUs.add()
        }
        if let cause = facts.cause { log(cause, exchange, response) }
        guard audit.isEnabled else { return }
        var record = AuditRecord(
            timeGenerated: exchange.receivedAt, operationName: facts.operationName, category: facts.category.rawValue,
            statusCode: Int(response.status.code), statusText: facts.statusText, callerAddress: handler.peer.address,
            correlationID: exchange.id, uri: uri(exchange, facts, handler),
            protocolName: handler.peer.isTLS ? "HTTPS" : "HTTP")
        record.requester = facts.requester
        record.tlsVersion = handler.peer.tls?.rawValue
        record.privateLinkID = handler.peer.privateLinkID
        record.clientRequestID = facts.clientRequestID
        record.operationVersion = facts.serviceVersion
        record.accountName = facts.accountName
        record.etag = facts.etag
        record.objectKey = facts.objectKey
        if let parsed = exchange.parsed {
            for (name, value) in parsed.head.headers { record.note(requestHeader: name, value) }
            record.requestHeaderBytes = Int64(parsed.byteCount)
            if case .length(let length) = parsed.framing { record.declaredBodyBytes = length }
        }
        for (name, value) in response.headers { record.note(responseHeader: name, value) }
        record.requestBodyBytes = received
        record.responseHeaderBytes = exchange.headBytes
        record.responseBodyBytes = exchange.bodyBytes
        record.durationNanoseconds = duration
        record.serverLatencyNanoseconds = latency
        audit.append(record, isOwed: exchange.isAdmitted)
    }

    private func uri(_ exchange: Exchange, _ facts: AuditFacts, _ handler: ConnectionHandler) -> String {
        if let redacted = facts.redactedURI { return redacted }
        guard let head = exchange.parsed?.head else { return "" }
        return (handler.peer.isTLS ? "https://" : "http://") + (head.headers.first(name: "Host") ?? "")
            + Redaction.uri(head.uri)
    }

    private func log(_ cause: String, _ exchange: Exchange, _ response: HTTPResponse) {
        let level: Logger.Level = response.status.code >= 500 && response.status.code != 503 ? .error : .debug
        logger.log(
            level: level, "request failed",
            metadata: [
                LogKey.requestID: "\(exchange.id)", LogKey.operation: "\(response.audit.operationName)",
                LogKey.status: "\(response.status.code)", LogKey.cause: "\(Redaction.text(cause))",
            ])
    }
}
