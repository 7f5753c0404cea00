import HTTPExchange
import Logging
import NIOCore
import NIOHTTP1
import Observability
import StorageModel

/// How an answer gets to the socket: head and small bodies in one write, file spans by sendfile, never further ahead of
/// the peer than a bound.
extension ConnectionHandler {
    /// A body up to this size is copied behind its head: one system call instead of two.
    private static let copiedBodyBytes = 64 * 1024
    /// A longer one goes out in slices, and a file span in regions, so that progress can be seen.
    private static let sliceBytes = 256 * 1024
    private static let regionBytes = 1 << 20

    /// Bytes that TLS gets at once: seven full records, which with their heads and tags fit into the 128 KiB that it keeps
    /// for a connection.
    static let encryptedBytes = 7 * 16 * 1024

    // MARK: An answer of the service

    func answer(_ response: HTTPResponse, _ exchange: Exchange) async {
        loop.eventLoop.preconditionInEventLoop()
        exchange.respondedAt = now
        guard isCurrent(exchange), machine.phase == .serving, context != nil else {
            response.body.release()
            return finish(exchange, response, .peerGone)
        }
        let isHead = exchange.parsed?.head.method == .HEAD
        guard case .stream(let length, let producer) = response.body, !isHead, !response.status.hasNoBody else {
            writeWhole(response, exchange, isHead: isHead)
            response.body.release()
            await outgoing(atMost: 0)
            return finish(exchange, response, hasWriteFailed ? .peerGone : .complete)
        }
        let outcome = await stream(response, length, producer, exchange)
        producer.close()
        finish(exchange, response, outcome)
    }

    /// An answer without a task: what the front door refuses.
    func answer(_ refusal: HTTPRefusal, _ exchange: Exchange, closesConnection: Bool) {
        var response = door.service.refuse(refusal, requestID: exchange.id)
        exchange.respondedAt = now
        if closesConnection { response.closesConnection = true }
        guard context != nil else { return finish(exchange, response, .peerGone) }
        let isHead = exchange.parsed?.head.method == .HEAD
        writeWhole(response, exchange, isHead: isHead)
        response.body.release()
        if outgoingBytes == 0 { return finish(exchange, response, .complete) }
        // Nothing else happens on this connection until the socket has taken the bytes.
        Task.immediate(executorPreference: loop.executor) { [self] in
            await outgoing(atMost: 0)
            finish(exchange, response, hasWriteFailed ? .peerGone : .complete)
        }
    }

    enum Outcome { case complete, peerGone, failed }

    private func finish(_ exchange: Exchange, _ response: HTTPResponse, _ outcome: Outcome) {
        door.record(exchange, response, outcome, handler: self)
        // Before the next request of this connection begins: it may need the place.
        response.ticket?.end(requestBytes: machine.bodyBytes, responseBytes: exchange.bodyBytes)
        leave(exchange)
        switch outcome {
        case .complete: perform(machine.answerEnded(now: now))
        case .peerGone: perform(machine.answerFailed())
        case .failed: cut()
        }
        readIfWanted()
    }

    // MARK: Heads

    /// Writes a head behind what is in the buffer. Answers whether the connection stays open, or `nil` for an answer that
    /// cannot be written.
    private func head(
        _ response: HTTPResponse, length: Int64?, _ exchange: Exchange, into buffer: inout ByteBuffer
    ) -> Bool? {
        let start = buffer.writerIndex
        let keepsOpen = machine.answerStarts(closesConnection: response.closesConnection)
        let isHTTP10 = exchange.parsed.map { $0.head.version.minor == 0 } ?? false
        let writer = ResponseHeadWriter(
            date: loop.date.text(exchange.receivedAt), server: door.server,
            connection: keepsOpen ? (isHTTP10 ? .keepAlive : .unsaid) : .close,
            contentLength: response.status.hasNoBody ? nil : length)
        guard writer.write(response.status, response.headers, into: &buffer) else { return nil }
        exchange.headBytes = Int64(buffer.writerIndex - start)
        return keepsOpen
    }

