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
        let start = buffer.writerIndex
        guard status.code >= 200, status.reasonPhrase.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            return false
        }
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeString(String(status.code))
        buffer.writeStaticString(" ")
        buffer.writeString(status.reasonPhrase)
        buffer.writeStaticString("\r\n")
        var hasServer = false
        for (name, value) in headers {
            if isOwn(name) { continue }
            if name.utf8.count == 6, isEqual(name, "server") { hasServer = true }
            let nameStart = buffer.writerIndex
            let nameBytes = buffer.writeString(name)
            buffer.writeStaticString(": ")
            let valueBytes = buffer.writeString(value)
            guard isSound(buffer, name: nameStart, nameBytes, valueBytes) else {
                buffer.moveWriterIndex(to: start)
                return false
            }
            buffer.writeStaticString("\r\n")
        }
        if let server, !hasServer {
            buffer.writeStaticString("Server: ")
            buffer.writeString(server)
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("Date: ")
        buffer.writeString(date)
        if let contentLength {
            buffer.writeStaticString("\r\nContent-Length: ")
            buffer.writeString(String(contentLength))
        }
        switch connection {
        case .unsaid: buffer.writeStaticString("\r\n\r\n")
        case .close: buffer.writeStaticString("\r\nConnection: close\r\n\r\n")
        case .keepAlive: buffer.writeStaticString("\r\nConnection: keep-alive\r\n\r\n")
        }
        return true
    }

    /// Headers that the front door alone writes.
    private func isOwn(_ name: String) -> Bool {
        switch name.utf8.count {
        case 4: isEqual(name, "date")
        case 10: isEqual(name, "connection") || isEqual(name, "keep-alive")
        case 14: isEqual(name, "content-length")
        case 17: isEqual(name, "transfer-encoding")
        default: false
        }
    }

    private func isEqual(_ name: String, _ lowered: StaticString) -> Bool {
        var index = 0
        for byte in name.utf8 {
            let folded = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
            if folded != lowered.utf8Start[index] { return false }
            index += 1
        }
        return true
    }

    /// A token, a colon and text without control characters.
    private func isSound(_ buffer: ByteBuffer, name start: Int, _ nameBytes: Int, _ valueBytes: Int) -> Bool {
        buffer.withVeryUnsafeBytes { all in
            guard nameBytes > 0 else { return false }
            for index in start..<(start + nameBytes) where !isTokenByte(all[index]) { return false }
            let value = start + nameBytes + 2
            for index in value..<(value + valueBytes) {
                let byte = all[index]
                if byte < 0x20 && byte != 0x09 || byte == 0x7F { return false }
            }
            return true
        }
    }
}
