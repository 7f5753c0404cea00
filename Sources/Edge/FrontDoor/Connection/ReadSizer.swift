import NIOCore
import Synchronization

/// How large the next receive buffer is: what the connection expects, within what this peer has filled before.
///
/// Reads of a head reuse one small buffer per connection; reads of a body get a buffer of their own, because its slices
/// travel on to the disk.
/// `@unchecked Sendable`: used on the connection's event loop alone, by its channel and its handler.
final class ReadSizer: @unchecked Sendable {
    private static let small = 4096
    /// The first read of a body, before it is known how fast the peer sends.
    private static let first = 64 * 1024

    private var hint = small
    private var reach = first
    private var bound = 1 << 20

    /// No read is larger from now on.
    func bound(to bytes: Int) { bound = max(Self.small, bytes) }

    func expect(_ bytes: Int) {
        hint = bytes
        if bytes <= Self.small { reach = Self.first }
    }

    fileprivate var next: Int { hint <= Self.small ? Self.small : max(Self.small, min(hint, reach, bound)) }
    fileprivate var reusesBuffer: Bool { hint <= Self.small }

    fileprivate func record(_ bytes: Int) {
        guard !reusesBuffer else { return }
        if bytes >= next {
            reach = min(reach * 2, 1 << 20)
        } else if bytes < next / 4 {
            reach = max(reach / 2, 16 * 1024)
        }
    }
}

struct SizedReceiveAllocator: RecvByteBufferAllocator {
    let sizer: ReadSizer

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: sizer.next) }
    func nextBufferSize() -> Int? { sizer.reusesBuffer ? sizer.next : nil }

    mutating func record(actualReadBytes: Int) -> Bool {
        sizer.record(actualReadBytes)
        // "May grow": the pool then asks for a new buffer instead of copying the one whose slices are still in use.
        return true
    }
}
