import NIOCore
import NIOHTTP1

@testable import FrontDoor

/// Whatever a name, a value or a reason holds, a head has the lines that it should have or is not written at all.
enum ResponseHeadProperties {
    static func check(_ input: [UInt8]) throws {
        // The line feed that cuts the input is wanted inside of values too.
        let texts = input.split(separator: 0xFF, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        var headers = HTTPHeaders()
        // NIO's headers take ASCII names alone; every other byte is theirs to refuse here.
        for pair in stride(from: 1, to: texts.count - 1, by: 2) where texts[pair].utf8.allSatisfy({ $0 < 0x80 }) {
            headers.add(name: texts[pair], value: texts[pair + 1])
        }
        let status = HTTPResponseStatus(statusCode: 200 + (input.first.map(Int.init) ?? 0), reasonPhrase: texts[0])
        for connection in [ResponseHeadWriter.Connection.unsaid, .close, .keepAlive] {
            let writer = ResponseHeadWriter(
                date: "Fri, 01 Mar 2024 12:00:00 GMT", server: "s", connection: connection, contentLength: 7)
            try isSound(writer, status, headers)
        }
    }

    private static func isSound(
        _ writer: ResponseHeadWriter, _ status: HTTPResponseStatus, _ headers: HTTPHeaders
    ) throws {
        var buffer = ByteBuffer(string: "before")
        guard writer.write(status, headers, into: &buffer) else {
            try hold(buffer == ByteBuffer(string: "before"), "a refused head left bytes behind")
            return
        }
        let text = String(decoding: buffer.readableBytesView.dropFirst(6), as: UTF8.self)
        let lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { Substring($0) }
        try hold(lines.dropLast().allSatisfy { $0.utf8.last == 0x0D }, "a line ends without a carriage return")
        let hasControl = lines.contains { line in
            line.utf8.dropLast().contains { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }
        }
        try hold(!hasControl, "a control character stands in a line")
        let first = "HTTP/1.1 \(status.code) \(status.reasonPhrase)\r"
        try hold(lines.first.map { $0.utf8.elementsEqual(first.utf8) } == true, "\(lines[0]) instead of \(first)")
        try hold(lines.suffix(2).map(\.utf8.count) == [1, 0], "the head does not end with an empty line")
        let fields = lines.dropFirst().dropLast(2).map { String(Substring($0.utf8.dropLast())) }
        let own = ["date", "connection", "keep-alive", "content-length", "transfer-encoding"]
        var expected = headers.filter { !own.contains($0.name.lowercased()) }.map { "\($0.name): \($0.value)" }
        if !headers.contains(where: { $0.name.lowercased() == "server" }) { expected.append("Server: s") }
        expected += ["Date: \(writer.date)", "Content-Length: 7"]
        switch writer.connection {
        case .unsaid: break
        case .close: expected.append("Connection: close")
        case .keepAlive: expected.append("Connection: keep-alive")
        }
        try hold(fields.elementsEqual(expected, by: sameBytes), "\(fields) instead of \(expected)")
    }
}
