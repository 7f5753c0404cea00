import HTTPExchange
import NIOCore
import NIOHTTP1
import StorageModel

#if canImport(Glibc)
    import Glibc
#endif

/// A request's head, and what its framing headers mean.
struct ParsedHead: Sendable {
    enum Framing: Sendable, Equatable {
        case none
        case length(Int64)
        case chunked
    }

    var head: HTTPRequestHead
    var framing: Framing
    var expectsContinue: Bool
    var keepsAlive: Bool
    var byteCount: Int
}

/// Finds and reads request heads (RFC 9112), strictly: whatever two implementations could read differently is refused.
///
/// NIO's own decoder is not used: it runs through all that has arrived, so that pipelined requests pile up parsed, and it
/// is lenient where a proxy in front may not be (several Content-Length values, bare line feeds, folded headers).
struct RequestHeadParser: Sendable {
    enum Outcome {
        case incomplete
        case head(ParsedHead)
        case refused(HTTPRefusal)
    }

    let limits: FrontDoorLimits
    /// Offsets from the buffer's reader index.
    private var scanned = 0
    private var lineStart = 0
    private var lines = 0
    private var headStart = 0

    init(limits: FrontDoorLimits) { self.limits = limits }

    /// Consumes a head when the buffer holds all of it; otherwise nothing.
    mutating func parse(_ buffer: inout ByteBuffer) -> Outcome {
        let start = buffer.readerIndex
        let found = buffer.withUnsafeReadableBytes { bytes in scan(bytes) }
        switch found {
        case .incomplete: return .incomplete
        case .refused(let refusal): return .refused(refusal)
        case .complete(let end):
            let from = headStart
            self = RequestHeadParser(limits: limits)
            let outcome = buffer.withUnsafeReadableBytes { bytes in
                HeadReader(bytes: UnsafeRawBufferPointer(rebasing: bytes[from..<end])).read()
            }
            buffer.moveReaderIndex(to: start + end)
            return outcome
        }
    }

    private enum Scan {
        case incomplete
        case complete(end: Int)
        case refused(HTTPRefusal)
    }

    /// Looks for the empty line, remembering how far it got, and holds the sizes against the limits.
    private mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Scan {
        while scanned < bytes.count {
            if lines == 0, lineStart < bytes.count, !isFirstByteOfHead(bytes[lineStart]) {
                return .refused(.malformed(reason: "not an HTTP request"))
            }
            guard let base = bytes.baseAddress, let found = memchr(base + scanned, 0x0A, bytes.count - scanned) else {
                scanned = bytes.count
                break
            }
            let lineFeed = UnsafeRawPointer(found) - base
            scanned = lineFeed + 1
            guard lineFeed > lineStart, bytes[lineFeed - 1] == 0x0D else {
                return .refused(.malformed(reason: "a line feed without a carriage return"))
            }
            let length = lineFeed - 1 - lineStart
            if length == 0 {
                guard lines == 0 else { return .complete(end: scanned) }
                // RFC 9112, section 2.2: an empty line before the request line is ignored; a stream of them is not.
                headStart = scanned
                lineStart = scanned
                guard headStart <= 4 else { return .refused(.malformed(reason: "empty lines instead of a request")) }
                continue
            }
            if let refusal = refusal(lineBytes: length) { return .refused(refusal) }
            lines += 1
            lineStart = scanned
            guard lines <= limits.headerFields + 1 else { return .refused(.headersTooLarge) }
        }
        // A carriage return at the end may be half of a line's end, which does not count.
        let endsInReturn = bytes.count > lineStart && bytes[bytes.count - 1] == 0x0D
        if let refusal = refusal(lineBytes: bytes.count - lineStart - (endsInReturn ? 1 : 0)) {
            return .refused(refusal)
        }
        return .incomplete
    }

    private func refusal(lineBytes: Int) -> HTTPRefusal? {
        if lines == 0 { return lineBytes > limits.requestLineBytes ? .uriTooLong : nil }
        return lineBytes > limits.headerLineBytes || lineStart + lineBytes > limits.headBytes ? .headersTooLarge : nil
    }

