package import NIOCore

/// Puts a body of known length into a structured message, piece by piece as it is read.
package struct StructuredMessageEncoder: Sendable {
    private enum State: Equatable {
        case messageHeader, segmentHeader
        case data(left: Int64)
        case segmentFooter, messageTrailer, done
    }

    private let crc64: StructuredMessage.CRC64
    private let contentLength: Int64
    private let segmentLength: Int64
    private let segments: Int64
    private var state = State.messageHeader
    private var segment: Int64 = 0
    private var segmentCRC: UInt64 = 0
    private var messageCRC: UInt64 = 0

    /// Segments grow beyond `segmentLength` when there would be more than 65,535 of them.
    package init(
        contentLength: Int64, segmentLength: Int64 = StructuredMessage.defaultSegmentLength,
        crc64: @escaping StructuredMessage.CRC64
    ) {
        // Room for the framing below the largest number.
        let content = min(max(0, contentLength), Int64.max - (1 << 24))
        let smallest = content / StructuredMessage.maximumSegments + 1
        self.crc64 = crc64
        self.contentLength = content
        self.segmentLength = max(1, segmentLength, content > StructuredMessage.maximumSegments ? smallest : 1)
        segments = content == 0 ? 1 : (content - 1) / self.segmentLength + 1
    }

    /// The Content-Length of the message.
    package var encodedLength: Int64 {
        let perSegment = Int64(StructuredMessage.segmentHeaderLength + StructuredMessage.crcLength)
        return Int64(StructuredMessage.messageHeaderLength) + segments * perSegment + contentLength
            + Int64(StructuredMessage.crcLength)
    }

    /// The next bytes to send, or `nil` when the piece is used up or the message is complete. Call until `nil`, then
    /// again with the next piece; once more with an empty one at the end.
    package mutating func next(_ piece: inout ByteBuffer) -> ByteBuffer? {
        switch state {
        case .messageHeader:
            var header = ByteBuffer()
            header.writeInteger(UInt8(1))
            header.writeInteger(encodedLength, endianness: .little)
            header.writeInteger(UInt16(1), endianness: .little)
            header.writeInteger(UInt16(truncatingIfNeeded: segments), endianness: .little)
            state = .segmentHeader
            return header
        case .segmentHeader:
            let length = min(segmentLength, contentLength - segment * segmentLength)
            segment += 1
            segmentCRC = 0
            var header = ByteBuffer()
            header.writeInteger(UInt16(truncatingIfNeeded: segment), endianness: .little)
            header.writeInteger(length, endianness: .little)
            state = length == 0 ? .segmentFooter : .data(left: length)
            return header
        case .data(let left):
            let count = Int(min(left, Int64(piece.readableBytes)))
            guard count > 0, let data = piece.readSlice(length: count) else { return nil }
            segmentCRC = StructuredMessage.crc(of: data, from: segmentCRC, crc64)
            if segments > 1 { messageCRC = StructuredMessage.crc(of: data, from: messageCRC, crc64) }
            state = left == Int64(count) ? .segmentFooter : .data(left: left - Int64(count))
            return data
        case .segmentFooter:
            state = segment == segments ? .messageTrailer : .segmentHeader
            return Self.footer(segmentCRC)
        case .messageTrailer:
            state = .done
            return Self.footer(segments > 1 ? messageCRC : segmentCRC)
        case .done:
            return nil
        }
    }

    package var isComplete: Bool { state == .done }

    private static func footer(_ crc: UInt64) -> ByteBuffer {
        var footer = ByteBuffer()
        footer.writeInteger(crc, endianness: .little)
        return footer
    }
}
