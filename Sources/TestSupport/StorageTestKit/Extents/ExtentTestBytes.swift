package import Extents
import NIOCore
package import StorageModel

#if canImport(Glibc)
    import Glibc
#endif

/// Bytes that differ from seed to seed and from place to place, so that a shift or a mix-up shows.
package func patternBytes(seed: UInt64, count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count + 8) { buffer, filled in
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        // Eight bytes a turn: unoptimized builds make megabytes of these.
        for place in stride(from: 0, to: count, by: 8) {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            UnsafeMutableRawBufferPointer(buffer).storeBytes(of: state, toByteOffset: place, as: UInt64.self)
        }
        filled = count
    }
}

/// CRC-64/NVME bit by bit, straight from its parameters: the reference that the stores' checksums are held against.
package func referenceCRC64(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var register = UInt64.max
    for byte in bytes {
        register ^= UInt64(byte)
        for _ in 0..<8 { register = register >> 1 ^ (register & 1 == 1 ? 0x9A6C_9329_AC4B_C9B5 : 0) }
    }
    return ~register
}

extension ExtentStore {
    /// Appends the bytes in pieces of the given sizes, repeated as needed, and seals.
    package func store(
        _ bytes: [UInt8], pieces: [Int] = [64 << 10], isLengthKnown: Bool = true,
        observer: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil
    ) async throws(StorageFailure) -> [Extent] {
        let writer = try await openWriter(
            expectedLength: isLengthKnown ? Int64(bytes.count) : nil, observer: observer)
        var start = 0
        var turn = 0
        while start < bytes.count {
            let end = min(bytes.count, start + pieces[turn % pieces.count])
            do throws(StorageFailure) { try await writer.append(ByteBuffer(bytes: bytes[start..<end])) } catch {
                await writer.discard()
                throw error
            }
            start = end
            turn += 1
        }
        return try await writer.seal()
    }

    /// All bytes of the extents, read both ways, which must agree.
    package func bytes(of extents: [Extent]) async throws -> [UInt8] {
        var all: [UInt8] = []
        for extent in extents { all += try await bytes(of: extent, range: 0..<extent.length) }
        return all
    }

    package func bytes(of extent: Extent, range: Range<Int>) async throws -> [UInt8] {
        let read = Array(try await read(extent, range: range).readableBytesView)
        var spanned: [UInt8] = []
        for span in try await spans(of: extent, range: range) {
            try require(span.length > 0, "an empty span")
            try require(!span.file.label.hasPrefix("/"), "a label is not relative: \(span.file.label)")
            var piece = [UInt8](repeating: 0, count: span.length)
            let count = pread(span.file.descriptor, &piece, span.length, off_t(span.offset))
            try requireEqual(count, span.length, "bytes of a span")
            spanned += piece
        }
        try require(read == spanned, "read and spans disagree over \(range) of \(extent)")
        return read
    }
}

/// Runs the work and answers the code of the failure that it must throw.
func failureCode<Value>(
    _ what: String, of work: () async throws(StorageFailure) -> Value
) async throws -> StorageFailure.Code {
    do throws(StorageFailure) { _ = try await work() } catch { return error.code }
    throw ContractViolation("\(what) should have failed")
}