    private func isFirstByteOfHead(_ byte: UInt8) -> Bool { isTokenByte(byte) || byte == 0x0D || byte == 0x0A }
}

/// Reads one whole head: request line, header lines, the empty line.
private struct HeadReader {
    let bytes: UnsafeRawBufferPointer

    private struct Framing {
        var contentLength: Int64?
        var isChunked = false
        var hosts = 0
        var expectsContinue = false
        var wantsClose = false
        var wantsKeepAlive = false
    }

    func read() -> RequestHeadParser.Outcome {
        var at = 0
        guard let line = nextLine(&at), let request = requestLine(line) else {
            return refused("the request line is not METHOD SP target SP HTTP/1.x")
        }
        guard request.version.major == 1 else { return .refused(.versionNotSupported) }
        var framing = Framing()
        var fields: [(String, String)] = []
        fields.reserveCapacity(20)
        while let line = nextLine(&at), !line.isEmpty {
            guard let field = field(line) else { return refused("a header line is not valid") }
            guard note(field.name, field.value, in: &framing) else {
                return refused("the request's framing is ambiguous")
            }
            guard let name = text(field.name), let value = text(field.value) else {
                return refused("a header line is not UTF-8")
            }
            fields.append((name, value))
        }
        return finish(request, fields, framing)
    }

    private func finish(
        _ request: RequestLine, _ fields: [(String, String)], _ framing: Framing
    ) -> RequestHeadParser.Outcome {
        let isHTTP11 = request.version.minor >= 1
        guard !(framing.isChunked && framing.contentLength != nil), !(framing.isChunked && !isHTTP11) else {
            return refused("the request's framing is ambiguous")
        }
        guard framing.hosts == 1 || (framing.hosts == 0 && !isHTTP11) else {
            return refused("Host must stand exactly once")
        }
        var headers = HTTPHeaders(fields)
        if let authority = request.authority { headers.replaceOrAdd(name: "Host", value: authority) }
        let head = HTTPRequestHead(
            version: request.version, method: request.method, uri: request.target, headers: headers)
        let body: ParsedHead.Framing =
            framing.isChunked ? .chunked : framing.contentLength.map { .length($0) } ?? .none
        return .head(
            ParsedHead(
                head: head, framing: body, expectsContinue: framing.expectsContinue && isHTTP11 && body != .length(0),
                keepsAlive: isHTTP11 ? !framing.wantsClose : framing.wantsKeepAlive && !framing.wantsClose,
                byteCount: bytes.count))
    }

    private func refused(_ reason: String) -> RequestHeadParser.Outcome { .refused(.malformed(reason: reason)) }

    /// The next line without its CRLF; the scan has made sure that each line has one.
    private func nextLine(_ at: inout Int) -> UnsafeRawBufferPointer? {
        guard let base = bytes.baseAddress, at < bytes.count,
            let found = memchr(base + at, 0x0A, bytes.count - at)
        else { return nil }
        let end = UnsafeRawPointer(found) - base
        defer { at = end + 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[at..<(end - 1)])
    }

    private struct RequestLine {
        var method: HTTPMethod
        var target: String
        var authority: String?
        var version: HTTPVersion
    }

