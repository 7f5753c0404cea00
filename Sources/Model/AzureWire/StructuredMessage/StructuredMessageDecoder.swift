package import NIOCore

/// Takes a structured message apart, piece by piece as it arrives. The data comes out as slices of what went in, before
/// its CRC has been seen: nothing may be named until `finish` has returned.
package struct StructuredMessageDecoder: Sendable {
    private enum State: Equatable {
        case messageHeader, segmentHeader
        case data(left: Int64)
        case segmentFooter, messageTrailer, done
    }

    private let crc64: StructuredMessage.CRC64
    private let encodedLength: Int64?
    private var state = State.messageHeader
    /// The bytes of a header or footer that pieces cut in two.
    private var held = ByteBuffer()
    private var total: Int64 = 0
    private var consumed: Int64 = 0
    private var hasCRC = false
    private var segments: Int64 = 0
    private var segment: Int64 = 0
    private var segmentCRC: UInt64 = 0
    private var messageCRC: UInt64 = 0

    /// How many bytes of data have come out.
    package private(set) var decodedLength: Int64 = 0

    /// - Parameter encodedLength: the request's Content-Length, when it is known: the message must say the same.
    package init(encodedLength: Int64?, crc64: @escaping StructuredMessage.CRC64) {
        self.encodedLength = encodedLength
        self.crc64 = crc64
    }

    /// The next data in the piece, or `nil` when the piece is used up. Call until `nil`, then again with the next
    /// piece.
    package mutating func next(_ piece: inout ByteBuffer) throws(StructuredMessage.Problem) -> ByteBuffer? {
        while true {
            switch state {
            case .messageHeader:
                guard var field = take(StructuredMessage.messageHeaderLength, &piece) else { return nil }
                try readMessageHeader(&field)
            case .segmentHeader:
                guard var field = take(StructuredMessage.segmentHeaderLength, &piece) else { return nil }
                try readSegmentHeader(&field)
            case .data(let left):
                guard left > 0 else {
                    endData()
                    continue
                }
                let count = Int(min(left, Int64(piece.readableBytes)))
                guard count > 0, let data = piece.readSlice(length: count) else { return nil }
                consumed += Int64(count)
                decodedLength += Int64(count)
                if hasCRC {
                    segmentCRC = StructuredMessage.crc(of: data, from: segmentCRC, crc64)
                    // With one segment both are the same.
                    if segments > 1 { messageCRC = StructuredMessage.crc(of: data, from: messageCRC, crc64) }
                }
                state = .data(left: left - Int64(count))
                return data
            case .segmentFooter:
                guard var field = take(StructuredMessage.crcLength, &piece) else { return nil }
                try check(&field, segmentCRC)
                state = segment == segments ? .messageTrailer : .segmentHeader
            case .messageTrailer:
                guard var field = take(StructuredMessage.crcLength, &piece) else { return nil }
                try check(&field, segments > 1 ? messageCRC : segmentCRC)
                state = .done
            case .done:
                guard consumed == total else { throw .malformed("the message's length is wrong") }
                guard piece.readableBytes == 0 else { throw .malformed("bytes follow the message") }
                return nil
            }
        }
    }

    /// The message must be complete.
    package mutating func finish() throws(StructuredMessage.Problem) {
        var nothing = ByteBuffer()
        _ = try next(&nothing)
        guard state == .done else { throw .truncated }
    }

    private mutating func take(_ count: Int, _ piece: inout ByteBuffer) -> ByteBuffer? {
        if held.readableBytes == 0, let field = piece.readSlice(length: count) {
            consumed += Int64(count)
            return field
        }
        let missing = min(count - held.readableBytes, piece.readableBytes)
        if var part = piece.readSlice(length: missing) { held.writeBuffer(&part) }
        guard held.readableBytes == count else { return nil }
        consumed += Int64(count)
        defer { held.clear() }
        return held
    }

    private mutating func readMessageHeader(_ field: inout ByteBuffer) throws(StructuredMessage.Problem) {
        guard let version = field.readInteger(as: UInt8.self),
            let length = field.readInteger(endianness: .little, as: UInt64.self),
            let flags = field.readInteger(endianness: .little, as: UInt16.self),
            let count = field.readInteger(endianness: .little, as: UInt16.self)
        else { throw .truncated }
        guard version == 1 else { throw .malformed("the message's version is not 1") }
        guard let length = Int64(exactly: length), encodedLength == nil || encodedLength == length else {
            throw .malformed("the message's length is not that of the body")
        }
        guard flags & ~1 == 0 else { throw .malformed("a flag is not known") }
        guard count > 0 else { throw .malformed("the message has no segment") }
        total = length
        hasCRC = flags == 1
        segments = Int64(count)
        state = .segmentHeader
    }

    private mutating func readSegmentHeader(_ field: inout ByteBuffer) throws(StructuredMessage.Problem) {
        guard let number = field.readInteger(endianness: .little, as: UInt16.self),
            let length = field.readInteger(endianness: .little, as: UInt64.self)
        else { throw .truncated }
        guard Int64(number) == segment + 1 else { throw .malformed("a segment is out of order") }
        guard let length = Int64(exactly: length), length <= total - consumed else {
            throw .malformed("a segment is longer than the message")
        }
        segment += 1
        segmentCRC = 0
        state = .data(left: length)
    }

    private mutating func endData() {
        if hasCRC {
            state = .segmentFooter
        } else {
            state = segment == segments ? .done : .segmentHeader
        }
    }

    private func check(_ field: inout ByteBuffer, _ computed: UInt64) throws(StructuredMessage.Problem) {
        guard let given = field.readInteger(endianness: .little, as: UInt64.self) else { throw .truncated }
        guard given == computed else { throw .crcMismatch(given: given, computed: computed) }
    }
}
