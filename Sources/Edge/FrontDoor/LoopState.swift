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
    private var scratch = ByteBuffer()

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        executor = EventLoopTaskExecutor(eventLoop)
    }

    /// An empty buffer to write into. Its memory is used again when the socket has taken what was in it.
    func takeScratch() -> ByteBuffer {
        var buffer = ByteBuffer()
        swap(&buffer, &scratch)
        buffer.clear(minimumCapacity: 1024)
        return buffer
    }

    func giveBack(scratch buffer: ByteBuffer) { scratch = buffer }

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
