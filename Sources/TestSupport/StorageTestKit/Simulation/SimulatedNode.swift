import Extents
import Logging
import Namespace
import StorageModel

/// The core as the assembly builds it, on simulated backends, for one life.
struct SimulatedNode: Sendable {
    let life: SimulatedLife
    let metadata: SimulatedMetadataStore
    let extents: SimulatedExtentStore
    let namespace: Namespace
    let maintenance: Maintenance

    /// Hours become minutes, so that everything that waits for its time comes to pass.
    static var configuration: Namespace.Configuration {
        var configuration = Namespace.Configuration()
        configuration.inlineLimit = 16
        configuration.uncommittedLifetimeSeconds = 30
        configuration.changeLogRetentionSeconds = 200
        return configuration
    }

    private static var schedule: Maintenance.Schedule {
        var schedule = Maintenance.Schedule()
        schedule.expiry = .seconds(10)
        schedule.scrubInterval = .seconds(90)
        schedule.scrubBytesPerSecond = 400
        return schedule
    }

    init(life: SimulatedLife, metadata: SimulatedMetadataStore, extents: SimulatedExtentStore) {
        let executor = life.executor
        let world = World(
            now: {
                let now = executor.now
                SimulatedRequest.current?.took(now)
                return now
            },
            monotonicNanoseconds: { executor.now.nanoseconds }, randomBytes: { executor.bytes($0) },
            sleep: { duration in
                let (seconds, attoseconds) = duration.components
                try await executor.sleep(nanoseconds: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
            })
        let logger = Logger(label: "simulation") { _ in SimulationLogHandler(executor: executor) }
        self.life = life
        self.metadata = metadata
        self.extents = extents
        namespace = Namespace(
            metadata: metadata, extents: extents, world: world, configuration: Self.configuration, logger: logger)
        maintenance = Maintenance(
            namespace: namespace, world: world, schedule: Self.schedule, logger: logger,
            onDamage: { executor.fail("the scrubber finds \($0)") })
    }
}

/// What the core complains of without having been made to is a finding: nothing else would show a failure that
/// background work passes over.
private struct SimulationLogHandler: LogHandler {
    let executor: SeededExecutor
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let cause = event.metadata?["cause"].map { "\($0)" } ?? ""
        executor.note("log", UInt64(event.level.naturalIntegralValue), "\(event.message) \(cause)")
        guard event.level >= .warning, !cause.contains(SimulatedLife.mark) else { return }
        executor.fail("the core logs: \(event.message) \(cause)")
    }
}

extension Logger.Level {
    fileprivate var naturalIntegralValue: Int { Logger.Level.allCases.firstIndex(of: self) ?? 0 }
}
