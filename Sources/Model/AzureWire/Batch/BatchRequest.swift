package import NIOCore

/// One request inside a batch.
package struct BatchPart: Sendable {
    package var contentID: String?
    package var method: String
    /// Path and query as on the part's request line.
    package var target: String
    package var headers: [(name: String, value: String)]

    package init(contentID: String?, method: String, target: String, headers: [(name: String, value: String)]) {
        self.contentID = contentID
        self.method = method
        self.target = target
        self.headers = headers
    }
}

/// The body of a Blob Batch: `multipart/mixed` with one HTTP request per part. Source: "Blob Batch".
package enum BatchRequest {
    package static let maximumBytes = 4 << 20
    package static let maximumParts = 256
    private static let maximumHeadersPerPart = 100
    /// RFC 2046 allows 70; some clients put more into it.
    private static let maximumBoundaryBytes = 256

    /// - Throws: MissingRequiredHeader without a Content-Type, InvalidHeaderValue when it names no boundary.
    package static func boundary(contentType: String?) throws(AzureError) -> String {
        guard let contentType else { throw .missingRequiredHeader("Content-Type") }
        var parameters = contentType.split(separator: ";", omittingEmptySubsequences: false)[...]
        guard parameters.popFirst()?.trimmingBlanks.equalsIgnoringASCIICase("multipart/mixed") == true else {
            throw .invalidHeaderValue("Content-Type", contentType)
        }
        for parameter in parameters {
            let text = parameter.trimmingBlanks
            guard text.hasPrefixIgnoringASCIICase("boundary=") else { continue }
            var value = Substring(text.utf8.dropFirst(9)).trimmingBlanks
            if value.utf8.count >= 2, value.utf8.first == UInt8(ascii: "\""), value.utf8.last == UInt8(ascii: "\"") {
                value = Substring(value.utf8.dropFirst().dropLast())
            }
            guard (1...maximumBoundaryBytes).contains(value.utf8.count),
                value.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
            else { break }
            return String(value)
        }
        throw .invalidHeaderValue("Content-Type", contentType)
    }

    /// - Throws: RequestBodyTooLarge, ExceedsMaxBatchRequestCount, or InvalidInput for what is no batch.
    package static func parse(_ body: ByteBuffer, boundary: String) throws(AzureError) -> [BatchPart] {
        guard body.readableBytes <= maximumBytes else { throw .bodyTooLarge(limit: Int64(maximumBytes)) }
        var lines = Lines(bytes: Array(body.readableBytesView))
        let delimiter = Array("--\(boundary)".utf8)
        var parts: [BatchPart] = []
        guard try skip(&lines, to: delimiter) == .part else { throw invalid("the batch has no part") }
        while true {
            guard parts.count < maximumParts else { throw AzureError(.exceedsMaxBatchRequestCount) }
            let (part, ending) = try readPart(&lines, delimiter)
            parts.append(part)
            if ending == .end { return parts }
        }
    }

    private enum Delimiter { case part, end }

    private static func invalid(_ reason: String) -> AzureError {
        AzureError(.invalidInput, details: [AzureError.Field("Reason", reason)])
    }

    private static func delimiterKind(_ line: ArraySlice<UInt8>, _ delimiter: [UInt8]) -> Delimiter? {
        guard line.starts(with: delimiter) else { return nil }
        let rest = line.dropFirst(delimiter.count)
        if rest.allSatisfy({ $0.isBlank }) { return .part }
        let dashes: [UInt8] = [UInt8(ascii: "-"), UInt8(ascii: "-")]
        return rest.starts(with: dashes) && rest.dropFirst(2).allSatisfy { $0.isBlank } ? .end : nil
    }

    /// Skips the bodies of parts, which have no meaning, and what stands before the first part.
    private static func skip(_ lines: inout Lines, to delimiter: [UInt8]) throws(AzureError) -> Delimiter {
        while let line = lines.next() {
            if let kind = delimiterKind(line, delimiter) { return kind }
        }
        throw invalid("the batch does not end with its boundary")
    }

    private static func readPart(
        _ lines: inout Lines, _ delimiter: [UInt8]
    ) throws(AzureError) -> (BatchPart, Delimiter) {
        var ending: Delimiter?
        let outer = try readHeaders(&lines, delimiter, &ending)
        guard ending == nil else { throw invalid("a part has no request") }
        if let type = value(outer, "Content-Type"), !type.hasPrefixIgnoringASCIICase("application/http") {
            throw invalid("a part's Content-Type is not application/http")
        }
        var requestLine = ArraySlice<UInt8>()
        while requestLine.isEmpty {
            guard let line = lines.next() else { throw invalid("the batch does not end with its boundary") }
            guard delimiterKind(line, delimiter) == nil else { throw invalid("a part has no request") }
            requestLine = line
        }
        let words = requestLine.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: true)
        guard words.count == 3, words[2].starts(with: Array("HTTP/1.".utf8)),
            words[0].allSatisfy({ $0.isUppercaseLetter }),
            let method = String(validating: words[0], as: UTF8.self),
            let target = String(validating: words[1], as: UTF8.self), target.utf8.first == UInt8(ascii: "/")
        else { throw invalid("a part's request line is malformed") }
        let headers = try readHeaders(&lines, delimiter, &ending)
        let contentID = value(outer, "Content-ID")
        let part = BatchPart(contentID: contentID, method: method, target: target, headers: headers)
        if let ending { return (part, ending) }
        return (part, try skip(&lines, to: delimiter))
    }

    /// Up to an empty line. A delimiter ends the part at once: clients leave out the empty line after the last header.
    private static func readHeaders(
        _ lines: inout Lines, _ delimiter: [UInt8], _ ending: inout Delimiter?
    ) throws(AzureError) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        while let line = lines.next() {
            if line.isEmpty { return headers }
            if let kind = delimiterKind(line, delimiter) {
                ending = kind
                return headers
            }
            guard headers.count < maximumHeadersPerPart else { throw invalid("a part has too many headers") }
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
                line[..<colon].allSatisfy({ (0x21...0x7E).contains($0) }),
                line[colon...].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }),
                let name = String(validating: line[..<colon], as: UTF8.self),
                let value = String(validating: line[(colon + 1)...], as: UTF8.self)
            else { throw invalid("a part's header is malformed") }
            headers.append((name, String(value.trimmingBlanks)))
        }
        throw invalid("the batch does not end with its boundary")
    }

    private static func value(_ headers: [(name: String, value: String)], _ name: String) -> String? {
        headers.first { $0.name.equalsIgnoringASCIICase(name) }?.value
    }
}

/// Lines that end in CRLF, or in LF alone.
private struct Lines {
    let bytes: [UInt8]
    private var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() -> ArraySlice<UInt8>? {
        guard at < bytes.count else { return nil }
        let stop = bytes[at...].firstIndex(of: 0x0A) ?? bytes.count
        let end = stop > at && stop < bytes.count && bytes[stop - 1] == 0x0D ? stop - 1 : stop
        defer { at = stop + 1 }
        return bytes[at..<end]
    }
}
