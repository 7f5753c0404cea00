import HTTPExchange
import NIOCore
import NIOHTTP1

/// Writes a response's head: the service's headers and those that belong to the front door.
struct ResponseHeadWriter {
    enum Connection { case unsaid, close, keepAlive }

    var date: String
    var server: String?
    var connection: Connection
    /// `nil` where a message of this kind has none (204, 304).
    var contentLength: Int64?

    /// Answers false, having written nothing, when the status or a header would break out of its line.
    func write(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, into buffer: inout ByteBuffer) -> Bool {
        let reason = status.reasonPhrase
        guard (200...999).contains(status.code), reason.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            return false
        }
        var room = 160 + reason.utf8.count + date.utf8.count + (server?.utf8.count ?? 0)
        for (name, value) in headers { room += name.utf8.count + value.utf8.count + 4 }
        let written = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { space in
            var line = LineWriter(space)
            line.text("HTTP/1.1 ")
            line.number(Int64(status.code))
            line.text(" ")
            line.text(reason)
            line.text("\r\n")
            var hasServer = false
            for (name, value) in headers {
                if isOwn(name) { continue }
                if name.utf8.count == 6, equalsIgnoringCase(name, "server") { hasServer = true }
                guard line.field(name, value) else { return 0 }
            }
            if let server, !hasServer {
                line.text("Server: ")
                line.text(server)
                line.text("\r\n")
            }
            line.text("Date: ")
            line.text(date)
            if let contentLength {
                line.text("\r\nContent-Length: ")
                line.number(contentLength)
            }
            switch connection {
            case .unsaid: line.text("\r\n\r\n")
            case .close: line.text("\r\nConnection: close\r\n\r\n")
            case .keepAlive: line.text("\r\nConnection: keep-alive\r\n\r\n")
            }
            return line.count
        }
        return written > 0
    }

    /// Headers that the front door alone writes.
    private func isOwn(_ name: String) -> Bool {
        switch name.utf8.count {
        case 4: equalsIgnoringCase(name, "date")
        case 10: equalsIgnoringCase(name, "connection") || equalsIgnoringCase(name, "keep-alive")
        case 14: equalsIgnoringCase(name, "content-length")
        case 17: equalsIgnoringCase(name, "transfer-encoding")
        default: false
        }
    }
}

/// Copies text into room that has been measured before.
private struct LineWriter {
    private let space: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ space: UnsafeMutableRawBufferPointer) { self.space = space }

    mutating func text(_ text: StaticString) {
        copy(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func text(_ text: String) {
        let isCopied: Void? = text.utf8.withContiguousStorageIfAvailable { copy(UnsafeRawBufferPointer($0)) }
        if isCopied == nil { for byte in text.utf8 { append(byte) } }
    }

    /// Not below zero.
    mutating func number(_ value: Int64) {
        var divisor: Int64 = 1
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(0x30 &+ UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    /// False for a name that is no token and for a value with control characters.
    mutating func field(_ name: String, _ value: String) -> Bool {
        let nameStart = count
        text(name)
        let nameEnd = count
        text(": ")
        let valueStart = count
        text(value)
        guard nameEnd > nameStart else { return false }
        for index in nameStart..<nameEnd where !isTokenByte(space[index]) { return false }
        for index in valueStart..<count {
            let byte = space[index]
            if byte < 0x20 && byte != 0x09 || byte == 0x7F { return false }
        }
        text("\r\n")
        return true
    }

    private mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: space[count...]).copyMemory(from: bytes)
        count += bytes.count
    }

    private mutating func append(_ byte: UInt8) {
        space[count] = byte
        count += 1
    }
}
