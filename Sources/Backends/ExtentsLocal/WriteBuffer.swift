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

/// Buffers for bodies under way, and those that wait for the next one: fresh memory would be zeroed by the kernel page by
/// page.
///
/// All of them share a budget: with few bodies each gets a buffer of the usual size, with a thousand of them small ones.
final class WriteBufferPool: Sendable {
    /// Smaller writes cost more calls than they save memory.
    private static let smallest = 32 << 10
    private static let leastExpected: Int64 = 4 << 10
    /// 16 MiB of the default size.
    private static let maximumIdle = 64
    /// A body takes at most this share of what is left.
    private static let shareOfRest = 8

    private struct State {
        /// By capacity.
        var idle: [Int: [WriteBuffer]] = [:]
        var idleCount = 0
        var lentBytes = 0
    }
    private let state = Locked(State())
    private let capacity: Int
    private let budget: Int

    /// - Parameter capacity: the usual size of a buffer, which none exceeds.
    init(capacity: Int, budget: Int) {
        self.capacity = capacity
        self.budget = budget
    }

    /// Smaller than usual when the body is known to be, or when many bodies share the budget.
    func take(expected: Int64?) -> WriteBuffer {
        let (size, idle) = state.withLock { state -> (Int, WriteBuffer?) in
            var size = capacity
            let share = max(Self.smallest, (budget - state.lentBytes) / Self.shareOfRest)
            while size > share, size / 2 >= Self.smallest { size /= 2 }
            // Few sizes, so that a buffer is of use to the next body as well.
            if let expected { while size / 2 >= max(expected, Self.leastExpected) { size /= 2 } }
            state.lentBytes += size
            let idle = state.idle[size]?.popLast()
            if idle != nil { state.idleCount -= 1 }
            return (size, idle)
        }
        return idle ?? WriteBuffer(capacity: size)
    }

    /// Every buffer that was taken comes back, also that of a body which was given up.
    func giveBack(_ buffer: WriteBuffer) {
        buffer.clear()
        state.withLock { state in
            state.lentBytes -= buffer.capacity
            guard buffer.capacity >= Self.smallest, state.idleCount < Self.maximumIdle else { return }
            state.idle[buffer.capacity, default: []].append(buffer)
            state.idleCount += 1
        }
    }

    /// What bodies hold now.
    var lentBytes: Int { state.withLock { $0.lentBytes } }
}
