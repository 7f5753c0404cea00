import AzureWire
import Foundation
import Glibc

/// One keep-alive connection to a server on this machine: blocking, one request at a time.
///
/// One caller at a time: each client of the check has its own, and a client waits for each answer.
// @unchecked: a client's calls come one after another, which `ModelSubject` promises.
final class HTTPConnection: @unchecked Sendable {
    struct Reply {
        var status: Int
        /// Names in lower case.
        var headers: [String: String]
        var body: [UInt8]

        subscript(name: String) -> String? { headers[name] }
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let descriptor: CInt
    private var pending: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 64 * 1024)

    /// A server that does not answer within so many seconds is broken: nothing here takes long.
    private static let timeoutSeconds = 60

    init(port: Int) throws(Failure) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "no socket: error \(errno)") }
        var one: CInt = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
        var timeout = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Failure(description: "not connected: error \(errno)") }
    }

    deinit { close(descriptor) }

    /// - Parameter isHead: the answer has no body, whatever its Content-Length says.
    func exchange(_ request: [UInt8], isHead: Bool) throws(Failure) -> Reply {
        try write(request)
        let head = try readHead()
        var lines = head.split(separator: "\r\n")[...]
        guard let first = lines.popFirst(), first.hasPrefix("HTTP/1.1 "), let status = Int(first.dropFirst(9).prefix(3))
        else { throw Failure(description: "no status line: \(head)") }
        var headers: [String: String] = [:]
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { throw Failure(description: "no header line: \(line)") }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            let name = line[..<colon].lowercased()
            guard headers.updateValue(String(value), forKey: name) == nil else {
                throw Failure(description: "the header \(name) stands twice")
            }
        }
        var reply = Reply(status: status, headers: headers, body: [])
        guard !isHead, status != 204, status != 304 else { return reply }
        guard let length = headers["content-length"].flatMap({ Int($0) }) else {
            throw Failure(description: "an answer of \(status) without Content-Length")
        }
        while pending.count < length { try fill() }
        reply.body = Array(pending[..<length])
        pending.removeFirst(length)
        return reply
    }

    private func readHead() throws(Failure) -> Substring {
        var searched = 0
        while true {
            if let end = Self.endOfHead(pending, from: searched) {
                let text = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeFirst(end + 4)
                return Substring(text)
            }
            searched = max(0, pending.count - 3)
            try fill()
        }
    }

    private static func endOfHead(_ bytes: [UInt8], from start: Int) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for at in start...(bytes.count - 4)
        where bytes[at] == 13 && bytes[at + 1] == 10 && bytes[at + 2] == 13 && bytes[at + 3] == 10 {
            return at
        }
        return nil
    }

    private func fill() throws(Failure) {
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else {
            if count < 0, errno == EINTR { return }
            throw Failure(description: count == 0 ? "the server closed the connection" : "no answer: error \(errno)")
        }
        pending.append(contentsOf: chunk[..<count])
    }

    private func write(_ bytes: [UInt8]) throws(Failure) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure(description: "not sent: error \(errno)") }
            sent += count
        }
    }
}