    private func requestLine(_ line: UnsafeRawBufferPointer) -> RequestLine? {
        guard let space = line.firstIndex(of: 0x20), space > 0, line[..<space].allSatisfy(isTokenByte),
            let last = line.lastIndex(of: 0x20), last > space + 1
        else { return nil }
        let version = line[(last + 1)...]
        guard version.count == 8, version.starts(with: "HTTP/".utf8), isDigit(line[last + 6]), line[last + 7] == 0x2E,
            isDigit(line[last + 8])
        else { return nil }
        let major = Int(line[last + 6] - 0x30)
        let minor = Int(line[last + 8] - 0x30)
        let methodText = String(decoding: line[..<space], as: UTF8.self)
        // The HTTP/2 preface looks like a request of version 2.0 whose method nobody else uses.
        guard methodText != "PRI" else { return nil }
        let raw = UnsafeRawBufferPointer(rebasing: line[(space + 1)..<last])
        guard raw.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "#") }), let target = text(raw) else {
            return nil
        }
        let method = HTTPMethod(rawValue: methodText)
        let httpVersion = HTTPVersion(major: major, minor: min(minor, 1))
        if raw[0] == UInt8(ascii: "/") || (method == .OPTIONS && target == "*") {
            return RequestLine(method: method, target: target, version: httpVersion)
        }
        guard let (authority, path) = absolute(target) else { return nil }
        return RequestLine(method: method, target: path, authority: authority, version: httpVersion)
    }

    /// Absolute form (RFC 9112, section 3.2.2): its authority takes the place of Host.
    private func absolute(_ target: String) -> (authority: String, path: String)? {
        let lowered = target.prefix(8).lowercased()
        let scheme = lowered.hasPrefix("http://") ? 7 : lowered == "https://" ? 8 : 0
        guard scheme > 0 else { return nil }
        let rest = target.dropFirst(scheme)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = rest[..<end]
        guard !authority.isEmpty, authority.utf8.allSatisfy(isHostByte) else { return nil }
        let path = rest[end...]
        return (String(authority), path.first == "/" ? String(path) : "/" + path)
    }

    private func field(
        _ line: UnsafeRawBufferPointer
    ) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
        // A line that begins with a blank folds the one before it (obsolete), a blank before the colon hides the name.
        guard let base = line.baseAddress, let found = memchr(base, 0x3A, line.count) else { return nil }
        let colon = UnsafeRawPointer(found) - base
        guard colon > 0 else { return nil }
        for index in 0..<colon where !isTokenByte(line[index]) { return nil }
        var start = colon + 1
        var end = line.count
        while start < end, isBlank(line[start]) { start += 1 }
        while end > start, isBlank(line[end - 1]) { end -= 1 }
        for index in start..<end {
            let byte = line[index]
            if byte < 0x20 && byte != 0x09 || byte == 0x7F { return nil }
        }
        return (
            UnsafeRawBufferPointer(rebasing: line[..<colon]), UnsafeRawBufferPointer(rebasing: line[start..<end])
        )
    }

    /// Takes in the headers that decide where the message ends. False when they contradict each other.
    private func note(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, in framing: inout Framing)
        -> Bool
    {
        switch name.count {
        case 4 where equalsIgnoringCase(name, "host"):
            framing.hosts += 1
            return value.allSatisfy(isHostByte)
        case 6 where equalsIgnoringCase(name, "expect"):
            if equalsIgnoringCase(value, "100-continue") { framing.expectsContinue = true }
        case 10 where equalsIgnoringCase(name, "connection"):
            for option in value.split(separator: 0x2C) {
                let token = UnsafeRawBufferPointer(rebasing: option.trimmingBlanks())
                if equalsIgnoringCase(token, "close") { framing.wantsClose = true }
                if equalsIgnoringCase(token, "keep-alive") { framing.wantsKeepAlive = true }
            }
        case 14 where equalsIgnoringCase(name, "content-length"):
            guard framing.contentLength == nil, let length = decimal(value) else { return false }
            framing.contentLength = length
        case 17 where equalsIgnoringCase(name, "transfer-encoding"):
            guard !framing.isChunked, equalsIgnoringCase(value, "chunked") else { return false }
            framing.isChunked = true
        default: break
        }
        return true
    }

    private func text(_ bytes: UnsafeRawBufferPointer) -> String? { String(wellFormed: bytes) }
}

extension Slice where Base == UnsafeRawBufferPointer {
    fileprivate func trimmingBlanks() -> Self {
        var trimmed = self
        while let first = trimmed.first, isBlank(first) { trimmed = trimmed.dropFirst() }
        while let last = trimmed.last, isBlank(last) { trimmed = trimmed.dropLast() }
        return trimmed
    }
}
