import AzureWire
import Checksums
import Crypto
import HTTPExchange
import NIOCore
import Namespace
import StorageModel

enum BodyChecksums {
    static func md5(_ bytes: ByteBuffer) -> [UInt8] {
        var hash = Insecure.MD5()
        bytes.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        return Array(hash.finalize())
    }

    static func crc64(_ bytes: ByteBuffer) -> UInt64 {
        bytes.withUnsafeReadableBytes { CRC64NVME.checksum($0) }
    }
}

/// The checksums of a request's body as its headers give them: one at most.
struct TransactionalChecksums: Sendable, Hashable {
    var md5: [UInt8]?
    var crc64: UInt64?

    init(_ headers: RequestHeaders) throws(AzureError) {
        guard !(headers.has("Content-MD5") && headers.has("x-ms-content-crc64")) else {
            throw AzureError(.bothCrc64AndMd5HeaderPresent)
        }
        md5 = try headers.md5("Content-MD5")
        crc64 = try headers.crc64("x-ms-content-crc64")
    }
}

/// Bounds of request bodies. Source: the size table of "Understanding block blobs", by service version.
enum BodyLimits {
    static let document = 1 << 20
    /// 50,000 ids of 88 characters with their elements and line ends.
    static let blockList = 12 << 20
    static let batch = 4 << 20

    static func putBlob(_ version: ServiceVersion) -> Int64 {
        if version >= .blocksOf4000MiB { return 5000 * Limits.mebibyte }
        return (version >= .blocksOf100MiB ? 256 : 64) * Limits.mebibyte
    }

    static func putBlock(_ version: ServiceVersion) -> Int64 {
        if version >= .blocksOf4000MiB { return 4000 * Limits.mebibyte }
        return (version >= .blocksOf100MiB ? 100 : 4) * Limits.mebibyte
    }
}

extension Call {
    /// A whole XML document, with its checksums verified.
    func document(limit: Int = BodyLimits.document) async throws -> ByteBuffer {
        let checksums = try TransactionalChecksums(headers)
        guard request.body.isFramed else { throw AzureError(.missingContentLengthHeader) }
        let body = try await request.body.collect(limit: limit)
        if let given = checksums.md5 {
            let computed = BodyChecksums.md5(body)
            guard given == computed else { throw StorageFailure(.md5Mismatch(given: given, computed: computed)) }
        }
        if let given = checksums.crc64 {
            let computed = BodyChecksums.crc64(body)
            guard given == computed else { throw StorageFailure(.crc64Mismatch(given: given, computed: computed)) }
        }
        return body
    }

    /// The body of Put Blob or Put Block, judged by its declared length before a byte is read. A structured body is
    /// taken out of its framing: lengths are those of the content.
    func incoming(limit: Int64) throws -> IncomingBody {
        guard request.body.isFramed else { throw AzureError(.missingContentLengthHeader) }
        if let framing = try StructuredFraming(headers) {
            let length = try framing.contentLength(headers)
            guard length <= limit else { throw AzureError.bodyTooLarge(limit: limit) }
            let source = StructuredBodySource(request.body, encodedLength: request.body.declaredLength, content: length)
            return IncomingBody(source: source, length: length, maximumLength: limit)
        }
        let length = request.body.declaredLength
        if let length, length > limit { throw AzureError.bodyTooLarge(limit: limit) }
        return IncomingBody(source: request.body, length: length, maximumLength: limit)
    }

    /// For operations whose bytes come from elsewhere.
    func requireEmptyBody() throws(AzureError) {
        guard let length = request.body.declaredLength, length > 0 else { return }
        throw .invalidHeaderValue("Content-Length", String(length))
    }
}
