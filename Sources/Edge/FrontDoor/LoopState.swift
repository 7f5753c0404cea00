import NIOCore
import Observability
import StorageModel

/// What the connections on one event loop share without locks.
///
/// `@unchecked Sendable`: everything but the constants is touched on the event loop alone.
final class LoopState: @unchecked Sendable {
    let eventLoop: any EventLoop
    let executor: EventLoopTaskExecutor
    var connections: [ObjectIdentifier: ConnectionHandler] = [:]
    var date = DateText()
    var requestIDs = RequestIDs()
    var operations: [String: OperationMetrics] = [:]
    private var scratches = [ByteBuffer](repeating: ByteBuffer(), count: LoopState.unflushedLimit + 2)
    private var nextScratch = 0
    private var unflushed: [ConnectionHandler] = []

    /// How many answers may wait for the end of the turn.
    private static let unflushedLimit = 16

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        executor = EventLoopTaskExecutor(eventLoop)
    }

    /// An empty buffer to write into. They take turns: the socket has taken what was in one before it is used again.
    func takeScratch() -> ByteBuffer {
        var buffer = ByteBuffer()
        swap(&buffer, &scratches[nextScratch])
        buffer.clear(minimumCapacity: 1024)
        return buffer
    }

    func giveBack(scratch buffer: ByteBuffer) {
        scratches[nextScratch] = buffer
        nextScratch = nextScratch + 1 < scratches.count ? nextScratch + 1 : 0
    }

    /// Sends what the connection has written when this turn of the event loop has served the other connections that are
    /// ready, or enough of them: answers that leave together wake a peer once, and each costs less than alone.
    func flushSoon(_ connection: ConnectionHandler) {
        unflushed.append(connection)
        if unflushed.count >= Self.unflushedLimit { return flush() }
        if unflushed.count == 1 { eventLoop.execute { [self] in flush() } }
    }

    private func flush() {
        let ready = unflushed
        unflushed.removeAll(keepingCapacity: true)
        for connection in ready { connection.context?.flush() }
    }

    func sweep(now: Int64) {
        for connection in Array(connections.values) { connection.sweep(now: now) }
    }
}

/// The Date header's text, made anew once a second.
struct DateText {
    private var seconds = Int64.min
    private var cached = ""

    mutating func text(_ time: Timestamp) -> String {
        if time.seconds != seconds {
            seconds = time.seconds
            cached = CivilTime(time).httpDate
        }
        return cached
    }
}

/// Request ids: version 4 UUIDs out of random bytes that are drawn for many at once.
struct RequestIDs {
    private static let batch = 64
    private var bytes: [UInt8] = []
    private var at = 0

    mutating func next(_ world: World) -> String {
        if at == bytes.count {
            bytes = world.randomBytes(16 * Self.batch)
            at = 0
        }
        var id = Array(bytes[at..<(at + 16)])
        at += 16
        id[6] = id[6] & 0x0F | 0x40
        id[8] = id[8] & 0x3F | 0x80
        return UUIDText.format(id)
    }
}
