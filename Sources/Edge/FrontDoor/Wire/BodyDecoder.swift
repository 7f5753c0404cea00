import NIOCore

/// Takes a request's body out of the connection's bytes: by length or by chunks (RFC 9112, sections 6 and 7).
struct BodyDecoder: Sendable {
    enum Outcome: Equatable {
        case piece(ByteBuffer)
        case end
        case incomplete
        case malformed
    }

    private enum State: Equatable {
        case length(remaining: Int64)
        case chunkSize
        case chunkData(remaining: Int64)
        case chunkEnd
        case trailers(bytes: Int)
        case done
        case broken
    }

    /// A chunk's size line with its extensions, or one trailer line.
    private static let lineBytes = 1024
    private static let trailerBytes = 8 * 1024

    private var state: State

    init(_ framing: ParsedHead.Framing) {
        switch framing {
        case .none: state = .done
        case .length(let length): state = length == 0 ? .done : .length(remaining: length)
        case .chunked: state = .chunkSize
        }
    }

    var hasEnded: Bool { state == .done }

    /// What is still to come, when the framing says so: `nil` within a chunked body.
    var remaining: Int64? {
        switch state {
        case .length(let remaining): remaining
        case .done: 0
        default: nil
        }
    }

    /// The next run of body bytes, without a copy.
    mutating func next(from buffer: inout ByteBuffer) -> Outcome {
        while true {
            switch state {
            case .done: return .end
            case .broken: return .malformed
            case .length(let remaining):
                guard let piece = take(remaining, from: &buffer) else { return .incomplete }
                let left = remaining - Int64(piece.readableBytes)
                state = left == 0 ? .done : .length(remaining: left)
                return .piece(piece)
            case .chunkData(let remaining):
                guard let piece = take(remaining, from: &buffer) else { return .incomplete }
                let left = remaining - Int64(piece.readableBytes)
                state = left == 0 ? .chunkEnd : .chunkData(remaining: left)
                return .piece(piece)
            case .chunkSize, .chunkEnd, .trailers:
                switch line(from: &buffer) {
                case .incomplete: return .incomplete
                case .malformed: state = .broken
                case .line(let line): state = line.withUnsafeReadableBytes { after(line: $0) }
                }
            }
        }
    }

    private func take(_ limit: Int64, from buffer: inout ByteBuffer) -> ByteBuffer? {
        guard buffer.readableBytes > 0 else { return nil }
        return buffer.readSlice(length: Int(min(limit, Int64(buffer.readableBytes))))
    }

    private enum Line {
        case incomplete
        case malformed
        case line(ByteBuffer)
    }

    /// A line without its CRLF.
    private func line(from buffer: inout ByteBuffer) -> Line {
        let window = buffer.readableBytesView.prefix(Self.lineBytes)
        guard let lineFeed = window.firstIndex(of: 0x0A) else {
            return window.count == Self.lineBytes ? .malformed : .incomplete
        }
        let length = lineFeed - window.startIndex
        guard length > 0, window[lineFeed - 1] == 0x0D, let line = buffer.readSlice(length: length - 1) else {
            return .malformed
        }
        buffer.moveReaderIndex(forwardBy: 2)
        return .line(line)
    }

    private func after(line: UnsafeRawBufferPointer) -> State {
        switch state {
        case .chunkSize:
            guard let size = chunkSize(line) else { return .broken }
            return size == 0 ? .trailers(bytes: 0) : .chunkData(remaining: size)
        case .chunkEnd: return line.isEmpty ? .chunkSize : .broken
        case .trailers(let bytes):
            if line.isEmpty { return .done }
            // Trailers are read past: nothing here may come after the body that decided over it.
            guard let colon = line.firstIndex(of: 0x3A), colon > 0, line[..<colon].allSatisfy(isTokenByte),
                line[colon...].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }),
                bytes + line.count <= Self.trailerBytes
            else { return .broken }
            return .trailers(bytes: bytes + line.count)
        case .length, .chunkData, .done, .broken: return .broken
        }
    }

    /// Hexadecimal digits, then nothing or `;` and extensions, which are ignored.
    private func chunkSize(_ line: UnsafeRawBufferPointer) -> Int64? {
        var size: Int64 = 0
        var digits = 0
        for byte in line {
            if byte == UInt8(ascii: ";") { break }
            guard let value = hexValue(byte), digits < 15 else { return nil }
            size = size << 4 | Int64(value)
            digits += 1
        }
        guard digits > 0, line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { return nil }
        return size
    }

    private func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
