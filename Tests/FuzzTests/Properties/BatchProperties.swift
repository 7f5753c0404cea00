import AzureWire
import NIOCore

/// What is accepted is within its bounds and reads the same when it is written again; an answer's parts have the lines
/// that they should have.
enum BatchProperties {
    static func check(_ input: [UInt8]) throws {
        try boundary(input)
        try answer(input)
        let parts: [BatchPart]
        do throws(AzureError) {
            parts = try BatchRequest.parse(ByteBuffer(bytes: input), boundary: "b")
        } catch {
            let codes: [AzureErrorCode] = [.invalidInput, .exceedsMaxBatchRequestCount, .requestBodyTooLarge]
            try hold(codes.contains(error.code), "refused as \(error.code)")
            return
        }
        try hold((1...BatchRequest.maximumParts).contains(parts.count), "\(parts.count) parts passed")
        for part in parts {
            try hold(part.target.utf8.first == UInt8(ascii: "/"), "the target \(part.target) passed")
            try hold(!part.target.utf8.contains(where: { $0 == 0x20 || $0 == 0x0A }), "the target is two words")
            try hold(part.headers.count <= 100, "\(part.headers.count) headers passed")
            for header in part.headers {
                try hold(isFieldText(header.value), "a control character in \(header.name) passed")
            }
        }
        for newline in ["\r\n", "\n"] {
            let again = try BatchRequest.parse(ByteBuffer(string: write(parts, newline)), boundary: "b")
            try hold(again.elementsEqual(parts, by: isSame), "\(again) instead of \(parts)")
        }
    }

    private static func isSame(_ left: BatchPart, _ right: BatchPart) -> Bool {
        sameBytes(left.contentID, right.contentID) && left.method == right.method
            && sameBytes(left.target, right.target)
            && left.headers.elementsEqual(right.headers) {
                sameBytes($0.name, $1.name) && sameBytes($0.value, $1.value)
            }
    }

    private static func write(_ parts: [BatchPart], _ newline: String) -> String {
        var lines: [String] = []
        for part in parts {
            lines += ["--b", "Content-Type: application/http"]
            if let id = part.contentID { lines.append("Content-ID: \(id)") }
            lines += ["", "\(part.method) \(part.target) HTTP/1.1"]
            lines += part.headers.map { "\($0.name): \($0.value)" }
            lines.append("")
        }
        return (lines + ["--b--", ""]).joined(separator: newline)
    }

    private static func boundary(_ input: [UInt8]) throws {
        let text = String(decoding: input.prefix { $0 != 0x0A }, as: UTF8.self)
        let boundary: String
        do throws(AzureError) {
            boundary = try BatchRequest.boundary(contentType: text)
        } catch {
            try hold(error.code == .invalidHeaderValue, "refused as \(error.code)")
            return
        }
        try hold((1...256).contains(boundary.utf8.count), "a boundary of \(boundary.utf8.count) bytes passed")
        // A body made with it is found with it, unless its blanks at the end are those that a delimiter may have.
        let body = ByteBuffer(
            string: "--\(boundary)\r\n\r\nDELETE /c/b HTTP/1.1\r\n\r\n\r\n--\(boundary)--\r\n")
        let parts = try BatchRequest.parse(body, boundary: boundary)
        try hold(parts.count == 1 && parts[0].target == "/c/b", "\(parts) with the boundary \(boundary)")
    }

    /// No text of a part can begin a line of its own.
    private static func answer(_ input: [UInt8]) throws {
        let texts = input.split(separator: 0xFF, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        var response = BatchResponse(id: "1")
        let headers = texts.dropFirst(2).map { (name: "x-ms-\($0)", value: $0) }
        response.append(contentID: texts[0], status: 202, reason: texts.count > 1 ? texts[1] : "", headers: headers)
        let lines = response.finish().readableBytesView.split(separator: 0x0A, omittingEmptySubsequences: false)
        // Delimiter, two headers, an empty line, status, headers, an empty line, the end and what follows it.
        try hold(lines.count == 8 + headers.count, "\(lines.count) lines with \(headers.count) headers")
        let areWhole = lines.dropLast().allSatisfy { line in
            line.last == 0x0D && !line.dropLast().contains { $0 < 0x20 && $0 != 0x09 }
        }
        try hold(areWhole, "a control character stands in a line")
    }
}
