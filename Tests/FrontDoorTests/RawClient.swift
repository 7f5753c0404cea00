import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import StorageModel
import Testing

/// A peer that sends exactly the bytes it is told to, and reads answers as far as their framing goes.
final class RawClient: Sendable {
    struct Answer: Equatable, Sendable {
        var status: Int
        var headers: [String: String]
        var body: [UInt8]
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    struct ConnectionEnded: Error {}

    private struct Inbox: Sendable {
        var bytes = ByteBuffer()
        var hasEnded = false
        /// Counts what has happened, so that nothing that happens between a look and a wait is missed.
        var events = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let inbox: Locked<Inbox>
        init(_ inbox: Locked<Inbox>) { self.inbox = inbox }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            wake { $0.bytes.writeBuffer(&bytes) }
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .inputClosed? = event as? ChannelEvent { wake { $0.hasEnded = true } }
        }
        func channelInactive(context: ChannelHandlerContext) { wake { $0.hasEnded = true } }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        private func wake(_ change: (inout Inbox) -> Void) {
            var waiter: CheckedContinuation<Void, Never>?
            inbox.withLock { inbox in
                change(&inbox)
                inbox.events += 1
                waiter = inbox.waiter
                inbox.waiter = nil
            }
            waiter?.resume()
        }
    }

    /// How a client speaks TLS, and whom it asks for.
    struct TLS: Sendable {
        var context: NIOSSLContext
        var host: String?
    }

    /// Sends bytes before anything else, TLS included.
    private final class Preamble: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let bytes: [UInt8]
        init(_ bytes: [UInt8]) { self.bytes = bytes }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
            context.fireChannelActive()
        }
    }

    private let channel: any Channel
    private let inbox: Locked<Inbox>

    private init(_ channel: any Channel, _ inbox: Locked<Inbox>) {
        self.channel = channel
        self.inbox = inbox
    }

    /// With `reads: false` nothing is read until `startReading`.
    static func connect(
        to address: SocketAddress, reads: Bool = true, preamble: [UInt8] = [], tls: TLS? = nil
    ) async throws -> RawClient {
        let inbox = Locked(Inbox())
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.autoRead, value: reads)
            .channelOption(.socketOption(.so_rcvbuf), value: reads ? 1 << 20 : 16 * 1024)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let operations = channel.pipeline.syncOperations
                    if !preamble.isEmpty { try operations.addHandler(Preamble(preamble)) }
                    if let tls {
                        try operations.addHandler(NIOSSLClientHandler(context: tls.context, serverHostname: tls.host))
                    }
                    try operations.addHandler(Collector(inbox))
                }
            }
            .connect(to: address).get()
        return RawClient(channel, inbox)
    }

    func startReading() async throws { try await channel.setOption(.autoRead, value: true).get() }

    func stopReading() async throws { try await channel.setOption(.autoRead, value: false).get() }

    /// Says that nothing more will come. Answers are still read.
    func endInput() async throws { try await channel.close(mode: .output).get() }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }
    func send(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get() }
    /// Without waiting until the socket has taken it.
    func sendLater(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
    func endSending() async throws { try await channel.close(mode: .output).get() }

    /// The DER of the certificate that the node has shown; after its first answer.
    func nodeCertificate() async throws -> [UInt8] {
        try await channel.eventLoop.submit { [channel] in
            let handler = try channel.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
            return try handler.peerCertificate?.toDERBytes() ?? []
        }.get()
    }

    /// Goes away with a reset.
    func abort() async throws {
        if let options = channel as? any SocketOptionProvider {
            try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        try await close()
    }

    func close() async throws {
        do { try await channel.close().get() } catch ChannelError.alreadyClosed {}
    }

    /// The next answer by its Content-Length.
    /// - Throws: `ConnectionEnded` when the node closes first.
    func answer(toHead: Bool = false) async throws -> Answer {
        while true {
            let (answer, hasEnded, events) = inbox.withLock { inbox in
                (Self.parse(&inbox.bytes, toHead: toHead), inbox.hasEnded, inbox.events)
            }
            if let answer { return answer }
            guard !hasEnded else { throw ConnectionEnded() }
            await change(after: events)
        }
    }

    /// Everything until the node closes.
    func rest() async -> [UInt8] {
        while true {
            let (hasEnded, events) = inbox.withLock { ($0.hasEnded, $0.events) }
            if hasEnded { break }
            await change(after: events)
        }
        return inbox.withLock { Array($0.bytes.readableBytesView) }
    }

    /// True when the node has closed and nothing is left to read.
    func hasEnded() async -> Bool { await rest().isEmpty }

    private func change(after events: Int) async {
        await withCheckedContinuation { continuation in
            let isLate = inbox.withLock { inbox in
                if inbox.events != events { return true }
                inbox.waiter = continuation
                return false
            }
            if isLate { continuation.resume() }
        }
    }

    private static func parse(_ bytes: inout ByteBuffer, toHead: Bool) -> Answer? {
        let view = bytes.readableBytesView
        guard let end = view.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: view[..<end.lowerBound], as: UTF8.self).components("\r\n")
        let status = Int(lines[0].split(separator: " ")[1]) ?? 0
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            headers[line[..<colon].lowercased()] = String(line[colon...].dropFirst(2))
        }
        let length = toHead || status < 200 ? 0 : Int(headers["content-length"] ?? "0") ?? 0
        let headLength = end.upperBound - view.startIndex
        guard view.count >= headLength + length else { return nil }
        bytes.moveReaderIndex(forwardBy: headLength)
        let body = bytes.readBytes(length: length) ?? []
        return Answer(status: status, headers: headers, body: body)
    }
}

extension String {
    fileprivate func components(_ separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
