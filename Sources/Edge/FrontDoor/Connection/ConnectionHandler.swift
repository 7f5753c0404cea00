import HTTPExchange
import Logging
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The shell around `ConnectionStateMachine`: moves bytes between the channel, the machine and the request's task.
///
/// `@unchecked Sendable`: all state is touched on the connection's event loop alone; the request's task runs there too,
/// through `EventLoopTaskExecutor`, and `Exchange` hops to it when it is called from elsewhere.
final class ConnectionHandler: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = IOData

    let door: DoorState
    let loop: LoopState
    let channel: any Channel
    let peer: Peer
    var machine: ConnectionStateMachine
    /// `nil` where what is written must pass through the channel.
    let socket: DirectSocket?
    /// Below TLS; `nil` without it.
    private let transport: ChannelHandlerContext?
    private let sizer: ReadSizer
    private let isOverLimit: Bool
    var context: ChannelHandlerContext?
    private var isReadRequested = false
    private var pullContinuation: CheckedContinuation<ConnectionStateMachine.Pull, Never>?
    private var current: Exchange?
    private var queued = ConnectionStateMachine.Step.none
    private var isPerforming = false
    // The answer on its way: see ConnectionHandler+Answer.
    /// Written in this turn of the event loop, and sent at its end: see `LoopState.sendSoon`.
    var unsent: ByteBuffer?
    /// What the channel has and the socket has not.
    var outgoingBytes = 0
    var hasWriteFailed = false
    var outgoingThreshold = 0
    var outgoingContinuation: CheckedContinuation<Void, Never>?

    init(
        door: DoorState, loop: LoopState, channel: any Channel, peer: Peer, socket: DirectSocket?,
        transport: ChannelHandlerContext?, sizer: ReadSizer, isOverLimit: Bool
    ) {
        self.door = door
        self.loop = loop
        self.channel = channel
        self.peer = peer
        self.socket = socket
        self.transport = transport
        self.sizer = sizer
        self.isOverLimit = isOverLimit
        machine = ConnectionStateMachine(limits: door.limits, now: door.world.monotonicNanoseconds())
    }

    var now: Int64 { door.world.monotonicNanoseconds() }

    /// Whether what is written passes through TLS.
    var isEncrypted: Bool { transport != nil }

    // MARK: Events of the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin() }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    private func begin() {
        loop.connections[ObjectIdentifier(self)] = self
        if isOverLimit {
            door.metrics.connectionsRefused.add()
            perform(machine.refuseConnection(.overloaded(retryAfterSeconds: door.limits.retryAfterSeconds)))
        } else if door.isDraining {
            perform(machine.drain())
        }
        readIfWanted()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReadRequested = false
        perform(machine.received(unwrapInboundIn(data), now: now))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReadRequested = false
        readIfWanted()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { perform(machine.inputEnded(now: now)) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        door.logger.debug("connection failed", metadata: [LogKey.peer: "\(peer.address)", LogKey.error: "\(error)"])
        // Not through TLS: its taking leave waits for a peer that has just failed.
        (transport ?? context).close(promise: nil)
    }

    private func end() {
        loop.connections[ObjectIdentifier(self)] = nil
        perform(machine.disconnected())
        hasWriteFailed = true
        resumeWriter()
    }

    // MARK: Steps of the machine

    /// How many requests that have arrived together are served before other connections get their turn.
    private static let requestsPerTurn = 16

    /// Performs a step and those that follow from it, without recursion: a peer may have sent many requests at once.
    func perform(_ first: ConnectionStateMachine.Step) {
        guard !isPerforming else {
            queued = first
            return
        }
        isPerforming = true
        defer { isPerforming = false }
        var step = first
        for _ in 0..<Self.requestsPerTurn {
            queued = .none
            performOne(step)
            if case .none = queued { return }
            step = queued
        }
        loop.eventLoop.execute { [self, step] in perform(step) }
    }

    private func performOne(_ step: ConnectionStateMachine.Step) {
        switch step {
        case .none: break
        case .serve(let parsed): serve(parsed)
        case .refuse(let refusal):
            let exchange = makeExchange(nil)
            door.metrics.count(refusal)
            answer(refusal, exchange, closesConnection: true)
        case .deliver(let pull):
            pullContinuation?.resume(returning: pull)
            pullContinuation = nil
        case .linger:
            sendUnsent()
            context?.close(mode: .output, promise: nil)
        case .close:
            sendUnsent()
            if outgoingBytes > 0, !hasWriteFailed { return machine.closeWhenWritten() }
            context?.close(promise: nil)
            // TLS ends with the peer's answer, which somebody has to read.
            if isEncrypted { context?.read() }
        }
    }

    /// Asks the channel for more as long as the machine has room.
    func readIfWanted() {
        guard !isReadRequested, machine.wantsRead, let context else { return }
        isReadRequested = true
        sizer.expect(machine.readHint(bodyPieceBytes: door.bodyPieceBytes))
        context.read()
    }

    private func serve(_ parsed: ParsedHead) {
        let exchange = makeExchange(parsed)
        guard door.enterRequest() else {
            let refusal = HTTPRefusal.overloaded(retryAfterSeconds: door.limits.retryAfterSeconds)
            door.metrics.count(refusal)
            answer(refusal, exchange, closesConnection: machine.isBodyPending)
            return
        }
        exchange.isAdmitted = true
        if machine.isBodyPending {
            exchange.isReceiving = true
            door.census.bodies.wrappingAdd(1, ordering: .relaxed)
        }
        current = exchange
        let request = HTTPRequest(
            id: exchange.id, head: parsed.head, receivedAt: exchange.receivedAt, peer: peer, body: exchange)
        // The one place where a request's task begins; it ends in `finish`, and shutdown waits for that.
        Task.immediate(executorPreference: loop.executor) { [self] in
            let response = await door.service.respond(to: request)
            await answer(response, exchange)
        }
    }

    private func makeExchange(_ parsed: ParsedHead?) -> Exchange {
        Exchange(
            handler: self, id: loop.requestIDs.next(door.world), parsed: parsed, receivedAt: door.world.now(),
            startedAt: now)
    }

    func isCurrent(_ exchange: Exchange) -> Bool { current === exchange }

    /// The request is over for the service: what it holds is given back.
    func leave(_ exchange: Exchange) {
        if current === exchange { current = nil }
        if exchange.isReceiving {
            exchange.isReceiving = false
            door.census.bodies.wrappingSubtract(1, ordering: .relaxed)
        }
        if exchange.isAdmitted {
            exchange.isAdmitted = false
            door.leaveRequest()
        }
    }

    // MARK: The request's body

    /// On the event loop.
    func pull(_ exchange: Exchange) -> ConnectionStateMachine.PullOutcome {
        guard current === exchange else { return .now(.truncated) }
        let outcome = machine.pull(now: now)
        if case .later(let sendContinue) = outcome, sendContinue { writeContinue() }
        // Reads ahead by one piece while the consumer is busy with this one.
        readIfWanted()
        return outcome
    }

    func wait(_ continuation: CheckedContinuation<ConnectionStateMachine.Pull, Never>) {
        pullContinuation = continuation
    }

    private func writeContinue() {
        sendUnsent()
        send(Self.continueBytes)
    }

    private static let continueBytes = ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")

    // MARK: From outside

    func sweep(now: Int64) {
        let (step, timeout) = machine.sweep(now: now)
        if let timeout { door.metrics.count(timeout) }
        // Whoever has been too slow is not waited for.
        if case .close = step { (transport ?? context)?.close(promise: nil) } else { perform(step) }
    }

    func drain() { perform(machine.drain()) }

    /// Ends the connection at once and in a way that no peer takes for a regular end.
    func cut() {
        _ = machine.answerFailed()
        guard let context else { return }
        // Best effort: without it the peer sees a short body instead of a reset.
        if let options = channel as? any SocketOptionProvider {
            options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { [self] _ in
                guard let context = self.context else { return }
                (transport ?? context).close(promise: nil)
            }
        } else {
            (transport ?? context).close(promise: nil)
        }
    }
}
