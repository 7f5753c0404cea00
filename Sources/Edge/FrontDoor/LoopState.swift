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
    var arrivals: [ObjectIdentifier: Arrival] = [:]
    var date = DateText()
    var requestIDs = RequestIDs()
    var operations: [String: OperationMetrics] = [:]
    private var buffers: [ByteBuffer] = []
    private var fileBuffers: [ByteBuffer] = []
    private var unsent: [ConnectionHandler] = []

    /// How many answers may wait for the end of the turn.
    private static let unsentLimit = 16
    private static let largestKeptBuffer = 128 * 1024
    private static let keptFileBuffers = 4

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        executor = EventLoopTaskExecutor(eventLoop)
    }

    /// An empty buffer to write answers into.
    func takeBuffer() -> ByteBuffer {
        var buffer = buffers.popLast() ?? ByteBuffer()
        buffer.clear(minimumCapacity: 1024)
        return buffer
    }

    /// Of a buffer that nobody else holds: its room is used again.
    func giveBack(_ buffer: consuming ByteBuffer) {
        guard buffers.count < Self.unsentLimit, buffer.capacity <= Self.largestKeptBuffer else { return }
        buffers.append(buffer)
    }

    /// An empty buffer to read a file into.
    func takeFileBuffer(capacity: Int) -> ByteBuffer {
        var buffer = fileBuffers.popLast() ?? ByteBuffer()
        buffer.clear(minimumCapacity: capacity)
        return buffer
    }

    /// Of a buffer whose bytes have been encrypted: its room is used again.
    func giveBackFile(_ buffer: consuming ByteBuffer) {
        if fileBuffers.count < Self.keptFileBuffers { fileBuffers.append(buffer) }
    }

    /// Sends what the connection has written when this turn of the event loop has served the other connections that are
    /// ready, or enough of them: answers that leave together wake a peer once, and each costs less than alone.
    func sendSoon(_ connection: ConnectionHandler) {
        unsent.append(connection)
        if unsent.count >= Self.unsentLimit { return send() }
        if unsent.count == 1 { eventLoop.execute { [self] in send() } }
    }

    private func send() {
        let ready = unsent
        unsent.removeAll(keepingCapacity: true)
        for connection in ready { connection.sendUnsent() }
    }

    func sweep(now: Int64) {
        for arrival in Array(arrivals.values) { arrival.sweep(now: now) }
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
