import NIOCore

/// The framing of `x-ms-structured-body: XSM/1.0; properties=crc64`: a header, numbered segments with a CRC-64 each,
/// and a CRC-64 of everything at the end. All numbers are little-endian.
package enum StructuredMessage {
    package static let headerValue = "XSM/1.0; properties=crc64"
    package static let defaultSegmentLength: Int64 = 4 << 20

    static let messageHeaderLength = 13
    static let segmentHeaderLength = 10
    static let crcLength = 8
    static let maximumSegments: Int64 = 65_535

    /// Continues a CRC-64/NVME over more bytes, in the manner of zlib: 0 begins, and each value is complete by itself.
    package typealias CRC64 = @Sendable (_ crc: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64

    package enum Problem: Error, Sendable, Equatable {
        case malformed(String)
        case crcMismatch(given: UInt64, computed: UInt64)
        /// The body ended inside the message.
        case truncated
    }

    /// Whether the header asks for the one form that there is. Blanks and case are of no account.
    package static func isSupported(_ value: String) -> Bool {
        let parts = value.split(separator: ";").map { String($0.trimmingBlanks).asciiLowercased }
        return parts.count == 2 && parts[0] == "xsm/1.0"
            && parts[1].filter { $0 != " " } == "properties=crc64"
    }

    static func crc(of buffer: ByteBuffer, from start: UInt64, _ crc64: CRC64) -> UInt64 {
        buffer.withUnsafeReadableBytes { $0.isEmpty ? start : crc64(start, $0) }
    }
}
