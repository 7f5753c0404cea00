import AzureWire
import Checksums
import NIOCore
import Namespace
import StorageModel

/// `x-ms-structured-body`: the body goes in segments with a CRC-64 each. The one form that there is, or a refusal: stored
/// as it stands, the framing would become content.
struct StructuredFraming: Sendable, Hashable {
    static let header = "x-ms-structured-body"
    static let lengthHeader = "x-ms-structured-content-length"

    /// As the client spelled it: clients compare the answer's with their own.
    let text: String

    init?(_ headers: RequestHeaders) throws(AzureError) {
        guard let text = headers[Self.header] else { return nil }
        guard StructuredMessage.isSupported(text) else { throw .unsupportedHeader(Self.header, text) }
        self.text = text
    }

    /// The length of an upload without its framing.
    func contentLength(_ headers: RequestHeaders) throws(AzureError) -> Int64 {
        let text = try headers.required(Self.lengthHeader)
        guard let length = Int64(text), length >= 0 else { throw .invalidHeaderValue(Self.lengthHeader, text) }
        return length
    }

    /// Continues a CRC over more bytes.
    static let crc64: StructuredMessage.CRC64 = { crc, bytes in
        CRC64NVME.combine(crc, CRC64NVME.checksum(bytes), length: Int64(bytes.count))
    }
}

/// The content of a structured upload. Its end comes only when every checksum has agreed.
final class StructuredBodySource: BodySource {
    private struct State {
        var decoder: StructuredMessageDecoder
        var piece = ByteBuffer()
    }
    private let encoded: any BodySource
    private let contentLength: Int64
    private let state: Locked<State>

    init(_ encoded: any BodySource, encodedLength: Int64?, content contentLength: Int64) {
        self.encoded = encoded
        self.contentLength = contentLength
        let decoder = StructuredMessageDecoder(encodedLength: encodedLength, crc64: StructuredFraming.crc64)
        state = Locked(State(decoder: decoder))
    }

    func next() async throws(StorageFailure) -> ByteBuffer? {
        while true {
            if let content = try decode() { return content }
            guard let piece = try await encoded.next() else {
                try finish()
                return nil
            }
            state.withLock { $0.piece = piece }
        }
    }

    private func decode() throws(StorageFailure) -> ByteBuffer? {
        try state.withLock { state throws(StorageFailure) in
            do throws(StructuredMessage.Problem) {
                return try state.decoder.next(&state.piece)
            } catch { throw Self.failure(error) }
        }
    }

    private func finish() throws(StorageFailure) {
        let decoded = try state.withLock { state throws(StorageFailure) in
            do throws(StructuredMessage.Problem) {
                try state.decoder.finish()
                return state.decoder.decodedLength
            } catch { throw Self.failure(error) }
        }
        guard decoded == contentLength else {
            throw StorageFailure(.invalidInput, detail: "x-ms-structured-content-length is not the content's length.")
        }
    }

    private static func failure(_ problem: StructuredMessage.Problem) -> StorageFailure {
        switch problem {
        case .crcMismatch(let given, let computed): StorageFailure(.crc64Mismatch(given: given, computed: computed))
        case .malformed(let reason):
            StorageFailure(.invalidInput, detail: "The structured body is malformed: \(reason).")
        case .truncated: StorageFailure(.invalidInput, detail: "The structured body is incomplete.")
        }
    }
}

/// A blob's bytes in segments with checksums. They have to be seen, so they come through memory, a little at a time.
final class StructuredBodyProducer: BodyProducer {
    private struct State {
        var encoder: StructuredMessageEncoder
        var piece = ByteBuffer()
        var isAtEnd = false
    }
    private let content: any BodyProducer
    private let state: Locked<State>
    let encodedLength: Int64

    private static let pieceBytes = 512 * 1024

    init(_ content: any BodyProducer, length: Int64) {
        self.content = content
        let encoder = StructuredMessageEncoder(contentLength: length, crc64: StructuredFraming.crc64)
        encodedLength = encoder.encodedLength
        state = Locked(State(encoder: encoder))
    }

    func next() async throws(StorageFailure) -> BodyPiece? {
        while true {
            if let bytes = state.withLock({ $0.encoder.next(&$0.piece) }) { return .bytes(bytes) }
            if state.withLock({ $0.isAtEnd }) { return nil }
            let piece = try await content.nextBytes(atMost: Self.pieceBytes)
            state.withLock {
                $0.piece = piece ?? ByteBuffer()
                $0.isAtEnd = piece == nil
            }
        }
    }

    func close() { content.close() }
}
