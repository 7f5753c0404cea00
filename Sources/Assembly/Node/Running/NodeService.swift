import Access
import Admin
import Admission
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
    private let onReady: @Sendable (NodeAddresses) -> Void
    private let state = Locked(NodeState.starting)
    private let health: StoreHealth
    /// Empty until the stores are open.
    private let accounts = AccountDirectory([])
    private let access = Locked<AccessStore?>(nil)
    private let certificates = Locked<NodeCertificates?>(nil)
    private let tokens = Locked<NodeTokens?>(nil)
    private let audit = Locked<AuditLog?>(nil)

    package init(
        _ configuration: NodeConfiguration, world: World = .system, logger: Logger,
        onReady: @escaping @Sendable (NodeAddresses) -> Void
    ) {
        self.configuration = configuration
        self.world = world
        self.logger = logger
        self.onReady = onReady
        health = StoreHealth(logger: logger)
    }

    package func run() async throws {
        let metrics = MetricRegistry()
        let audit = try openAudit(metrics)
        do { try await run(metrics, audit) } catch {
            // The lines of what was answered before belong into the file also when the node ends with an error.
            if await !audit.close(within: Self.auditClosingSeconds, world) {
                logger.error("audit lines are left unwritten")
            }
            throw error
        }
    }

    /// How long a node that ends with an error waits for its audit lines.
    private static let auditClosingSeconds = 5

    private func run(_ metrics: MetricRegistry, _ audit: AuditLog) async throws {
        let started = world.now()
        ProcessMetrics.register(in: metrics, startedAt: started)
        let token = try await configuration.secrets.readAdminToken(in: configuration.dataDirectory, world)
        let certificates = try await NIOThreadPool.singleton.runIfActive { [configuration, world, logger] in
            try NodeCertificates(configuration.network, world: world, metrics: metrics, logger: logger)
        }
        self.certificates.withLock { $0 = certificates }
        let admin = try adminDoor(metrics, token: token, startedAt: started, tls: certificates.admin)
        let adminAddress = try await admin.start()
        let stores = try await openStores()
        do {
            try await serve(
                stores, metrics: metrics, audit: audit, certificates: certificates,
                adminURL: Self.url(adminAddress, isTLS: certificates.admin != nil))
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

    /// As at SIGHUP: reads certificates and keys of issuers again, and opens the audit file anew, because somebody may have
    /// renamed it. Open connections go on with the old certificates. What cannot be used is logged, and stays as it was.
    package func reload() async {
        audit.withLock { $0 }?.reopen()
        await certificates.withLock { $0 }?.reload()
        guard let tokens = tokens.withLock({ $0 }) else { return }
        do {
            try await NIOThreadPool.singleton.runIfActive { try tokens.reload() }
            logger.info("keys of issuers read again")
        } catch {
            logger.error("keys of the issuer not read", metadata: [LogKey.error: "\(error)"])
        }
    }

    private func openAudit(_ metrics: MetricRegistry) throws -> AuditLog {
        let settings = configuration.audit
        let opened = try AuditLog(
            settings.destination, overflow: settings.overflow, rotation: settings.rotation, metrics: metrics,
            world: world,
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
        _ stores: NodeStores, metrics: MetricRegistry, audit: AuditLog, certificates: NodeCertificates,
        adminURL: String
    ) async throws {
        let namespace = Namespace(
            metadata: stores.metadata, extents: stores.extents, world: world, configuration: namespaceConfiguration(),
            logger: logger)
        try await namespace.pairWithExtentStore(
            id: stores.extentStoreID, isEmpty: stores.extents.usage().usedBytes == 0)
        StoreMetrics.register(stores, health: health, in: metrics)
        let access = try await openAccess(stores)
        self.access.withLock { $0 = access }
        let tokens = try await NIOThreadPool.singleton.runIfActive { [configuration, world, logger] in
            try NodeTokens.make(configuration, world: world, logger: logger)
        }
        self.tokens.withLock { $0 = tokens }
        let blob = AzureBlobService.Configuration(domainSuffixes: configuration.domains, world: world)
        let service = AzureBlobService(
            namespace: namespace, accounts: accounts, tokens: tokens?.verifier, access: access,
            admission: AdmissionControl(
                capacity: configuration.maximumRequests, world: world, metrics: metrics),
            configuration: blob, logger: logger)
        var limits = FrontDoorLimits()
        limits.connections = configuration.maximumConnections
        limits.requestsInFlight = configuration.maximumRequests
        let door = FrontDoor(
            FrontDoor.Configuration(
                name: "blob", listeners: blobListeners(certificates.blob), limits: limits,
                server: NodeVersion.server, world: world, logger: logger, metrics: metrics, audit: audit),
            service: service)
        let urls: [String]
        do { urls = zip(try await door.bind(), door.listeners).map { Self.url($0, isTLS: $1.tls != nil) } } catch {
            await door.shutdown(grace: .zero)
            throw error
        }
        state.withLock { $0 = .ready }
        onReady(NodeAddresses(blob: urls[0], tls: urls.first { $0.hasPrefix("https:") }, admin: adminURL))

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
        let watch = Task { await certificates.watch() }
        let loss = await untilShutdownOrLoss()
        state.withLock { $0 = loss == nil ? .draining : .failed }
        background.cancel()
        watch.cancel()
        let drained = await door.shutdown(grace: .seconds(configuration.drainSeconds))
        await background.value
        await watch.value
        logger.info(
            "drained",
            metadata: [
                "connections.cut": "\(drained.connectionsCut)", "requests.abandoned": "\(drained.requestsAbandoned)",
            ])
        if let loss { throw loss }
    }

    /// Reads accounts and roles, and shows them in `accounts`.
    private func openAccess(_ stores: NodeStores) async throws -> AccessStore {
        let secrets = configuration.secrets
        let (directory, world) = (configuration.dataDirectory, world)
        let store = try await AccessStore.open(
            metadata: stores.metadata, directory: accounts, configured: configuration.accounts,
            defaults: configuration.defaultSwitches, world: world,
            nodeKey: { isNeeded throws(StorageFailure) in
                try await secrets.readNodeKey(in: directory, isNeeded: isNeeded, world)
            },
            removal: { name, transaction throws(StorageFailure) in
                try Namespace.removeAccount(name, in: transaction)
            })
        if accounts.names.isEmpty {
            logger.warning("there is no account yet: make one with forebay account create")
        }
        return store
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
        namespace.accountExists = Self.accountExists(configured: configuration.accounts)
        return namespace
    }

    /// In the eyes of a transaction. Accounts of the configuration stay for as long as the node runs.
    static func accountExists(configured: [Account]) -> Namespace.AccountExists {
        let configured = Set(configured.map(\.name))
        return { name, reader throws(StorageFailure) in
            if configured.contains(name) { return true }
            return try AccessStore.holds(name, in: reader)
        }
    }

    /// The plain one first. With certificates and no address for TLS of its own, the one address speaks TLS.
    private func blobListeners(_ tls: ServerTLS?) -> [FrontDoor.Listener] {
        let network = configuration.network
        var listeners: [FrontDoor.Listener] = []
        if let listen = configuration.listen {
            listeners.append(
                FrontDoor.Listener(
                    host: listen.host, port: listen.port, tls: network.tlsListen == nil ? tls : nil,
                    proxySources: network.proxySources))
        }
        if let listen = network.tlsListen {
            listeners.append(
                FrontDoor.Listener(
                    host: listen.host, port: listen.port, tls: tls, proxySources: network.proxySources))
        }
        return listeners
    }

    private func adminDoor(
        _ metrics: MetricRegistry, token: AdminToken, startedAt: Timestamp, tls: ServerTLS?
    ) throws -> FrontDoor {
        let noAudit = try AuditLog(.none, metrics: metrics)
        let service = AdminService(
            gate: AdminGate(token: token, opensMetrics: configuration.secrets.opensMetrics), metrics: metrics,
            readiness: { [state, health] in state.withLock { $0.readiness(takesWrites: health.takesWrites) } },
            status: { [state, health, configuration, accounts, world] in
                let now = world.now()
                NodeStatus.write(
                    to: &$0, state: state.withLock { $0 }, health: health, configuration: configuration,
                    accounts: accounts.names, startedAt: startedAt, now: now)
            },
            access: { [access] in access.withLock { $0 } }, logger: logger)
        // The admin port is for probes and operators: no audit lines, few connections.
        var limits = FrontDoorLimits()
        limits.connections = 256
        limits.requestsInFlight = 64
        return FrontDoor(
            FrontDoor.Configuration(
                name: "admin",
                listeners: [
                    FrontDoor.Listener(host: configuration.admin.host, port: configuration.admin.port, tls: tls)
                ], limits: limits, server: NodeVersion.server, world: world, logger: logger, metrics: metrics,
                audit: noAudit),
            service: service)
    }

    private static func url(_ address: SocketAddress, isTLS: Bool) -> String {
        let host = address.ipAddress ?? "localhost"
        return (isTLS ? "https://" : "http://") + "\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
    }
}

/// Where a node that serves is to be found: URLs.
package struct NodeAddresses: Sendable {
    /// Plain HTTP where there is some, else TLS.
    package var blob: String
    /// `nil` without TLS.
    package var tls: String?
    package var admin: String
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
