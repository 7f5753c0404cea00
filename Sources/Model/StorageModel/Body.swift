package import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// An open file that several readers share; closed when the last one lets go.
package final class OpenFile: Sendable {
    package let descriptor: CInt
    /// For logs and messages; relative to the store's root.
    package let label: String

    /// Takes ownership of the descriptor.
    package init(descriptor: CInt, label: String) {
        self.descriptor = descriptor
        self.label = label
    }

    deinit { close(descriptor) }
}

/// A run of bytes in an open file, ready for sendfile.
package struct FileSpan: Sendable {
    package var file: OpenFile
    package var offset: Int64
    package var length: Int

    package init(file: OpenFile, offset: Int64, length: Int) {
        self.file = file
        self.offset = offset
        self.length = length
    }
}

/// One piece of an outgoing body.
package enum BodyPiece: Sendable {
    case bytes(ByteBuffer)
    case file(FileSpan)

    package var length: Int {
        switch self {
        case .bytes(let buffer): buffer.readableBytes
        case .file(let span): span.length
        }
    }
}

/// An incoming body, pulled piece by piece: whoever does not pull makes the sender wait.
package protocol BodySource: AnyObject, Sendable {
    /// The next bytes, or `nil` at the regular end.
    /// - Throws: `.bodyTruncated` when the sender goes away first.
    func next() async throws(StorageFailure) -> ByteBuffer?
}

/// An outgoing body, pulled piece by piece as fast as the receiver takes it.
package protocol BodyProducer: AnyObject, Sendable {
    func next() async throws(StorageFailure) -> BodyPiece?
    /// Called exactly once, at the end or when the receiver goes away: releases what the body holds.
    func close()
}

/// A body that is already in memory: small requests in tests, sub-requests of a batch.
package final class BufferSource: BodySource {
    private let pending: Locked<ByteBuffer?>
    package init(_ buffer: ByteBuffer) { pending = Locked(buffer.readableBytes > 0 ? buffer : nil) }
    package func next() async throws(StorageFailure) -> ByteBuffer? {
        pending.withLock { buffer in
            defer { buffer = nil }
            return buffer
        }
    }
}
