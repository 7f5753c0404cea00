import Glibc
import HTTPExchange
import Logging
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import Synchronization
import Testing

@testable import FrontDoor

/// A service made of a closure; refusals name their reason.
final class ScriptedService: HTTPService {
    private let script: @Sendable (HTTPRequest) async -> HTTPResponse
    init(_ script: @escaping @Sendable (HTTPRequest) async -> HTTPResponse) { self.script = script }

    func respond(to request: HTTPRequest) async -> HTTPResponse { await script(request) }

    func refuse(_ refusal: HTTPRefusal, requestID: String) -> HTTPResponse {
        let status: HTTPResponseStatus =
            switch refusal {
            case .malformed: .badRequest
            case .headersTooLarge: .requestHeaderFieldsTooLarge
            case .uriTooLong: .uriTooLong
            case .requestTimeout: .requestTimeout
            case .overloaded: .serviceUnavailable
            case .versionNotSupported: .httpVersionNotSupported
            }
        return HTTPResponse(
            status: status, headers: ["x-request-id": requestID], body: .bytes(ByteBuffer(string: "\(refusal)")))
    }
}

/// A front door on a port of its own, with a clock that the test moves.
struct Fixture {
    let door: FrontDoor
    let address: SocketAddress
    let metrics: MetricRegistry
    let clock: Clock

    final class Clock: Sendable {
        private let nanoseconds = Atomic<Int64>(1)
        func advance(seconds: Int64) { nanoseconds.wrappingAdd(seconds * 1_000_000_000, ordering: .relaxed) }
        var now: Int64 { nanoseconds.load(ordering: .relaxed) }
    }

    static func start(
        limits: FrontDoorLimits = FrontDoorLimits(), audit: AuditLog? = nil, tls: ServerTLS? = nil,
        proxySources: [IPRange]? = nil, _ script: @escaping @Sendable (HTTPRequest) async -> HTTPResponse
    ) async throws -> Fixture {
        let clock = Clock()
        var world = World.system
        world.now = { Timestamp(seconds: 784_111_777) }
        world.monotonicNanoseconds = { clock.now }
        let metrics = MetricRegistry()
        let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let door = FrontDoor(
            .init(
                name: "test",
                listeners: [.init(host: "127.0.0.1", port: 0, tls: tls, proxySources: proxySources)], limits: limits,
                server: "Forebay/test", world: world,
                logger: silent, metrics: metrics, audit: try audit ?? AuditLog(.none, metrics: metrics)),
            service: ScriptedService(script))
        return Fixture(door: door, address: try await door.start(), metrics: metrics, clock: clock)
    }

    func connect(
        reads: Bool = true, preamble: [UInt8] = [], tls: RawClient.TLS? = nil
    ) async throws -> RawClient {
        try await RawClient.connect(to: address, reads: reads, preamble: preamble, tls: tls)
    }

    /// A metric's value, by its line's beginning; 0 for one that has none.
    func metric(_ line: String) -> Int {
        let lines = metrics.render().split(separator: "\n").filter { $0.hasPrefix("forebay_\(line)") }
        return lines.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
    }

    /// Returns when everything has ended and has been counted: a peer may see an end before it is.
    func finish() async { await door.shutdown(grace: .seconds(60)) }

    func stop() async { await door.shutdown(grace: .zero) }
}

/// Runs a test against a front door and shuts it down.
func withDoor(
    limits: FrontDoorLimits = FrontDoorLimits(), audit: AuditLog? = nil, tls: ServerTLS? = nil,
    proxySources: [IPRange]? = nil, service: @escaping @Sendable (HTTPRequest) async -> HTTPResponse,
    _ body: (Fixture) async throws -> Void
) async throws {
    let fixture = try await Fixture.start(
        limits: limits, audit: audit, tls: tls, proxySources: proxySources, service)
    do { try await body(fixture) } catch {
        await fixture.stop()
        throw error
    }
    await fixture.stop()
}

/// Something that happens once and can be waited for.
final class Signal: Sendable {
    private struct State: Sendable {
        var isSet = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Locked(State())

    func set() {
        let waiters = state.withLock { state in
            state.isSet = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isSet = state.withLock { state in
                if !state.isSet { state.waiters.append(continuation) }
                return state.isSet
            }
            if isSet { continuation.resume() }
        }
    }
}

/// A count that can be waited for.
final class Tally: Sendable {
    private struct State: Sendable {
        var count = 0
        var waiters: [(Int, CheckedContinuation<Void, Never>)] = []
    }
    private let state = Locked(State())

    var count: Int { state.withLock { $0.count } }

    func add(_ amount: Int = 1) {
        let due = state.withLock { state in
            state.count += amount
            let due = state.waiters.filter { $0.0 <= state.count }.map(\.1)
            state.waiters.removeAll { $0.0 <= state.count }
            return due
        }
        for waiter in due { waiter.resume() }
    }

    func reaches(_ goal: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.count < goal { state.waiters.append((goal, continuation)) }
                return state.count >= goal
            }
            if isThere { continuation.resume() }
        }
    }
}

/// A producer made of a closure that counts its pulls and its ends.
final class ScriptedProducer: BodyProducer {
    let pulls = Tally()
    let closes = Tally()
    private let script: @Sendable (Int) async throws(StorageFailure) -> BodyPiece?

    init(_ script: @escaping @Sendable (Int) async throws(StorageFailure) -> BodyPiece?) { self.script = script }

    func next() async throws(StorageFailure) -> BodyPiece? {
        let index = pulls.count
        pulls.add()
        return try await script(index)
    }
    func close() { closes.add() }
}

/// A file with bytes that differ everywhere, gone from its directory at once.
func scratchFile(bytes count: Int) throws -> (OpenFile, [UInt8]) {
    var template = Array("/tmp/forebay-front-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    unlink(&template)
    // A pattern with a period that is no power of two: bytes from a wrong offset differ.
    var state: UInt32 = 1
    let pattern = (0..<65_521).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(truncatingIfNeeded: state >> 24)
    }
    var bytes: [UInt8] = []
    while bytes.count < count { bytes += pattern.prefix(count - bytes.count) }
    try #require(write(descriptor, bytes, count) == count)
    return (OpenFile(descriptor: descriptor, label: "scratch"), bytes)
}

extension HTTPResponse {
    static func text(_ text: String, status: HTTPResponseStatus = .ok) -> HTTPResponse {
        HTTPResponse(status: status, body: .bytes(ByteBuffer(string: text)))
    }
}

/// Reads a body to its end and answers with its length, or with the failure.
func echoLength(_ request: HTTPRequest) async -> HTTPResponse {
    var total = 0
    do {
        while let piece = try await request.body.next() { total += piece.readableBytes }
        return .text("\(total)", status: .created)
    } catch {
        return .text("\(error.code)", status: .badRequest)
    }
}
