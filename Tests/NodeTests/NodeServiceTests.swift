import Glibc
import Logging
import Observability
import StorageModel
import Testing

@testable import Node

@Suite("The end of a node", .timeLimit(.minutes(2)))
struct NodeServiceTests {
    private func withTemporaryDirectory(_ body: (String) async throws -> Void) async throws {
        var template = Array("/tmp/forebay-node-service-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer {
            unlink(path + "/audit.log")
            rmdir(path)
        }
        try await body(path)
    }

    /// Whether this process has the file open.
    private func isOpen(_ path: String) throws -> Bool {
        let directory = try #require(opendir("/proc/self/fd"))
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            var target = [CChar](repeating: 0, count: 4096)
            let count = readlink("/proc/self/fd/" + name, &target, target.count)
            let bytes = target.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
            if String(decoding: bytes, as: UTF8.self) == path { return true }
        }
        return false
    }

    @Test("a node that cannot start closes its audit file")
    func auditIsClosedAfterAnError() async throws {
        try await withTemporaryDirectory { path in
            let audit = path + "/audit.log"
            let configuration = try NodeConfiguration(
                SettingValues(
                    flags: [
                        // Below a file: there is no such directory, and none can be made.
                        .data: [audit + "/data"], .audit: [audit], .admin: ["127.0.0.1:0"],
                    ], environment: [:], file: nil))
            let node = NodeService(
                configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onReady: { _ in })
            await #expect(throws: (any Error).self) { try await node.run() }
            #expect(access(audit, F_OK) == 0)
            #expect(try !isOpen(audit))
        }
    }

    @Test("closing an audit log that cannot be written is not waited for without an end")
    func closingIsBounded() async throws {
        try await withTemporaryDirectory { path in
            let audit = path + "/audit.log"
            try #require(mkfifo(audit, 0o600) == 0)
            let reader = open(audit, O_RDWR | O_NONBLOCK)
            try #require(reader >= 0)
            defer { close(reader) }
            var page = [UInt8](repeating: 10, count: 4096)
            while write(reader, page, page.count) > 0 {}
            let log = try AuditLog(.file(path: audit), metrics: MetricRegistry())
            log.append(
                AuditRecord(
                    timeGenerated: Timestamp(seconds: 0), operationName: "GetBlob", category: "StorageRead",
                    statusCode: 200, statusText: "Success", callerAddress: "", correlationID: "", uri: "",
                    protocolName: "HTTP"))
            var world = World.system
            world.sleep = { _ in }
            #expect(await !log.close(within: 5, world))
            while read(reader, &page, page.count) > 0 {}
            #expect(await log.close(within: 60, .system))
        }
    }
}
