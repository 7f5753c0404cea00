package import HTTPExchange
package import Logging
package import NIOCore
package import NIOPosix
package import Observability
package import StorageModel
import Synchronization

/// An HTTP/1.1 listener in front of one protocol: frames requests, bounds them, gives each an id and a task, writes the
/// answers, the metrics and the audit lines.
package final class FrontDoor: Sendable {
    package struct Configuration: Sendable {
        /// Names the listener in metrics and logs: `blob`, `admin`.
        package var name: String
        /// What is listened on; at least one.
        package var listeners: [Listener]
        package var limits: FrontDoorLimits
        /// The Server header of answers that have none of their own.
        package var server: String?
        package var world: World
        package var logger: Logger
        package var metrics: MetricRegistry
        package var audit: AuditLog

        package init(
            name: String, host: String, port: Int, limits: FrontDoorLimits = FrontDoorLimits(), server: String? = nil,
            world: World = .system, logger: Logger, metrics: MetricRegistry, audit: AuditLog
        ) {
            self.init(
                name: name, listeners: [Listener(host: host, port: port)], limits: limits, server: server,
                world: world, logger: logger, metrics: metrics, audit: audit)
        }

        package init(
            name: String, listeners: [Listener], limits: FrontDoorLimits = FrontDoorLimits(), server: String? = nil,
            world: World = .system, logger: Logger, metrics: MetricRegistry, audit: AuditLog
        ) {
            self.name = name
            self.listeners = listeners
            self.limits = limits
            self.server = server
            self.world = world
            self.logger = logger
            self.metrics = metrics
            self.audit = audit
        }
    }

    /// An address, and what comes before HTTP there.
    package struct Listener: Sendable {
        package var host: String
        /// 0 lets the system choose.
        package var port: Int
        /// `nil` for plain text.
        package var tls: ServerTLS?
        /// With it, connections come from these ranges alone and begin with a PROXY header.
        package var proxySources: [IPRange]?

        package init(host: String, port: Int, tls: ServerTLS? = nil, proxySources: [IPRange]? = nil) {
            self.host = host
            self.port = port
            self.tls = tls
            self.proxySources = proxySources
        }
    }

    /// What a shutdown had to leave behind.
    package struct Drained: Sendable, Equatable {
        /// Connections that were cut because their request did not end within the grace.
        package var connectionsCut: Int
        /// Requests whose service has not returned yet.
        package var requestsAbandoned: Int
    }

    private let configuration: Configuration
    private let group: MultiThreadedEventLoopGroup
    private let door: DoorState
    private let loops: [ObjectIdentifier: LoopState]
    private let channels = Locked<[any Channel]>([])
    private let sweeps = Locked<[RepeatedTask]>([])

    /// How long a service may take to notice that its connection was cut.
    private static let lastWait = Duration.seconds(5)

    /// The event loops live as long as the process by default: a task that is still on its way never finds its loop gone.
    package init(
        _ configuration: Configuration, service: any HTTPService,
        group: MultiThreadedEventLoopGroup = .singleton
    ) {
        self.configuration = configuration
        self.group = group
        door = DoorState(configuration, service: service)
        var loops: [ObjectIdentifier: LoopState] = [:]
        for eventLoop in group.makeIterator() { loops[ObjectIdentifier(eventLoop)] = LoopState(eventLoop) }
        self.loops = loops
    }

    package var listeners: [Listener] { configuration.listeners }

    /// `bind` for a front door with one listener.
    package func start() async throws -> SocketAddress {
        guard let address = try await bind().first else { throw ChannelError.unknownLocalAddress }
        return address
    }

    /// Binds and starts accepting. Answers the bound address of each listener, in their order.
    /// - Throws: what the system says when an address cannot be bound; a shutdown then closes what is open already.
    package func bind() async throws -> [SocketAddress] {
        var addresses: [SocketAddress] = []
        for listener in configuration.listeners {
            let channel = try await bootstrap(listener).bind(host: listener.host, port: listener.port).get()
            channels.withLock { $0.append(channel) }
            guard let address = channel.localAddress else { throw ChannelError.unknownLocalAddress }
            addresses.append(address)
            configuration.logger.info(
                "listening",
                metadata: [
                    LogKey.listener: "\(configuration.name)", LogKey.address: "\(address)",
                    "tls": "\(listener.tls != nil)", "proxy": "\(listener.proxySources != nil)",
                ])
        }
        let interval = TimeAmount.nanoseconds(configuration.limits.sweepInterval)
        let tasks = loops.values.map { loop in
            loop.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [door] _ in
                loop.sweep(now: door.world.monotonicNanoseconds())
            }
        }
        sweeps.withLock { $0 = tasks }
        return addresses
    }

    /// Stops accepting, lets requests end within `grace`, then cuts what is left.
    @discardableResult
    package func shutdown(grace: Duration) async -> Drained {
        let listening = channels.withLock { channels in
            defer { channels = [] }
            return channels
        }
        door.isDraining = true
        for channel in listening {
            do { try await channel.close().get() } catch ChannelError.alreadyClosed {} catch {
                configuration.logger.warning("listener not closed", metadata: [LogKey.error: "\(error)"])
            }
        }
        onEachLoop { loop in
            for arrival in Array(loop.arrivals.values) { arrival.cut() }
            for connection in Array(loop.connections.values) { connection.drain() }
        }
        await waitUntilEmpty(grace)
        let cut = door.census.connections.load(ordering: .sequentiallyConsistent)
        if !door.census.isEmpty {
            onEachLoop { loop in for connection in Array(loop.connections.values) { connection.cut() } }
            await waitUntilEmpty(Self.lastWait)
        }
        for sweep in sweeps.withLock({ $0 }) { sweep.cancel() }
        return Drained(
            connectionsCut: cut, requestsAbandoned: door.census.requests.load(ordering: .sequentiallyConsistent))
    }

    /// Looks for peers that are too slow, as the timer does: for tests with a clock of their own.
    func sweep() async {
        for loop in loops.values {
            await withCheckedContinuation { continuation in
                loop.eventLoop.execute { [door] in
                    loop.sweep(now: door.world.monotonicNanoseconds())
                    continuation.resume()
                }
            }
        }
    }

    /// Received and not yet taken by a service, over all connections: for tests.
    func bufferedRequestBytes() async -> Int {
        var total = 0
        for loop in loops.values {
            total += await withCheckedContinuation { continuation in
                loop.eventLoop.execute {
                    continuation.resume(
                        returning: loop.connections.values.reduce(0) { $0 + $1.machine.pending.readableBytes })
                }
            }
        }
        return total
    }

    private func onEachLoop(_ body: @escaping @Sendable (LoopState) -> Void) {
        for loop in loops.values { loop.eventLoop.execute { body(loop) } }
    }

    private func waitUntilEmpty(_ limit: Duration) async {
        let door = door
        door.census.waitAnew()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await door.census.emptied() }
            group.addTask {
                // Cancelled as soon as everything has ended.
                do { try await door.world.sleep(limit) } catch { return }
                door.census.giveUp()
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func bootstrap(_ listener: Listener) -> ServerBootstrap {
        let (door, loops) = (door, loops)
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in Self.admit(channel, door, loops, listener) }
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 * 1024, high: 256 * 1024))
    }

    private static func admit(
        _ channel: any Channel, _ door: DoorState, _ loops: [ObjectIdentifier: LoopState], _ listener: Listener
    ) -> EventLoopFuture<Void> {
        guard let loop = loops[ObjectIdentifier(channel.eventLoop)] else {
            return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        door.metrics.connectionsAccepted.add()
        let census = door.census
        let open = census.connections.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
        let isOverLimit = open > door.limits.connections
        if isOverLimit, open > door.limits.connections + door.limits.connectionsBeingRefused {
            census.connections.wrappingSubtract(1, ordering: .sequentiallyConsistent)
            census.changed()
            door.metrics.connectionsRefused.add()
            return channel.close()
        }
        channel.closeFuture.whenComplete { _ in
            census.connections.wrappingSubtract(1, ordering: .sequentiallyConsistent)
            census.changed()
        }
        let sizer = ReadSizer()
        return channel.eventLoop.makeCompletedFuture {
            try channel.syncOptions?.setOption(.recvAllocator, value: SizedReceiveAllocator(sizer: sizer))
            guard listener.tls == nil, listener.proxySources == nil else {
                let admission = Arrival.Admission(
                    door: door, loop: loop, isOverLimit: isOverLimit, tls: listener.tls,
                    proxySources: listener.proxySources)
                try channel.pipeline.syncOperations.addHandler(Arrival(channel, admission, sizer: sizer))
                return
            }
            let handler = ConnectionHandler(
                door: door, loop: loop, channel: channel, peer: Peer(channel.remoteAddress),
                socket: DirectSocket(channel), transport: nil, sizer: sizer, isOverLimit: isOverLimit)
            try channel.pipeline.syncOperations.addHandler(handler)
        }
    }
}
