package import NIOCore
package import NIOHTTP1
package import Observability
package import StorageModel

/// One HTTP request as the front door hands it to a protocol. The front door has already bounded and framed it.
package struct HTTPRequest: Sendable {
    /// The request id: a lower-case GUID, in every log line, audit line and answer.
    package var id: String
    package var head: HTTPRequestHead
    package var receivedAt: Timestamp
    package var peer: Peer
    package var body: any RequestBody

    package init(
        id: String, head: HTTPRequestHead, receivedAt: Timestamp, peer: Peer, body: any RequestBody
    ) {
        self.id = id
        self.head = head
        self.receivedAt = receivedAt
        self.peer = peer
        self.body = body
    }
}

/// The body of a request. With `Expect: 100-continue` the front door sends the interim answer at the first pull.
package protocol RequestBody: BodySource {
    /// From Content-Length; `nil` for a chunked body; 0 when there is none.
    var declaredLength: Int64? { get }
    /// Whether the request had a Content-Length header or was chunked; false when it had neither.
    var isFramed: Bool { get }
}

extension RequestBody {
    /// The whole body, for XML documents and batches.
    /// - Throws: `.bodyTooLarge` as soon as it exceeds `limit` bytes.
    package func collect(limit: Int) async throws(StorageFailure) -> ByteBuffer {
        if let declaredLength, declaredLength > Int64(limit) {
            throw StorageFailure(.bodyTooLarge(limit: Int64(limit)))
        }
        var collected = ByteBuffer()
        while var piece = try await next() {
            guard collected.readableBytes + piece.readableBytes <= limit else {
                throw StorageFailure(.bodyTooLarge(limit: Int64(limit)))
            }
            collected.writeBuffer(&piece)
        }
        return collected
    }
}

package struct HTTPResponse: Sendable {
    package var status: HTTPResponseStatus
    /// Without Content-Length, Transfer-Encoding, Connection and Date: the front door adds these.
    package var headers: HTTPHeaders
    package var body: ResponseBody
    package var audit: AuditFacts
    /// The requests inside of the request, in their order: each is counted and has an audit line of its own.
    package var parts: [PartRecord] = []
    /// The connection cannot be used again after this answer.
    package var closesConnection: Bool
    /// Told when the answer is out, or has failed: ends what the request was admitted to.
    package var ticket: (any RequestTicket)?

    package init(
        status: HTTPResponseStatus, headers: HTTPHeaders = [:], body: ResponseBody = .empty,
        audit: AuditFacts = AuditFacts(), closesConnection: Bool = false
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.audit = audit
        self.closesConnection = closesConnection
    }
}

package enum ResponseBody: Sendable {
    /// Content-Length: 0 (none at all for 204 and 304).
    case empty
    case bytes(ByteBuffer)
    /// Exactly `length` bytes. A producer that fails or ends early makes the front door cut the connection.
    case stream(length: Int64, any BodyProducer)
    /// An answer to HEAD: the Content-Length that GET would have, no bytes.
    case headOnly(length: Int64)
}

/// What the protocol knows about a request and the audit line needs. Columns follow StorageBlobLogs.
package struct AuditFacts: Sendable {
    /// The REST operation, e.g. `PutBlob`.
    package var operationName: String = "Unknown"
    package var category: Category = .read
    /// `Success`, `AnonymousSuccess` or the error code.
    package var statusText: String = "Success"
    /// Who asked and why it was granted; `nil` when the request did not get that far.
    package var requester: RequesterFacts?
    package var accountName: String?
    package var serviceVersion: String?
    package var clientRequestID: String?
    package var etag: String?
    package var objectKey: String?
    /// The URI with signatures and other secrets replaced.
    package var redactedURI: String?
    /// The full cause of a failure, for the log and never for the client.
    package var cause: String?

    package enum Category: String, Sendable {
        case read = "StorageRead", write = "StorageWrite", delete = "StorageDelete"
    }
    package init() {}
}

/// What is written down about a part of a batch: a request inside of a request, with an answer inside of the answer.
package struct PartRecord: Sendable {
    /// The part's own request id.
    package var id: String
    package var status: HTTPResponseStatus
    package var requestHeaders: HTTPHeaders
    package var responseHeaders: HTTPHeaders
    package var audit: AuditFacts
    package var durationNanoseconds: Int64

    package init(
        id: String, requestHeaders: HTTPHeaders, response: HTTPResponse, durationNanoseconds: Int64
    ) {
        self.id = id
        self.requestHeaders = requestHeaders
        self.durationNanoseconds = durationNanoseconds
        status = response.status
        responseHeaders = response.headers
        audit = response.audit
    }
}

/// What a request holds from the moment it was admitted to the end of its answer.
package protocol RequestTicket: AnyObject, Sendable {
    /// Called exactly once, with the bytes of the two bodies.
    func end(requestBytes: Int64, responseBytes: Int64)
}

/// Why the front door itself turns a request away.
package enum HTTPRefusal: Sendable, Equatable {
    case malformed(reason: String)
    case headersTooLarge
    case uriTooLong
    case requestTimeout
    case overloaded(retryAfterSeconds: Int)
    case versionNotSupported
}

/// A protocol as the front door sees it: one call per request. Never throws: every failure has an answer.
package protocol HTTPService: AnyObject, Sendable {
    func respond(to request: HTTPRequest) async -> HTTPResponse
    /// The answer to something that never became a request, in the protocol's own error format.
    func refuse(_ refusal: HTTPRefusal, requestID: String) -> HTTPResponse
}
