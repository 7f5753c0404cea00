import NIOCore
import NIOPosix
import StorageModel

#if canImport(Glibc)
    import Glibc
#endif

/// System calls on the socket under a channel: one for an answer, two for one whose body is in a file.
///
/// The channel owns the descriptor, and whoever calls has made sure, on the channel's event loop, that it is active and
/// has nothing pending. What the socket does not take at once, and every error, is the channel's: it gets the rest of the
/// bytes and meets the same error.
struct DirectSocket {
    private let descriptor: CInt

    /// `nil` for a channel without a socket of its own. Bytes go out as they are: not for a channel that encrypts.
    init?(_ channel: any Channel) {
        do {
            let handle = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
                of: NIOBSDSocket.Handle.self
            ) { $0 }
            guard let handle, handle >= 0 else { return nil }
            descriptor = handle
        } catch {
            // The peer has gone already; the channel will say so.
            return nil
        }
    }

    /// Answers how many bytes the socket has taken. Bytes that are followed by more wait for it for a moment, so that a
    /// head leaves together with what comes next.
    func send(_ bytes: UnsafeRawBufferPointer, isFollowed: Bool) -> Int {
        let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL) | (isFollowed ? CInt(MSG_MORE) : 0)
        while true {
            let taken = Glibc.send(descriptor, bytes.baseAddress, bytes.count, flags)
            if taken >= 0 { return taken }
            guard errno == EINTR else { return 0 }
        }
    }

    /// Answers how many bytes of the file the socket has taken.
    func send(_ file: OpenFile, _ range: Range<Int>) -> Int {
        var offset = off_t(range.lowerBound)
        while true {
            let taken = sendfile(descriptor, file.descriptor, &offset, range.count)
            if taken >= 0 { return taken }
            guard errno == EINTR else { return 0 }
        }
    }
}
