package import NIOCore

/// Writes the answer to a Blob Batch: one HTTP response per part.
package struct BatchResponse {
    private let boundary: String
    private var buffer: ByteBuffer

    /// - Parameter id: a GUID; the boundary is `batchresponse_` and the id.
    package init(id: String) {
        boundary = "batchresponse_\(id)"
        buffer = ByteBuffer()
    }

    package var contentType: String { "multipart/mixed; boundary=\(boundary)" }

    /// Adds the Content-Length of a body when `headers` has none.
    /// - Parameter contentID: as in the request; without one for a failure of the batch as a whole.
    package mutating func append(
        contentID: String?, status: Int, reason: String, headers: [(name: String, value: String)],
        body: ByteBuffer = ByteBuffer()
    ) {
        buffer.writeString("--\(boundary)\r\nContent-Type: application/http\r\n")
        if let contentID { writeHeader("Content-ID", contentID) }
        buffer.writeString("\r\nHTTP/1.1 \(status) ")
        writeText(reason)
        buffer.writeStaticString("\r\n")
        for header in headers { writeHeader(header.name, header.value) }
        let hasLength = headers.contains { $0.name.equalsIgnoringASCIICase("Content-Length") }
        if body.readableBytes > 0, !hasLength { writeHeader("Content-Length", String(body.readableBytes)) }
        buffer.writeStaticString("\r\n")
        if body.readableBytes > 0 {
            buffer.writeImmutableBuffer(body)
            buffer.writeStaticString("\r\n")
        }
    }

    package func finish() -> ByteBuffer {
        var result = buffer
        result.writeString("--\(boundary)--\r\n")
        return result
    }

    private mutating func writeHeader(_ name: String, _ value: String) {
        writeText(name)
        buffer.writeStaticString(": ")
        writeText(value)
        buffer.writeStaticString("\r\n")
    }

    /// Without line ends: a value cannot begin a header of its own.
    private mutating func writeText(_ text: String) {
        if text.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 }) {
            buffer.writeBytes(text.utf8.map { $0 < 0x20 && $0 != 0x09 ? 0x20 : $0 })
        } else {
            buffer.writeString(text)
        }
    }
}
