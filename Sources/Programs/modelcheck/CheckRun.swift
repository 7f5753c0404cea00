import AzureWire
import Foundation
import Namespace
import StorageModel
import StorageTestKit

/// One kind of check over a number of operations.
struct CheckRun: Sendable {
    enum StoreKind: String, Sendable { case memory, disk }

    var subject: KeptSeed.Subject
    var store: StoreKind
    /// 1 is a sequence, held against the model step by step; more are rounds, judged for linearizability.
    var clients: Int
    var operations: Int
    var firstSeed: UInt64
    var sequenceLength: Int

    /// Timestamps end in 2262.
    private static let lastStart = TestWorld.start.adding(seconds: 100 * 365 * 86_400)

    struct Outcome: Sendable {
        var tally = ModelTally()
        /// Sequences or rounds.
        var runs = 0
        var overlaps = 0
        var listings = 0
        var red: Red?
    }

    /// A failure, ready to be kept.
    struct Red: Sendable {
        var seed: KeptSeed
        var problem: String
        var lines: [String]
        var isUndecided = false
    }

    var title: String {
        let kind = clients == 1 ? "sequences" : "rounds of \(clients) clients"
        return "\(subject.rawValue), \(store == .disk ? "stores on disk" : "stores in memory"), \(kind)"
    }

    /// - Parameter scratch: an empty directory for the stores of this run.
    func run(scratch: String, progress: Progress) async throws -> Outcome {
        let shared = Locked(Shared(nextSeed: firstSeed))
        // Sequences use both cores with a node each; the clients of a round share one node.
        let lanes = clients == 1 ? 2 : 1
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    let kind: ModelNode.Stores =
                        store == .memory ? .inMemory : .onDisk(directory: "\(scratch)/lane\(lane)")
                    let node = try await ModelNode(kind, seed: firstSeed &+ UInt64(lane), serves: subject == .http)
                    do {
                        if clients == 1 {
                            try await sequences(node, shared, progress)
                        } else {
                            try await rounds(node, shared, progress)
                        }
                    } catch {
                        await node.close()
                        throw error
                    }
                    await node.close()
                }
            }
            try await group.waitForAll()
        }
        return shared.withLock { $0.outcome }
    }

    private struct Shared {
        var nextSeed: UInt64
        var account = 0
        var outcome = Outcome()
    }

    private func take(_ shared: Locked<Shared>) -> (seed: UInt64, account: Int)? {
        shared.withLock { shared in
            guard shared.outcome.red == nil, shared.outcome.tally.operations < operations else { return nil }
            defer {
                shared.nextSeed += 1
                shared.account += 1
            }
            return (shared.nextSeed, shared.account)
        }
    }

    // MARK: - Sequences

    private func sequences(_ node: ModelNode, _ shared: Locked<Shared>, _ progress: Progress) async throws {
        let thread = ClientThread("client")
        defer { thread.stop() }
        let client = try node.subject(account: 0)
        while let (seed, account) = take(shared) {
            let subject = client.as(account: account)
            // Weeks pass in a sequence. Each has an account of its own, so that the clock can begin anew.
            if node.clock.now > Self.lastStart { node.clock.set(TestWorld.start) }
            let sequence = ModelSequence(seed: seed, length: sequenceLength)
            let (tally, failure) = await withTaskExecutorPreference(thread) {
                await sequence.run(on: subject, clock: node.clock)
            }
            if failure != nil {
                let red = await shrink(sequence, node, client, thread, progress)
                shared.withLock { shared in
                    shared.outcome.tally.add(tally)
                    if shared.outcome.red == nil { shared.outcome.red = red }
                }
                return
            }
            try await node.collect()
            let total = shared.withLock { shared in
                shared.outcome.tally.add(tally)
                shared.outcome.runs += 1
                return shared.outcome.tally.operations
            }
            progress.show(title, total, of: operations)
        }
    }

    /// Repeats one sequence.
    func replay(_ steps: [Int], scratch: String) async throws -> Red? {
        let kind: ModelNode.Stores = store == .memory ? .inMemory : .onDisk(directory: scratch)
        let node = try await ModelNode(kind, seed: firstSeed, serves: subject == .http)
        let thread = ClientThread("client")
        let client = try node.subject(account: 0)
        let red = await red(ModelSequence(seed: firstSeed, steps: steps), node, client, thread)
        thread.stop()
        await node.close()
        return red
    }

    private func red(
        _ sequence: ModelSequence, _ node: ModelNode, _ client: any ModelSubject, _ thread: ClientThread
    ) async -> Red? {
        let (_, failure) = await withTaskExecutorPreference(thread) {
            await sequence.run(on: client.as(account: node.freshAccount()), clock: node.clock, keepsTranscript: true)
        }
        guard let failure else { return nil }
        let seed = KeptSeed(subject: subject, seed: sequence.seed, steps: sequence.steps)
        return Red(seed: seed, problem: failure.problem, lines: failure.transcript + ["-- \(failure)"])
    }

    private func shrink(
        _ sequence: ModelSequence, _ node: ModelNode, _ client: any ModelSubject, _ thread: ClientThread,
        _ progress: Progress
    ) async -> Red {
        progress.say("\(title): seed \(sequence.seed) is red; leaving out steps")
        let smallest = await sequence.shrunk(attempts: 1_500) { candidate in
            await withTaskExecutorPreference(thread) {
                await candidate.run(on: client.as(account: node.freshAccount()), clock: node.clock).failure?.after
            }
        }
        if let red = await red(smallest, node, client, thread) { return red }
        // Red once and not again: what else was in the store took part. The whole sequence is kept.
        let seed = KeptSeed(subject: subject, seed: sequence.seed, steps: sequence.steps)
        return Red(seed: seed, problem: "red in a run, and green when repeated alone", lines: [])
    }

    // MARK: - Rounds

    /// What clients delete is taken apart while others still read it.
    private func rounds(_ node: ModelNode, _ shared: Locked<Shared>, _ progress: Progress) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    try await node.collect()
                    // Cancelled: the loop's condition ends it.
                    do { try await World.system.sleep(.milliseconds(2)) } catch { continue }
                }
            }
            try await withinReaping(node, shared, progress)
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    private func withinReaping(_ node: ModelNode, _ shared: Locked<Shared>, _ progress: Progress) async throws {
        let threads = (0..<clients).map { ClientThread("client \($0)") }
        defer { for thread in threads { thread.stop() } }
        let subjects = try (0..<clients).map { _ in try node.subject(account: 0) }
        while let (seed, _) = take(shared) {
            let round = ModelRound(seed: seed, judge: Linearizability(subjects[0]))
            let result = await round.run(subjects, clock: node.clock, executors: threads)
            let total = shared.withLock { shared in
                shared.outcome.tally.add(result.tally)
                shared.outcome.runs += 1
                shared.outcome.overlaps += result.overlaps
                shared.outcome.listings += result.listings
                if let finding = result.findings.first {
                    shared.outcome.red = Red(
                        seed: KeptSeed(subject: subject, seed: seed, clients: clients), problem: finding.problem,
                        lines: finding.history, isUndecided: finding.isUndecided)
                }
                return shared.outcome.tally.operations
            }
            progress.show(title, total, of: operations)
        }
    }
}

extension ModelSubject {
    /// The same client, for another account.
    fileprivate func `as`(account number: Int) -> any ModelSubject {
        let name = ModelNode.account(number)
        if let http = self as? HTTPSubject { return HTTPSubject(http, as: .init(name: name, key: http.account.key)) }
        if let direct = self as? NamespaceSubject { return NamespaceSubject(direct, as: name) }
        return self
    }
}
