import Extents
import Metadata
import Namespace
import StorageModel

/// What one seed did.
package struct SimulationReport: Sendable {
    package var seed: UInt64
    package var operations: Int
    package var crashes: Int
    package var faults: Int
    package var commits: Int
    /// Equal for two runs of one seed with equal steps.
    package var traceHash: UInt64
    /// Why the run is red.
    package var failure: String?
}

/// A namespace with clients and its background work, through several lives of the node, in one thread and one seed.
///
/// Each life starts on what the last one left: after a crash everything durable, part of what was freed back again, and
/// commits of unknown outcome decided. In the last life nothing fails; at its end everything that is stored must be
/// named, and everything that is named must be right.
package struct Simulation: Sendable {
    let executor: SeededExecutor
    private let seed: UInt64
    private let steps: Int
    private let oracle: SimulationOracle
    private let requests = Locked(0)
    private let counts = Locked((crashes: 0, faults: 0))

    /// Steps of a seed unless told otherwise: requests of all clients in all lives.
    package static let defaultSteps = 120

    /// - Parameter trace: gets the history line by line.
    package static func run(
        seed: UInt64, steps: Int = defaultSteps, trace: (@Sendable (String) -> Void)? = nil
    ) -> SimulationReport {
        Simulation(seed: seed, steps: steps, trace: trace).run()
    }

    private init(seed: UInt64, steps: Int, trace: (@Sendable (String) -> Void)?) {
        self.seed = seed
        self.steps = steps
        executor = SeededExecutor(seed: seed, trace: SimulationTrace(write: trace))
        oracle = SimulationOracle(executor: executor, configuration: SimulatedNode.configuration)
    }

    private func run() -> SimulationReport {
        executor.run { await live() }
        let (crashes, faults) = counts.withLock { $0 }
        return SimulationReport(
            seed: seed, operations: requests.withLock { $0 }, crashes: crashes, faults: faults,
            commits: oracle.commits, traceHash: executor.traceHash, failure: executor.failure)
    }

    // MARK: Lives

    /// How a life ends.
    private enum End { case crash, stop }

    private func live() async {
        let lives = 2 + executor.below(4)
        // In some seeds everything works, in others every hundredth call fails.
        let faultRate = executor.pick([0, 10, 40, 100])
        var node = firstNode(faultRate)
        for number in 1...lives {
            let isLast = number == lives
            executor.note("life", UInt64(number))
            let end = await live(in: node, requests: steps / lives + 1, isLast: isLast)
            counts.withLock { counts in
                counts.crashes += end == .crash ? 1 : 0
                counts.faults += node.life.faults
            }
            node = nextNode(after: node, end, faultRate: number + 1 >= lives ? 0 : faultRate, number: number + 1)
        }
        // Once more, to see that what remained is what a start finds.
        await end(node)
    }

    private func firstNode(_ faultRate: Int) -> SimulatedNode {
        let life = SimulatedLife(executor: executor, number: 1, faultsPerTenThousand: faultRate)
        let metadata = SimulatedMetadataStore(life: life) { [oracle] in oracle.committed($0, $1, $2) }
        let extents = SimulatedExtentStore(life: life) { metadata.peek(StoredRecords.extentKey($0)) != nil }
        oracle.use(extents)
        return SimulatedNode(life: life, metadata: metadata, extents: extents)
    }

    private func nextNode(after node: SimulatedNode, _ end: End, faultRate: Int, number: Int) -> SimulatedNode {
        let life = SimulatedLife(executor: executor, number: number, faultsPerTenThousand: faultRate)
        let metadata = node.metadata.reopened(in: life)
        let extents = node.extents.reopened(in: life, afterCrash: end == .crash) {
            metadata.peek(StoredRecords.extentKey($0)) != nil
        }
        oracle.use(extents)
        return SimulatedNode(life: life, metadata: metadata, extents: extents)
    }

    private func live(in node: SimulatedNode, requests count: Int, isLast: Bool) async -> End {
        await withTaskGroup(of: Void.self) { background in
            background.addTask { await node.maintenance.run() }
            let first = client(of: node)
            await prepare(first)
            // What was acknowledged in the last life is there, whether or not the sweeper is done.
            if executor.happens(50) { await first.readAll() }
            await serve(node, requests: count, mayCrash: !isLast)
            if isLast { await comeToRest(node) }
            background.cancelAll()
        }
        if isLast { await check(node) }
        if node.life.isDead { return .crash }
        await node.metadata.close()
        await node.extents.close()
        return .stop
    }

    private func client(of node: SimulatedNode) -> SimulatedClient {
        SimulatedClient(
            node: node, oracle: oracle, workload: SimulatedWorkload(executor: executor), requests: requests)
    }

    private func prepare(_ client: SimulatedClient) async {
        while oracle.model.containers[SimulatedWorkload.containers[0]] == nil, !client.node.life.isReadOnly {
            await client.write(.createContainer(SimulatedWorkload.containers[0], .empty))
        }
    }

    /// Clients at work, until they are done or the process dies under them.
    private func serve(_ node: SimulatedNode, requests count: Int, mayCrash: Bool) async {
        let clients = 2 + executor.below(4)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<clients {
                group.addTask {
                    await client(of: node).run(requests: count / clients + 1)
                    return true
                }
            }
            if mayCrash {
                group.addTask {
                    await killSometime(node)
                    return false
                }
            }
            var working = clients
            for await isClient in group {
                working -= isClient ? 1 : 0
                if node.life.isDead || working == 0 { group.cancelAll() }
            }
        }
    }

    /// Kills the process after a time between a millisecond and a quarter of an hour, sooner when it can write no more.
    private func killSometime(_ node: SimulatedNode) async {
        if executor.happens(25), !node.life.isReadOnly { return }
        var left = executor.pick([1, 10, 100, 1_000, 10_000, 100_000, 900_000]) * (1 + executor.below(10)) / 5
        do {
            while left > 0 {
                try await executor.sleep(nanoseconds: Int64(min(left, 2_000)) * 1_000_000)
                left -= 2_000
                if node.life.isReadOnly, executor.happens(50) { break }
            }
        } catch { return }
        executor.note("kill", UInt64(node.life.number))
        node.life.kill()
    }

    // MARK: The end

    /// Waits until the reaper has nothing left.
    private func comeToRest(_ node: SimulatedNode) async {
        var rounds = 0
        while node.metadata.contents.contains(where: { $0.key[0] == UInt8(ascii: "g") }) {
            rounds += 1
            guard rounds < 200 else { return executor.fail("the reaper leaves trash behind for ever") }
            await executor.wait(nanoseconds: 1_000_000_000)
        }
        // What the reaper has just forgotten may still be on its way to the extent store.
        await executor.wait(nanoseconds: 60_000_000_000)
    }

    private func end(_ node: SimulatedNode) async {
        await withTaskGroup(of: Void.self) { background in
            background.addTask { await node.maintenance.run() }
            await comeToRest(node)
            background.cancelAll()
        }
        await check(node)
    }

    /// Holds everything against the model and the bytes against the names. Nothing else may run.
    private func check(_ node: SimulatedNode) async {
        await client(of: node).readAll()
        do throws(StorageFailure) {
            let report = try await StoreCheck(metadata: node.metadata, extents: node.extents)
                .run(verifiesBytes: true) { _, _ in }
            if let finding = report.findings.first { executor.fail("fsck: \(finding)") }
            let changes = try await node.namespace.changes(after: Version(0), limit: 1 << 20)
            let found = changes.map {
                SimulationOracle.LogEntry(
                    version: $0.version, operation: $0.change.operation.rawValue, time: $0.change.time)
            }
            if found != oracle.log {
                executor.fail("the change log holds \(found.count) records, \(oracle.log.count) are expected")
            }
        } catch { executor.fail("the last check fails with \(error)") }
        let named = node.metadata.contents.filter { $0.key[0] == UInt8(ascii: "x") }.map {
            StoredRecords.extent(key: $0.key)
        }
        let stored = node.extents.stored
        if named != stored {
            let leaked = Set(stored).subtracting(named).sorted()
            let missing = Set(named).subtracting(stored).sorted()
            executor.fail("at rest, unnamed: \(leaked), missing: \(missing)")
        }
    }
}
