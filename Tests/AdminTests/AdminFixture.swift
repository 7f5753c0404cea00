import Access
import HTTPExchange
import Logging
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import StorageTestKit
import Testing

@testable import Admin

/// A body in memory, by pieces.
final class TestBody: RequestBody {
    let declaredLength: Int64?
    let isFramed = true
    private let pieces: Locked<[ByteBuffer]>

    init(_ text: String, isChunked: Bool = false) {
        declaredLength = isChunked ? nil : Int64(text.utf8.count)
        let bytes = Array(text.utf8)
        pieces = Locked(
            stride(from: 0, to: bytes.count, by: 1_000).map {
                ByteBuffer(bytes: bytes[$0..<min($0 + 1_000, bytes.count)])
            })
    }

    func next() async throws(StorageFailure) -> ByteBuffer? {
        pieces.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    }
}

/// Log lines as text, kept.
final class KeptLog: Sendable {
    private let lines = Locked<[String]>([])
    var text: String { lines.withLock { $0.joined(separator: "\n") } }
    var count: Int { lines.withLock { $0.count } }

    var logger: Logger {
        Logger(label: "test") { _ in Handler(log: self) }
    }

    private struct Handler: LogHandler {
        let log: KeptLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let line = "\(event.level) \(event.message) \(event.metadata ?? [:])"
            log.lines.withLock { $0.append(line) }
        }
    }
}

/// An admin service over a store in memory.
struct AdminFixture {
    static let token = "token-of-the-tests-0123456789"

    let service: AdminService
    let store: AccessStore
    let metadata: FaultyMetadataStore
    let metrics = MetricRegistry()
    let log = KeptLog()

    init(
        _ readiness: Readiness = .ready, opensMetrics: Bool = false, isStarted: Bool = true,
        configured: [Account] = [], isEmpty: Bool = true
    ) async throws {
        let world = TestWorld().world
        let metadata = FaultyMetadataStore(InMemoryMetadataStore())
        self.metadata = metadata
        let store = try await AccessStore.open(
            metadata: metadata, directory: AccountDirectory([]), configured: configured, defaults: AccountSwitches(),
            world: world,
            nodeKey: { _ throws(StorageFailure) in
                guard let key = NodeKey(bytes: [UInt8](repeating: 7, count: 32)) else {
                    throw StorageFailure(.internal)
                }
                return key
            },
            removal: { _, _ throws(StorageFailure) in isEmpty })
        metadata.reset()
        self.store = store
        let token = try #require(AdminToken(Self.token))
        service = AdminService(
            gate: AdminGate(token: token, opensMetrics: opensMetrics), metrics: metrics, readiness: { readiness },
            status: { json in
                json.member("version", "1.2")
                json.object("extents") { $0.member("used", 7) }
            },
            access: { isStarted ? store : nil }, logger: log.logger)
    }

    /// - Parameter authorization: `nil` for none.
    func ask(
        _ method: HTTPMethod, _ uri: String, _ body: String = "", authorization: String? = "Bearer \(token)",
        hasCertificate: Bool = false, isChunked: Bool = false
    ) async -> HTTPResponse {
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: uri)
        if let authorization { head.headers.add(name: "Authorization", value: authorization) }
        return await service.respond(
            to: HTTPRequest(
                id: "id", head: head, receivedAt: Timestamp(seconds: 0),
                peer: Peer(address: "127.0.0.1:1", ip: nil, hasVerifiedCertificate: hasCertificate),
                body: TestBody(body, isChunked: isChunked)))
    }

    /// Status and code of an answer that is an error.
    func code(_ method: HTTPMethod, _ uri: String, _ body: String = "") async -> String {
        let response = await ask(method, uri, body)
        let document = text(response)
        let code = document.split(separator: "\"code\":\"").last?.prefix { $0 != "\"" }
        return "\(response.status.code) \(document.contains("\"error\"") ? String(code ?? "") : "")"
    }
}

func text(_ response: HTTPResponse) -> String {
    if case .bytes(let bytes) = response.body { String(buffer: bytes) } else { "" }
}