    /// Writes an answer whose bytes are all here.
    private func writeWhole(_ response: HTTPResponse, _ exchange: Exchange, isHead: Bool) {
        var body: ByteBuffer?
        let length: Int64
        switch response.body {
        case .empty: length = 0
        case .bytes(let bytes):
            length = Int64(bytes.readableBytes)
            if !isHead && !response.status.hasNoBody && length > 0 { body = bytes }
        case .stream(let streamLength, _): length = streamLength
        case .headOnly(let headLength): length = headLength
        }
        // Only HEAD may announce bytes that do not follow; anything else would leave the peer waiting for them.
        if !isHead, case .headOnly = response.body, length > 0, !response.status.hasNoBody {
            return writeFallback(exchange, "an answer without its body")
        }
        var buffer = takeUnsent()
        guard let keepsOpen = head(response, length: length, exchange, into: &buffer) else {
            unsent = buffer
            return writeFallback(exchange, "a header that is not valid")
        }
        exchange.bodyBytes = Int64(body?.readableBytes ?? 0)
        if var body, body.readableBytes > Self.copiedBodyBytes {
            unsent = buffer
            sendUnsent(isFollowed: true)
            let sliceBytes = isEncrypted ? Self.encryptedBytes : Self.sliceBytes
            while let slice = body.readSlice(length: min(body.readableBytes, sliceBytes)), slice.readableBytes > 0 {
                // TLS keeps a buffer as large as all that it encrypts at once.
                send(slice, isFollowed: body.readableBytes > 0 && !isEncrypted)
            }
            return
        }
        if var body { buffer.writeBuffer(&body) }
        unsent = buffer
        if keepsOpen, buffer.readableBytes <= Self.copiedBodyBytes { loop.sendSoon(self) } else { sendUnsent() }
    }

    /// The service has answered something that must not go out: a plain 500, and the connection ends.
    private func writeFallback(_ exchange: Exchange, _ reason: String) {
        door.logger.error(
            "answer withheld", metadata: [LogKey.requestID: "\(exchange.id)", LogKey.reason: "\(reason)"])
        var buffer = takeUnsent()
        let plain = HTTPResponse(status: .internalServerError, closesConnection: true)
        _ = head(plain, length: 0, exchange, into: &buffer)
        unsent = buffer
        sendUnsent()
    }

    // MARK: Streams

    private func stream(
        _ response: HTTPResponse, _ length: Int64, _ producer: any BodyProducer, _ exchange: Exchange
    ) async -> Outcome {
        var left = length
        var isHeadWritten = false
        repeat {
            var piece: BodyPiece?
            if left > 0 {
                do { piece = try await producer.next() } catch {
                    door.logger.error(
                        "body failed", metadata: [LogKey.requestID: "\(exchange.id)", LogKey.error: "\(error)"])
                    await outgoing(atMost: 0)
                    return .failed
                }
                guard let piece, Int64(piece.length) <= left else {
                    door.logger.error("body has the wrong length", metadata: [LogKey.requestID: "\(exchange.id)"])
                    await outgoing(atMost: 0)
                    return .failed
                }
                left -= Int64(piece.length)
            }
            guard !hasWriteFailed, context != nil else { break }
            if !isHeadWritten {
                isHeadWritten = true
                var buffer = takeUnsent()
                guard head(response, length: length, exchange, into: &buffer) != nil else {
                    unsent = buffer
                    writeFallback(exchange, "a header that is not valid")
                    await outgoing(atMost: 0)
                    return .complete
                }
                if case .bytes(var bytes)? = piece, bytes.readableBytes <= Self.copiedBodyBytes {
                    exchange.bodyBytes += Int64(bytes.readableBytes)
                    buffer.writeBuffer(&bytes)
                    piece = nil
                }
                unsent = buffer
                sendUnsent(isFollowed: piece != nil)
            }
            if case .file(let span)? = piece, isEncrypted {
                guard await sendRead(span, exchange) else {
                    await outgoing(atMost: 0)
                    return .failed
                }
                continue
            }
            if let piece { send(piece, exchange) }
            await outgoing(atMost: door.limits.outgoingBufferBytes)
        } while left > 0 && !hasWriteFailed
        // What the producer holds may be freed after its close: the socket must be done with it.
        await outgoing(atMost: 0)
        return hasWriteFailed ? .peerGone : .complete
    }

    private func send(_ piece: BodyPiece, _ exchange: Exchange) {
        exchange.bodyBytes += Int64(piece.length)
        switch piece {
        case .bytes(var buffer):
            while isEncrypted, buffer.readableBytes > Self.encryptedBytes,
                let slice = buffer.readSlice(length: Self.encryptedBytes)
            {
                send(slice)
            }
            send(buffer)
        case .file(let span): send(span)
        }
    }

    // MARK: Writes

