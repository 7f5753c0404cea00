/// What a peer may use up. Every queue and buffer of the front door is bounded by one of these.
package struct FrontDoorLimits: Sendable {
    /// Open connections; one more is answered 503 and closed.
    package var connections = 4096
    /// Connections over the limit that are being told so; beyond that they are closed without a word.
    package var connectionsBeingRefused = 64
    /// Requests being served; one more is answered 503.
    package var requestsInFlight = 2048
    package var retryAfterSeconds = 2

    /// Method, target and version. A blob name of 1,024 characters takes up to 12 KiB encoded, a SAS about 1 KiB.
    package var requestLineBytes = 32 * 1024
    /// One header line. Metadata is bounded at 8 KiB by the service.
    package var headerLineBytes = 16 * 1024
    /// All of a head.
    package var headBytes = 64 * 1024
    package var headerFields = 256

    /// How much of a body is buffered per connection before the consumer has taken it.
    package var bodyPieceBytes = 256 * 1024
    /// How much of all bodies is buffered; pieces get smaller when many bodies arrive at once.
    package var bodyBufferBytes = 48 << 20
    /// How much of a body that the service did not want is read and thrown away to keep the connection.
    package var discardedBodyBytes: Int64 = 8 << 20
    /// How much of an outgoing body is handed to the socket ahead of the peer.
    package var outgoingBufferBytes = 1 << 20

    // Timeouts in nanoseconds of the monotonic clock; `sweepInterval` is their grain.
    /// Between two requests.
    package var idleTimeout: Int64 = 120 * second
    /// From the first byte of a head to its last.
    package var headTimeout: Int64 = 10 * second
    /// While the service waits for a body: at least `bodyProgressBytes` within each such span.
    package var bodyProgressTimeout: Int64 = 60 * second
    package var bodyProgressBytes: Int64 = 1024
    /// While the answer waits for the peer: at least one piece within each such span.
    package var writeStallTimeout: Int64 = 300 * second
    /// For an unwanted body after its answer.
    package var discardTimeout: Int64 = 10 * second
    /// For a peer to read the last answer and to close, when it might still be sending.
    package var lingerTimeout: Int64 = 10 * second
    package var sweepInterval: Int64 = 1 * second

    private static let second: Int64 = 1_000_000_000

    package init() {}
}
