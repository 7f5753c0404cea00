import NIOCore
import StorageModel

/// Memory in which a body's bytes gather until they are worth a write.
///
/// `@unchecked Sendable`: a sink owns it while it fills, then one job, then the pool; never two at once.
final class WriteBuffer: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer
    private var filled = 0

    init(capacity: Int) { memory = .allocate(byteCount: capacity, alignment: 4096) }
    deinit { memory.deallocate() }

    var capacity: Int { memory.count }
    var isFull: Bool { filled == memory.count }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory.prefix(filled)) }

    /// Takes as much as fits from the front of the bytes.
    func take(from source: inout ByteBuffer) {
        let count = min(memory.count - filled, source.readableBytes)
        source.withUnsafeReadableBytes { readable in
            UnsafeMutableRawBufferPointer(rebasing: memory[filled..<(filled + count)])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: readable.prefix(count)))
        }
        source.moveReaderIndex(forwardBy: count)
        filled += count
    }

    func clear() { filled = 0 }
}

/// Buffers of the usual size that wait for the next body: fresh memory would be zeroed by the kernel page by page.
final class WriteBufferPool: Sendable {
    /// 16 MiB of the default size.
    private static let maximumIdle = 64
    private let idle = Locked<[WriteBuffer]>([])
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// Smaller than usual when the body is known to be.
    func take(expected: Int64?) -> WriteBuffer {
        if let expected, expected > 0, expected < Int64(capacity) / 2 { return WriteBuffer(capacity: Int(expected)) }
        return idle.withLock { $0.popLast() } ?? WriteBuffer(capacity: capacity)
    }

    func giveBack(_ buffer: WriteBuffer) {
        guard buffer.capacity == capacity else { return }
        buffer.clear()
        idle.withLock { idle in
            if idle.count < Self.maximumIdle { idle.append(buffer) }
        }
    }
}
