import Checksums
import Crypto
import Extents
import Logging
import NIOCore
import StorageModel

/// A body on its way in: either small enough to live with its name, or durable in extents that nothing names yet.
enum StoredBody: Sendable {
    case empty
    case inline(ByteBuffer)
    case extents([Extent])
}

extension Namespace {
    /// Takes a whole body, checks it against its digests and makes it durable.
    /// - Parameter inlineLimit: bodies up to this length stay in memory for the caller's transaction.
    /// - Throws: `.bodyTooLarge`, `.bodyTruncated`, `.md5Mismatch`, `.crc64Mismatch`, `.outOfSpace`; nothing stays behind.
    func takeIn(
        _ body: IncomingBody, inlineLimit: Int
    ) async throws(StorageFailure) -> (stored: StoredBody, digests: BodyDigests) {
        if let length = body.length, length > body.maximumLength {
            throw StorageFailure(.bodyTooLarge(limit: body.maximumLength))
        }
        var head = ByteBuffer()
        while let piece = try await body.source.next() {
            if head.readableBytes == 0 { head = piece } else { head.writeImmutableBuffer(piece) }
            if head.readableBytes > inlineLimit { return try await takeInExtents(body, head: head) }
        }
        return try takeInMemory(body, bytes: head)
    }

    private func takeInMemory(
        _ body: IncomingBody, bytes: ByteBuffer
    ) throws(StorageFailure) -> (stored: StoredBody, digests: BodyDigests) {
        let meter = BodyMeter(hashesMD5: body.wantsMD5 || body.expectedMD5 != nil)
        bytes.withUnsafeReadableBytes { meter.update($0) }
        let digests = meter.finish()
        try check(digests, against: body)
        return (bytes.readableBytes == 0 ? .empty : .inline(bytes), digests)
    }

    private func takeInExtents(
        _ body: IncomingBody, head: ByteBuffer
    ) async throws(StorageFailure) -> (stored: StoredBody, digests: BodyDigests) {
        let meter = BodyMeter(hashesMD5: body.wantsMD5 || body.expectedMD5 != nil)
        let writer = try await extents.openWriter(expectedLength: body.length) { meter.update($0) }
        var received = Int64(head.readableBytes)
        do throws(StorageFailure) {
            try await writer.append(head)
            while let piece = try await body.source.next() {
                received += Int64(piece.readableBytes)
                guard received <= body.maximumLength else {
                    throw StorageFailure(.bodyTooLarge(limit: body.maximumLength))
                }
                try await writer.append(piece)
            }
        } catch {
            await writer.discard()
            throw error
        }
        let stored = try await writer.seal()
        let digests = meter.finish()
        do { try check(digests, against: body) } catch {
            await giveBack(stored)
            throw error
        }
        return (.extents(stored), digests)
    }

    private func check(_ digests: BodyDigests, against body: IncomingBody) throws(StorageFailure) {
        if let length = body.length, digests.length != length { throw StorageFailure(.bodyTruncated) }
        guard digests.length <= body.maximumLength else {
            throw StorageFailure(.bodyTooLarge(limit: body.maximumLength))
        }
        if let expected = body.expectedMD5, let computed = digests.md5, expected != computed {
            throw StorageFailure(.md5Mismatch(given: expected, computed: computed))
        }
        if let expected = body.expectedCRC64, expected != digests.crc64 {
            throw StorageFailure(.crc64Mismatch(given: expected, computed: digests.crc64))
        }
    }

    /// Frees extents that no name holds. A failure leaves them to the sweeper of the next start.
    func giveBack(_ stored: [Extent]) async {
        guard !stored.isEmpty else { return }
        do { try await extents.free(stored) } catch {
            logger.warning("extents stay until the next start", metadata: ["cause": "\(error)"])
        }
    }

    func giveBack(_ stored: StoredBody) async {
        if case .extents(let extents) = stored { await giveBack(extents) }
    }
}

/// Counts and hashes a body. Calls come in the order of the bytes, on whichever thread the store uses.
final class BodyMeter: Sendable {
    private struct State {
        var length: Int64 = 0
        var crc = CRC64NVME()
        var md5: Insecure.MD5?
    }
    private let state: Locked<State>

    init(hashesMD5: Bool) {
        var state = State()
        if hashesMD5 { state.md5 = Insecure.MD5() }
        self.state = Locked(state)
    }

    func update(_ bytes: UnsafeRawBufferPointer) {
        state.withLock { state in
            state.length += Int64(bytes.count)
            state.crc.update(bytes)
            state.md5?.update(bufferPointer: bytes)
        }
    }

    func finish() -> BodyDigests {
        state.withLock { state in
            BodyDigests(length: state.length, crc64: state.crc.value, md5: state.md5.map { Array($0.finalize()) })
        }
    }
}
