import HTTPExchange
import Logging
import NIOCore
import NIOSSL
import NIOTLS
import Observability
import StorageModel

/// A connection before its first request: reads the PROXY header, lets the TLS handshake happen, and then makes way for
/// the `ConnectionHandler`, which so knows from its beginning who is at the other end.
///
/// `@unchecked Sendable`: all state is touched on the connection's event loop alone.
final class Arrival: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// What a connection has been let in with.
    struct Admission {
        var door: DoorState
        var loop: LoopState
        var isOverLimit: Bool
        var tls: ServerTLS?
        /// Who may send a PROXY header, and must; `nil` when there is none to be read.
        var proxySources: [IPRange]?
    }

    private enum Phase { case proxy, handshake, over }

    private let admission: Admission
    private let channel: any Channel
    private let sizer: ReadSizer
    private let startedAt: Int64
    private var phase = Phase.proxy
    private var context: ChannelHandlerContext?
    private var received = ByteBuffer()
    private var header: ProxyHeader?
    private var tlsHandler: NIOSSLServerHandler?

    private var door: DoorState { admission.door }

    init(_ channel: any Channel, _ admission: Admission, sizer: ReadSizer) {
        self.channel = channel
        self.sizer = sizer
        self.admission = admission
        startedAt = admission.door.world.monotonicNanoseconds()
    }

    // MARK: Events of the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase == .proxy else { return context.fireChannelRead(data) }
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        do {
            if case .complete(let header, let byteCount) = try ProxyHeader.parse(received) {
                self.header = header
                received.moveReaderIndex(forwardBy: byteCount)
                goOn(context)
            }
        } catch {
            door.metrics.count(error)
            refuse(context, "no PROXY header", error.rawValue)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if phase == .proxy { context.read() } else { context.fireChannelReadComplete() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if phase == .handshake, case .handshakeCompleted? = event as? TLSUserEvent {
            makeWay(context)
        } else if case .inputClosed? = event as? ChannelEvent, phase != .over {
            close()
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard phase != .over else { return context.fireErrorCaught(error) }
        if phase == .handshake { door.metrics.handshakeFailures.add() }
        refuse(context, "handshake failed", "\(error)")
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
    }

    // MARK: Steps

    private func begin(_ context: ChannelHandlerContext) {
        admission.loop.arrivals[ObjectIdentifier(self)] = self
        guard !door.isDraining else { return close() }
        guard let sources = admission.proxySources else { return goOn(context) }
        let address = channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) }
        guard let address, sources.contains(where: { $0.contains(address) }) else {
            door.metrics.proxySourceRefusals.add()
            return refuse(context, "not from a proxy", "source")
        }
        context.read()
    }

    /// After the header, or without one: the handshake, or at once the requests.
    private func goOn(_ context: ChannelHandlerContext) {
        guard let tls = admission.tls else { return makeWay(context) }
        phase = .handshake
        let handler = tls.makeHandler()
        tlsHandler = handler
        do {
            try context.pipeline.syncOperations.addHandler(handler, position: .before(self))
        } catch {
            return refuse(context, "no handshake", "\(error)")
        }
        if received.readableBytes > 0 {
            let rest = received
            received = ByteBuffer()
            // From the head of the pipeline: the handshake's first bytes came together with the header.
            context.pipeline.fireChannelRead(rest)
            context.pipeline.fireChannelReadComplete()
        } else {
            context.read()
        }
    }

    private func makeWay(_ context: ChannelHandlerContext) {
        phase = .over
        end()
        do {
            let operations = context.pipeline.syncOperations
            var transport: ChannelHandlerContext?
            if let tlsHandler { transport = try operations.context(handler: tlsHandler) }
            if tlsHandler != nil { sizer.bound(to: Self.encryptedReadBytes) }
            let handler = ConnectionHandler(
                door: door, loop: admission.loop, channel: channel, peer: peer(),
                socket: tlsHandler == nil ? DirectSocket(channel) : nil, transport: transport, sizer: sizer,
                isOverLimit: admission.isOverLimit)
            try operations.addHandler(handler, position: .after(self))
        } catch {
            return refuse(context, "no connection", "\(error)")
        }
        let rest = received
        received = ByteBuffer()
        if rest.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(rest))
            context.fireChannelReadComplete()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    /// A record is decrypted into a second buffer, which grows with the reads: neither has to be large.
    private static let encryptedReadBytes = 64 * 1024

    private func peer() -> Peer {
        var address = channel.remoteAddress
        if case .client(let client, let port)? = header?.source {
            do {
                address = try SocketAddress(packedIPAddress: ByteBuffer(bytes: client.bytes), port: Int(port))
            } catch {
                // Not reached: an IPAddress has 4 or 16 bytes.
                door.logger.error("an address has no text", metadata: [LogKey.error: "\(error)"])
            }
        }
        let tls: StorageModel.TLSVersion? =
            switch tlsHandler?.tlsVersion {
            case .tlsv13: .tls13
            case .tlsv12: .tls12
            case .tlsv11: .tls11
            case .tlsv1: .tls10
            case nil: nil
            }
        return Peer(
            address, tls: tls, privateLinkID: header?.privateLinkID,
            hasVerifiedCertificate: admission.tls?.demandsClientCertificate == true
                && tlsHandler?.peerCertificate != nil)
    }

    // MARK: Endings

    /// A flood of strangers must not flood the log.
    private func refuse(_ context: ChannelHandlerContext, _ message: Logger.Message, _ reason: String) {
        door.logger.debug(
            message,
            metadata: [
                LogKey.listener: "\(door.listener)", LogKey.reason: "\(reason)",
                LogKey.peer: "\(context.remoteAddress?.description ?? "unknown")",
            ])
        close()
    }

    /// Past TLS: there is nobody to take leave of.
    private func close() {
        phase = .over
        end()
        channel.pipeline.close(promise: nil, below: tlsHandler)
    }

    private func end() { admission.loop.arrivals[ObjectIdentifier(self)] = nil }

    // MARK: From outside

    /// A head has the same time to arrive: nobody is waited for longer because of what comes before it.
    func sweep(now: Int64) {
        guard now - startedAt >= door.limits.headTimeout else { return }
        door.metrics.count(phase == .proxy ? ConnectionStateMachine.Timeout.proxy : .handshake)
        close()
    }

    func cut() { close() }
}

extension ChannelPipeline {
    /// Closes the socket without TLS's taking leave, which waits for the peer to do the same.
    fileprivate func close(promise: EventLoopPromise<Void>?, below handler: NIOSSLServerHandler?) {
        if let handler {
            do { return try syncOperations.context(handler: handler).close(promise: promise) } catch {
                // It is not there, or not any more.
            }
        }
        close(mode: .all, promise: promise)
    }
}

extension Peer {
    /// A peer at a socket's address, or at the one that a PROXY header gives.
    convenience init(
        _ address: SocketAddress?, tls: StorageModel.TLSVersion? = nil, privateLinkID: UInt32? = nil,
        hasVerifiedCertificate: Bool = false
    ) {
        self.init(
            address: address.map(Self.text) ?? "unknown", ip: address?.ipAddress.flatMap { IPAddress($0) }, tls: tls,
            privateLinkID: privateLinkID, hasVerifiedCertificate: hasVerifiedCertificate)
    }

    private static func text(_ address: SocketAddress) -> String {
        switch address {
        case .v4: "\(address.ipAddress ?? "unknown"):\(address.port ?? 0)"
        case .v6: "[\(address.ipAddress ?? "unknown")]:\(address.port ?? 0)"
        case .unixDomainSocket: "local"
        }
    }
}
