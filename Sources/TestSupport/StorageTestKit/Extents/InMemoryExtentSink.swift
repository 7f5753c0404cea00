import Extents
import NIOCore
import StorageModel

/// A body of the in-memory store: its bytes wait here until `seal`.
final class InMemoryExtentSink: ExtentSink {
    private struct Body {
        var bytes: [UInt8] = []
        var reservedBytes: Int64
        var hasEnded = false
    }

    private let body: Locked<Body>
    private let store: InMemoryExtentStore
    private let observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?

    init(
        store: InMemoryExtentStore, reservedBytes: Int64, observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    ) {
        self.store = store
        self.observer = observer
        body = Locked(Body(reservedBytes: reservedBytes))
    }

    func append(_ bytes: ByteBuffer) async throws(StorageFailure) {
        try body.withLock { body throws(StorageFailure) in
            guard !body.hasEnded else { throw StorageFailure(.internal, cause: "a body was used after its end") }
            let needed = InMemoryExtentStore.padded(body.bytes.count + bytes.readableBytes)
            let missing = max(0, needed - body.reservedBytes)
            try store.access { state throws(StorageFailure) in try state.reserve(missing) }
            body.reservedBytes += missing
            body.bytes.append(contentsOf: bytes.readableBytesView)
        }
        if let observer, bytes.readableBytes > 0 { bytes.withUnsafeReadableBytes { observer($0) } }
    }

    func seal() async throws(StorageFailure) -> [Extent] {
        try body.withLock { body throws(StorageFailure) in
            guard !body.hasEnded else { throw StorageFailure(.internal, cause: "a body was used after its end") }
            let maximum = store.maximumExtentLength
            let bytes = body.bytes
            let extents = try store.access { state throws(StorageFailure) in
                stride(from: 0, to: bytes.count, by: maximum).map { start in
                    state.store(Array(bytes[start..<min(start + maximum, bytes.count)]))
                }
            }
            end(&body)
            return extents
        }
    }

    func discard() async {
        body.withLock { body in
            if !body.hasEnded { end(&body) }
        }
    }

    private func end(_ body: inout Body) {
        store.endSink(reservedBytes: body.reservedBytes)
        body = Body(reservedBytes: 0, hasEnded: true)
    }
}
