import HTTPExchange
import NIOCore
import StorageModel

/// One request and its answer: the request's body as the service sees it, and what the audit line will say.
///
/// `@unchecked Sendable`: the constants are readable everywhere, the variables are touched on the event loop alone.
final class Exchange: RequestBody, @unchecked Sendable {
    let id: String
    let receivedAt: Timestamp
    let startedAt: Int64
    let parsed: ParsedHead?
    private let handler: ConnectionHandler

    var isAdmitted = false
    var isReceiving = false
    var respondedAt: Int64 = 0
    var headBytes: Int64 = 0
    var bodyBytes: Int64 = 0

    init(handler: ConnectionHandler, id: String, parsed: ParsedHead?, receivedAt: Timestamp, startedAt: Int64) {
        self.handler = handler
        self.id = id
        self.parsed = parsed
        self.receivedAt = receivedAt
        self.startedAt = startedAt
    }

    var declaredLength: Int64? {
        switch parsed?.framing {
        case .length(let length): length
        case .chunked: nil
        case .some(.none), nil: 0
        }
    }

    var isFramed: Bool { parsed.map { $0.framing != .none } ?? false }

    func next() async throws(StorageFailure) -> ByteBuffer? {
        let pull: ConnectionStateMachine.Pull
        if handler.loop.eventLoop.inEventLoop {
            switch handler.pull(self) {
            case .now(let here): pull = here
            case .later: pull = await withCheckedContinuation { handler.wait($0) }
            }
        } else {
            pull = await withCheckedContinuation { continuation in
                handler.loop.eventLoop.execute { [self] in
                    switch handler.pull(self) {
                    case .now(let here): continuation.resume(returning: here)
                    case .later: handler.wait(continuation)
                    }
                }
            }
        }
        switch pull {
        case .piece(let piece): return piece
        case .end: return nil
        case .truncated: throw StorageFailure(.bodyTruncated)
        case .timedOut: throw StorageFailure(.bodyTimedOut)
        }
    }
}
