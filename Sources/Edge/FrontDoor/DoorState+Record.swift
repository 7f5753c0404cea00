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
        count(facts, response.status, duration: duration, latency: latency, handler.loop)
        metrics.requestBytes.add(received)
        metrics.responseBytes.add(exchange.bodyBytes)
        switch outcome {
        case .complete: break
        case .peerGone: metrics.cutByPeer.add()
        case .failed: metrics.cutByUs.add()
        }
        if let cause = facts.cause { log(cause, exchange.id, facts, response.status) }
        for part in response.parts { record(part, of: exchange, handler: handler) }
        guard audit.isEnabled else { return }
        var record = AuditRecord(
            timeGenerated: exchange.receivedAt, operationName: facts.operationName, category: facts.category.rawValue,
            statusCode: Int(response.status.code), statusText: facts.statusText, callerAddress: handler.peer.address,
            correlationID: exchange.id, uri: uri(exchange, facts, handler),
            protocolName: handler.peer.isTLS ? "HTTPS" : "HTTP")
        record.note(facts, of: handler.peer)
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

    /// A part of a batch: it came over the batch's connection, and its bytes are the batch's.
    private func record(_ part: PartRecord, of exchange: Exchange, handler: ConnectionHandler) {
        let duration = part.durationNanoseconds
        count(part.audit, part.status, duration: duration, latency: duration, handler.loop)
        if let cause = part.audit.cause { log(cause, part.id, part.audit, part.status) }
        guard audit.isEnabled else { return }
        let facts = part.audit
        var record = AuditRecord(
            timeGenerated: exchange.receivedAt, operationName: facts.operationName, category: facts.category.rawValue,
            statusCode: Int(part.status.code), statusText: facts.statusText, callerAddress: handler.peer.address,
            correlationID: part.id, uri: facts.redactedURI ?? "", protocolName: handler.peer.isTLS ? "HTTPS" : "HTTP")
        record.note(facts, of: handler.peer)
        for (name, value) in part.requestHeaders { record.note(requestHeader: name, value) }
        for (name, value) in part.responseHeaders { record.note(responseHeader: name, value) }
        record.durationNanoseconds = duration
        record.serverLatencyNanoseconds = duration
        audit.append(record, isOwed: exchange.isAdmitted)
    }

    private func count(
        _ facts: AuditFacts, _ status: HTTPResponseStatus, duration: Int64, latency: Int64, _ loop: LoopState
    ) {
        let operation: OperationMetrics
        if let known = loop.operations[facts.operationName] {
            operation = known
        } else {
            operation = metrics.operation(facts.operationName)
            loop.operations[facts.operationName] = operation
        }
        operation.count(status: UInt(status.code))
        operation.duration.observe(duration)
        operation.latency.observe(latency)
    }

    private func uri(_ exchange: Exchange, _ facts: AuditFacts, _ handler: ConnectionHandler) -> String {
        if let redacted = facts.redactedURI { return redacted }
        guard let head = exchange.parsed?.head else { return "" }
        return (handler.peer.isTLS ? "https://" : "http://") + (head.headers.first(name: "Host") ?? "")
            + Redaction.uri(head.uri)
    }

    private func log(_ cause: String, _ requestID: String, _ facts: AuditFacts, _ status: HTTPResponseStatus) {
        let level: Logger.Level = status.code >= 500 && status.code != 503 ? .error : .debug
        logger.log(
            level: level, "request failed",
            metadata: [
                LogKey.requestID: "\(requestID)", LogKey.operation: "\(facts.operationName)",
                LogKey.status: "\(status.code)", LogKey.cause: "\(Redaction.text(cause))",
            ])
    }
}

extension AuditRecord {
    /// The columns that the protocol and the connection know.
    fileprivate mutating func note(_ facts: AuditFacts, of peer: Peer) {
        requester = facts.requester
        tlsVersion = peer.tls?.rawValue
        privateLinkID = peer.privateLinkID
        clientRequestID = facts.clientRequestID
        operationVersion = facts.serviceVersion
        accountName = facts.accountName
        etag = facts.etag
        objectKey = facts.objectKey
    }
}
