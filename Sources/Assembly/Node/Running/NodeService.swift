import Access
import Admin
import AzureBlob
import Extents
import FrontDoor
package import Logging
import MetadataRocks
import NIOCore
import NIOPosix
import Namespace
import Observability
import ServiceLifecycle
package import StorageModel

/// A running node: opens the stores, serves, and on a graceful shutdown drains, stops the background work and closes.
package final class NodeService: Service {
    private let configuration: NodeConfiguration
    private let world: World
    private let logger: Logger
    private let onReady: @Sendable (_ blob: String, _ admin: String) -> Void
    private let state = Locked(NodeState.starting)
    private let health: StoreHealth
    private let accounts: AccountDirectory
    private let audit = Locked<AuditLog?>(nil)

    package init(
        _ configuration: NodeConfiguration, world: World = .system, logger: Logger,
        onReady: @escaping @Sendable (_ blob: String, _ admin: String) -> Void
    ) {
        self.configuration = configuration
        self.world = world
        self.logger = logger
        self.onReady = onReady
        health = StoreHealth(logger: logger)
        accounts = AccountDirectory(configuration.accounts)
    }

    package func run() async throws {
        let metrics = MetricRegistry()
        let audit = try openAudit(metrics)
        let started = world.now()
        ProcessMetrics.register(in: metrics, startedAt: started)
        let admin = try adminDoor(metrics, startedAt: started)
        let adminAddress = try await admin.start()
        let stores = try await openStores()
        do {
            try await serve(stores, metrics: metrics, audit: audit, adminAddress: adminAddress)
        } catch {
            await stores.close()
            await admin.shutdown(grace: .zero)
            throw error
        }
        await stores.close()
        await audit.close()
        await admin.shutdown(grace: .seconds(1))
        logger.info("stopped")
    }

    /// Opens the audit file anew: somebody may have renamed it.
    package func reopenAuditLog() { audit.withLock { $0 }?.reopen() }

    private func openAudit(_ metrics: MetricRegistry) throws -> AuditLog {
        let settings = configuration.audit
        let opened = try AuditLog(
            settings.destination, overflow: settings.overflow, rotation: settings.rotation, metrics: metrics,
            onTrouble: { [logger] errorNumber in
                if let errorNumber {
                    logger.error("audit lines cannot be written", metadata: [LogKey.error: "errno \(errorNumber)"])
                } else {
                    logger.notice("audit lines are written again")
                }
            })
        audit.withLock { $0 = opened }
        return opened
    }

    /// Takes as long as recovery takes: on a thread that may block, so that the admin port answers meanwhile.
    private func openStores() async throws -> NodeStores {
        try await NIOThreadPool.singleton.runIfActive { [configuration, world, health] in
            try NodeStores.open(configuration, world: world, onMetadataHealth: { health.changed(to: $0) })
        }
    }

    private func serve(
        _ stores: NodeStores, metrics: MetricRegistry, audit: AuditLog, adminAddress: SocketAddress
    ) async throws {
        let namespace = Namespace(
            metadata: stores.metadata, extents: stores.extents, world: world, configuration: namespaceConfiguration(),
            logger: logger)
        try await namespace.pairWithExtentStore(
            id: stores.extentStoreID, isEmpty: stores.extents.usage().usedBytes == 0)
        StoreMetrics.register(stores, health: health, in: metrics)
        let blob = AzureBlobService.Configuration(domainSuffixes: configuration.domains, world: world)
        let service = AzureBlobService(
            namespace: namespace, accounts: accounts, configuration: blob, logger: logger)
        var limits = FrontDoorLimits()
        limits.connections = configuration.maximumConnections
        limits.requestsInFlight = configuration.maximumRequests
        let door = FrontDoor(
            FrontDoor.Configuration(
                name: "blob", host: configuration.listen.host, port: configuration.listen.port, limits: limits,
                server: NodeVersion.server, world: world, logger: logger, metrics: metrics, audit: audit),
            service: service)
        let address = try await door.start()
        state.withLock { $0 = .ready }
        onReady(Self.url(address), Self.url(adminAddress))

        let damaged = metrics.counter(.extentDamaged)
        var schedule = Maintenance.Schedule()
        schedule.scrubBytesPerSecond = configuration.scrubBytesPerSecond
        let maintenance = Maintenance(
            namespace: namespace, world: world, schedule: schedule, logger: logger,
            onDamage: { [logger] found in
                damaged.add()
                logger.error(
                    "damaged extent",
                    metadata: [
                        LogKey.extent: "\(found.extent.id.group):\(found.extent.id.position)",
                        LogKey.reason: "\(found.health)",
                    ])
            })
        // Draining begins with the signal, not when the background work has come to its end.
        let background = Task { await maintenance.run() }
        let loss = await untilShutdownOrLoss()
        state.withLock { $0 = loss == nil ? .draining : .failed }
        background.cancel()
        let drained = await door.shutdown(grace: .seconds(configuration.drainSeconds))
        await background.value
        logger.info(
            "drained",
            metadata: [
                "connections.cut": "\(drained.connectionsCut)", "requests.abandoned": "\(drained.requestsAbandoned)",
            ])
        if let loss { throw loss }
    }

    /// Waits for the end of service. A store that refuses writes for a while is no reason to end; one that has lost
    /// acknowledged commits is: the node ends, and a new start says the same until somebody has looked at it.
    private func untilShutdownOrLoss() async -> StorageFailure? {
        await cancelWhenGracefulShutdown { [world, health] in
            while !Task.isCancelled {
                if let loss = health.loss { return loss }
                // Cancelled: the loop's condition ends it.
                do { try await world.sleep(.seconds(1)) } catch { continue }
            }
            return nil
        }
    }

    private func namespaceConfiguration() -> Namespace.Configuration {
        var namespace = Namespace.Configuration()
        namespace.servesArchived = configuration.servesArchived
        namespace.rehydrationSeconds = Int64(configuration.rehydrationSeconds)
        namespace.allowsPublicAccess = { [accounts] in accounts[$0]?.switches.allowsPublicAccess ?? false }
        return namespace
    }

    private func adminDoor(_ metrics: MetricRegistry, startedAt: Timestamp) throws -> FrontDoor {
        let noAudit = try AuditLog(.none, metrics: metrics)
        let service = AdminService(
            metrics: metrics,
            readiness: { [state, health] in state.withLock { $0.readiness(takesWrites: health.takesWrites) } },
            status: { [state, health, configuration, world] in
                let now = world.now()
                NodeStatus.write(
                    to: &$0, state: state.withLock { $0 }, health: health, configuration: configuration,
                    startedAt: startedAt, now: now)
            })
        // The admin port is for probes and operators: no audit lines, few connections.
        var limits = FrontDoorLimits()
        limits.connections = 256
        limits.requestsInFlight = 64
        return FrontDoor(
            FrontDoor.Configuration(
                name: "admin", host: configuration.admin.host, port: configuration.admin.port, limits: limits,
                server: NodeVersion.server, world: world, logger: logger, metrics: metrics, audit: noAudit),
            service: service)
    }

    private static func url(_ address: SocketAddress) -> String {
        let host = address.ipAddress ?? "localhost"
        return "http://\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
    }
}

/// Where a node is between start and stop.
enum NodeState: String, Sendable {
    case starting, ready, draining, failed

    /// A node that reads but does not write is ready: whoever routes requests must not take its readers away.
    func readiness(takesWrites: Bool) -> Readiness {
        switch self {
        case .ready: takesWrites ? .ready : .limited(reason: "writes are refused")
        case .starting, .draining, .failed: .notReady(reason: rawValue)
        }
    }
}
