import Glibc
import Observability
import StorageModel
import Testing

func record(_ id: String) -> AuditRecord {
    AuditRecord(
        timeGenerated: Timestamp(nanoseconds: 784_111_777_012_345_678), operationName: "GetBlob",
        category: "StorageRead", statusCode: 200, statusText: "Success", callerAddress: "10.0.0.1:4242",
        correlationID: id, uri: "http://h/c/b?sig=REDACTED", protocolName: "HTTP")
}

/// A path in a new directory that goes away with the value, and what was made beside it.
final class ScratchFile: Sendable {
    let directory: String
    var path: String { directory + "/audit.log" }

    init() throws {
        var template = Array("/tmp/forebay-audit-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names() { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    /// What is in the directory, in order.
    func names() -> [String] {
        guard let opened = opendir(directory) else { return [] }
        defer { closedir(opened) }
        var names: [String] = []
        while let entry = readdir(opened) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func bytes(_ suffix: String = "") throws -> [UInt8] {
        let descriptor = open(path + suffix, O_RDONLY)
        try #require(descriptor >= 0, "\(path + suffix)")
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk.prefix(count)
        }
        return bytes
    }

    func lines(_ suffix: String = "") throws -> [String] {
        String(decoding: try bytes(suffix), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// The ids of the lines, which all have to be whole.
    func ids(_ suffix: String = "") throws -> [String] {
        try lines(suffix).map { line in
            try #require(line.hasPrefix(#"{"TimeGenerated":"#) && line.hasSuffix(#""SchemaVersion":"1.0"}"#), "\(line)")
            let parts = line.split(separator: #""CorrelationId":""#)
            try #require(parts.count == 2)
            return String(parts[1].prefix { $0 != "\"" })
        }
    }
}
