import CFileSystem
import HTTPExchange
import Logging
import NIOCore
import NIOPosix
import Observability
import StorageModel

/// How a part of a file gets to a peer under TLS: read into a buffer that is used again, encrypted and written piece by
/// piece. Pieces that the page cache has are read on the event loop, others on a thread that may wait for the disk.
extension ConnectionHandler {
    /// How far encrypted bytes may be ahead of the socket: enough to have the next piece ready when it has room again.
    private static let aheadBytes = 2 * encryptedBytes
    /// How much goes out before other connections on the loop get their turn.
    private static let turnBytes = 1 << 20

    /// Sends a span. Answers false when the file does not give it: the peer must not take its answer for whole.
    func sendRead(_ span: FileSpan, _ exchange: Exchange) async -> Bool {
        var offset = span.offset
        let end = span.offset + Int64(span.length)
        let ahead = min(Self.aheadBytes, door.limits.outgoingBufferBytes)
        var sentInTurn = 0
        // A head waits for the first bytes, which may not come.
        defer { if outgoingBytes > 0 { context?.flush() } }
        while offset < end, !hasWriteFailed, context != nil {
            let wanted = Int(min(end - offset, Int64(Self.encryptedBytes)))
            var buffer = loop.takeFileBuffer(capacity: wanted)
            if buffer.readCached(span.file, offset: offset, count: wanted) == 0 {
                loop.giveBackFile(buffer)
                do { buffer = try await Self.readBlocking(span.file, offset: offset, count: wanted) } catch {
                    door.logger.error(
                        "body failed",
                        metadata: [
                            LogKey.requestID: "\(exchange.id)", LogKey.path: "\(span.file.label)",
                            LogKey.offset: "\(offset)", LogKey.error: "\(error)",
                        ])
                    return false
                }
                sentInTurn = 0
            }
            let count = buffer.readableBytes
            offset += Int64(count)
            exchange.bodyBytes += Int64(count)
            send(buffer)
            loop.giveBackFile(buffer)
            await outgoing(atMost: ahead)
            sentInTurn += count
            if sentInTurn >= Self.turnBytes, offset < end {
                sentInTurn = 0
                await nextTurn()
            }
        }
        return true
    }

    /// Returns when the event loop has looked at its other connections.
    private func nextTurn() async {
        await withCheckedContinuation { continuation in loop.eventLoop.execute { continuation.resume() } }
    }

    private struct ReadFailure: Error, CustomStringConvertible {
        var code: CInt
        var description: String { code == 0 ? "the file ends too early" : "error \(code)" }
    }

    /// - Throws: `ReadFailure`, also for a file that ends before the bytes do.
    private static func readBlocking(_ file: OpenFile, offset: Int64, count: Int) async throws -> ByteBuffer {
        try await NIOThreadPool.singleton.runIfActive {
            var buffer = ByteBuffer()
            var failure: CInt?
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
                var done = 0
                while done < count, let start = space.baseAddress {
                    let read = forebay_read(file.descriptor, start + done, count - done, offset + Int64(done))
                    guard read > 0 else {
                        failure = CInt(-read)
                        break
                    }
                    done += Int(read)
                }
                return done
            }
            if let failure { throw ReadFailure(code: failure) }
            return buffer
        }
    }
}

extension ByteBuffer {
    /// Appends what the page cache has of the range, from its beginning on. Answers how many bytes: 0 also for a file
    /// system that cannot tell.
    fileprivate mutating func readCached(_ file: OpenFile, offset: Int64, count: Int) -> Int {
        writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
            max(0, Int(forebay_read_cached(file.descriptor, space.baseAddress, count, offset)))
        }
    }
}
