package import Logging
package import StorageModel

/// The background work of a node: each loop does one unit, then waits for work or for its hour. Loops end when their task
/// is cancelled.
package struct Maintenance: Sendable {
    private let namespace: Namespace
    private let world: World
    private let logger: Logger

    package struct Schedule: Sendable {
        /// How long the reaper waits for what readers still hold.
        package var reaperRetry: Duration = .milliseconds(500)
        package var expiry: Duration = .seconds(600)
        package var scrubInterval: Duration = .seconds(7 * 24 * 3600)
        /// 0 turns the scrubber off.
        package var scrubBytesPerSecond: Int64 = 50 << 20
        package init() {}
    }
    private let schedule: Schedule
    private let onDamage: @Sendable (ScrubReport.DamagedExtent) -> Void

    package init(
        namespace: Namespace, world: World, schedule: Schedule, logger: Logger,
        onDamage: @escaping @Sendable (ScrubReport.DamagedExtent) -> Void
    ) {
        self.namespace = namespace
        self.world = world
        self.schedule = schedule
        self.logger = logger
        self.onDamage = onDamage
    }

    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // One after the other: an extent whose record the reaper has just deleted would not show as live to the
                // sweeper, and its later freeing would be counted a second time against what does live.
                await self.sweepAtStart()
                await self.reap()
            }
            group.addTask {
                await self.every(self.schedule.expiry, "expiry") { () async throws(StorageFailure) in
                    try await self.namespace.expireStagedBlocks()
                }
            }
            group.addTask {
                await self.every(self.schedule.expiry, "change log") { () async throws(StorageFailure) in
                    try await self.namespace.trimChangeLog()
                }
            }
            if schedule.scrubBytesPerSecond > 0 {
                group.addTask {
                    await self.every(self.schedule.scrubInterval, "scrub") { () async throws(StorageFailure) in
                        let report = try await self.namespace.scrub(
                            bytesPerSecond: self.schedule.scrubBytesPerSecond, onDamage: self.onDamage)
                        self.logger.info(
                            "scrub pass done",
                            metadata: [
                                "extents": "\(report.extents)", "bytes": "\(report.bytes)",
                                "damaged": "\(report.damaged.count)",
                            ])
                    }
                }
            }
        }
    }

    private func sweepAtStart() async {
        do {
            let freed = try await namespace.sweepUnnamedExtents()
            logger.info("unnamed extents swept", metadata: ["bytes": "\(freed)"])
        } catch { logger.error("sweep failed", metadata: ["cause": "\(error)"]) }
    }

    private func reap() async {
        await withTaskCancellationHandler {
            while !Task.isCancelled {
                var mustRetry = false
                do { mustRetry = try await namespace.reapTrash() } catch {
                    logger.error("reaping failed", metadata: ["cause": "\(error)"])
                    mustRetry = true
                }
                if mustRetry {
                    // Cancelled: the loop's condition ends it.
                    do { try await world.sleep(schedule.reaperRetry) } catch { continue }
                } else {
                    await namespace.trashSignal.wait()
                }
            }
        } onCancel: {
            namespace.trashSignal.raise()
        }
    }

    private func every(
        _ interval: Duration, _ name: String, _ work: @Sendable () async throws(StorageFailure) -> Void
    ) async {
        while !Task.isCancelled {
            do { try await work() } catch {
                logger.error("background work failed", metadata: ["work": "\(name)", "cause": "\(error)"])
            }
            do { try await world.sleep(interval) } catch { return }
        }
    }
}
