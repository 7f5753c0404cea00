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
        /// The longest wait after failures in a row; it begins with `reaperRetry` and doubles.
        package var longestRetry: Duration = .seconds(30)
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
            group.addTask { await self.reclaim() }
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

    /// Sweeps what the last run left, then reaps. The two take turns: see `Namespace.sweepUnnamedExtents`. What a sick disk
    /// keeps from being swept is tried again later, and neither costs its space for the whole run nor stops the reaper.
    private func reclaim() async {
        await withTaskCancellationHandler {
            var left = await sweep(.all)
            var (sweepPause, reapPause) = (schedule.reaperRetry, schedule.reaperRetry)
            while !Task.isCancelled {
                switch await reap() {
                case .failed: await wait(&reapPause)
                case .held:
                    reapPause = schedule.reaperRetry
                    // Cancelled: the loop's condition ends it.
                    do { try await world.sleep(schedule.reaperRetry) } catch { continue }
                case .idle:
                    reapPause = schedule.reaperRetry
                    if case .none = left {
                        await namespace.trashSignal.wait()
                        continue
                    }
                    await wait(&sweepPause)
                    left = await sweep(left)
                }
            }
        } onCancel: {
            namespace.trashSignal.raise()
        }
    }

    private enum Unswept {
        case none
        case groups([UInt64])
        case all
    }

    /// Answers what is left to sweep.
    private func sweep(_ what: Unswept) async -> Unswept {
        let groups: [UInt64]? =
            switch what {
            case .none: []
            case .groups(let groups): groups
            case .all: nil
            }
        do {
            let report = try await namespace.sweepUnnamedExtents(in: groups)
            logger.info(
                "unnamed extents swept",
                metadata: ["bytes": "\(report.freedBytes)", "groupsLeft": "\(report.unswept.count)"])
            return report.unswept.isEmpty ? .none : .groups(report.unswept)
        } catch {
            logger.error("sweep failed", metadata: ["cause": "\(error)"])
            return what
        }
    }

    private enum Reaped { case idle, held, failed }

    private func reap() async -> Reaped {
        do { return try await namespace.reapTrash() ? .held : .idle } catch {
            logger.error("reaping failed", metadata: ["cause": "\(error)"])
            return .failed
        }
    }

    /// After a failure: each time twice as long as before.
    private func wait(_ pause: inout Duration) async {
        // A cancelled sleep ends early; the loop's condition sees the cancellation.
        do { try await world.sleep(pause) } catch { return }
        pause = min(pause * 2, schedule.longestRetry)
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