    /// What has been written in this turn of the event loop and not been sent, to write more behind it.
    private func takeUnsent() -> ByteBuffer {
        defer { unsent = nil }
        return unsent ?? loop.takeBuffer()
    }

    func sendUnsent(isFollowed: Bool = false) {
        guard let buffer = unsent else { return }
        unsent = nil
        if send(buffer, isFollowed: isFollowed) { loop.giveBack(buffer) }
    }

    /// The socket, when it may be written to: bytes that the channel holds come first.
    private var freeSocket: DirectSocket? {
        guard outgoingBytes == 0, context != nil, channel.isActive else { return nil }
        return socket
    }

    /// Answers whether the socket has taken all; else the channel has the rest, tracked. Bytes that are followed by more
    /// may wait for it.
    @discardableResult
    func send(_ bytes: ByteBuffer, isFollowed: Bool = false) -> Bool {
        var rest = bytes
        if let socket = freeSocket {
            let taken = rest.withUnsafeReadableBytes { socket.send($0, isFollowed: isFollowed) }
            rest.moveReaderIndex(forwardBy: taken)
            if rest.readableBytes == 0 { return true }
        }
        guard let context else { return false }
        let promise = trackedPromise(max(1, rest.readableBytes), context) {}
        context.write(wrapOutboundOut(.byteBuffer(rest)), promise: promise)
        if !isFollowed { context.flush() }
        // Of what TLS has taken nothing is left here.
        return isEncrypted && outgoingBytes == 0
    }

    /// Hands a part of an open file to sendfile: a short one at once, a long one in regions through the channel.
    private func send(_ span: FileSpan) {
        var offset = Int(span.offset)
        let end = offset + span.length
        if span.length <= Self.regionBytes, let socket = freeSocket { offset += socket.send(span.file, offset..<end) }
        while offset < end {
            let next = min(end, offset + Self.regionBytes)
            write(span.file, offset..<next)
            offset = next
        }
        if outgoingBytes > 0 { context?.flush() }
    }

    /// The handle only borrows the descriptor, which the span's `OpenFile` keeps open until the write is over.
    private func write(_ file: OpenFile, _ range: Range<Int>) {
        guard let context else { return }
        let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: file.descriptor)
        let region = FileRegion(fileHandle: handle, readerIndex: range.lowerBound, endIndex: range.upperBound)
        // Bytes of a file are not in memory: a fraction of their number stands for what they cost.
        let promise = trackedPromise(max(1, range.count / 8), context) { [door] in
            withExtendedLifetime(file) {
                do { _ = try handle.takeDescriptorOwnership() } catch {
                    door.logger.error("a file handle was not given back", metadata: [LogKey.error: "\(error)"])
                }
            }
        }
        context.write(wrapOutboundOut(.fileRegion(region)), promise: promise)
    }

    /// Counts a write of the channel as outgoing until the socket has taken it.
    func trackedPromise(
        _ cost: Int, _ context: ChannelHandlerContext, _ release: @escaping @Sendable () -> Void
    ) -> EventLoopPromise<Void> {
        let promise = context.eventLoop.makePromise(of: Void.self)
        outgoingBytes += cost
        machine.writeStarted(now: now)
        promise.futureResult.whenComplete { [self] result in
            release()
            outgoingBytes -= cost
            if case .failure = result { hasWriteFailed = true }
            perform(machine.writeProgressed(now: now, isWaiting: outgoingBytes > 0))
            if outgoingBytes <= outgoingThreshold { resumeWriter() }
        }
        return promise
    }

    /// Returns when no more than `limit` of the tracked bytes are on their way, failed writes included.
    func outgoing(atMost limit: Int) async {
        guard outgoingBytes > limit else { return }
        await withCheckedContinuation { continuation in
            outgoingThreshold = limit
            outgoingContinuation = continuation
        }
    }

    func resumeWriter() {
        // A connection that ended still owes the writes that have not been called off yet.
        guard outgoingBytes <= outgoingThreshold else { return }
        outgoingThreshold = 0
        outgoingContinuation?.resume()
        outgoingContinuation = nil
    }
}

extension ResponseBody {
    /// Ends a producer that is not going to be asked.
    fileprivate func release() {
        if case .stream(_, let producer) = self { producer.close() }
    }
}

extension HTTPResponseStatus {
    /// RFC 9110, section 6.4.1.
    fileprivate var hasNoBody: Bool { code == 204 || code == 304 }
}
