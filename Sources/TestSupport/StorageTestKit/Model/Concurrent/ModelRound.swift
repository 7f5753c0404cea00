import Namespace
import StorageModel
import Synchronization

/// Several clients on a few hot names at once, until they are told to stop; then each name's history is judged.
///
/// A round begins with an empty container and ends with nothing, so that histories stay short and every search is bounded.
/// The clock stands still while clients are at work and moves between the phases of a round, when nobody is.
package struct ModelRound: Sendable {
    package var seed: UInt64
    package var phases = 3
    package var operationsPerPhase = 10
    package var linearizability: Linearizability

    package init(seed: UInt64, judge: Linearizability) {
        self.seed = seed
        linearizability = judge
    }

    package struct Finding: Sendable, CustomStringConvertible {
        package var problem: String
        /// The history that cannot be explained.
        package var history: [String]
        /// True when the search gave up.
        package var isUndecided = false
        package var description: String { problem }
    }

    package struct Result: Sendable {
        package var tally = ModelTally()
        /// Pairs of operations on the same object that overlapped.
        package var overlaps = 0
        package var listings = 0
        package var findings: [Finding] = []
    }

    static let container = NamespaceFixture.container("hot").container
    static let others = ["hot1", "hot2"].map { NamespaceFixture.container($0).container }
    static let blobs = ["x", "y", "z"].map {
        ModelAddress(container: container, blob: NamespaceFixture.blob($0).blob)
    }
    /// What copies read: written before the round and never changed.
    static let source = ModelAddress(container: container, blob: NamespaceFixture.blob("source").blob)

    /// - Parameters:
    ///   - clients: of one store that holds none of the round's containers.
    ///   - executors: one for each client, where clients block their threads.
    package func run(
        _ clients: [any ModelSubject], clock: TestWorld, executors: [any TaskExecutor] = []
    ) async -> Result {
        var result = Result()
        let recorder = HistoryRecorder()
        do {
            var model = ModelStore(now: clock.now)
            let first = clients[0]
            _ = try await first.step(first.expressed(.createContainer(Self.container, .empty)), &model)
            let bytes = ConcurrentOperations.bytes(60, number: 1)
            let put = ModelOperation.putBlob(
                Self.source, bytes, BlobAttributes(tags: NamespaceFixture.tags(("colour", "red"))), .none)
            _ = try await first.step(first.expressed(put), &model)
            for phase in 1...phases {
                try await work(clients, phase, recorder, executors)
                if phase < phases {
                    let seconds: Int64 = [0, 5, 20, 61][Int((seed &+ UInt64(phase)) % 4)]
                    try await recorder.perform(.advance(seconds: seconds), on: first, client: 0)
                }
            }
            for at in Self.blobs {
                for read in [ModelRead.head(at, .none), .get(at, nil, .none), .blocks(at, .all, .none)] {
                    try await recorder.perform(.read(read), on: first, client: 0)
                }
            }
            try await recorder.perform(.read(.list(Self.container, ModelListing())), on: first, client: 0)
            judge(recorder.history, model, &result)
            try await clear(first)
        } catch {
            result.findings.append(
                Finding(problem: "\(error)", history: recorder.history.events.map(\.line)))
        }
        return result
    }

    private func work(
        _ clients: [any ModelSubject], _ phase: Int, _ recorder: HistoryRecorder, _ executors: [any TaskExecutor]
    ) async throws {
        let (seed, count) = (seed, operationsPerPhase)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, client) in clients.enumerated() {
                let executor = executors.isEmpty ? nil : executors[index]
                group.addTask(executorPreference: executor) {
                    var operations = ConcurrentOperations(seed: seed, phase: phase, client: index)
                    for _ in 0..<count {
                        let operation = client.expressed(operations.next(recorder.known))
                        try await recorder.perform(operation, on: client, client: index)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Judges every object and every listing of a history.
    ///
    /// - Parameter initial: the model when the history begins, without the containers that it makes.
    package func judge(_ history: ModelHistory, _ initial: ModelStore, _ result: inout Result) {
        for event in history.events { result.tally.add(event.operation, event.outcome) }
        for (object, events) in history.byObject() {
            for (index, event) in events.enumerated() {
                result.overlaps += events[(index + 1)...].count { $0.invoked < event.returned }
            }
            let lines = { events.map(\.line) }
            switch linearizability.judge(events, from: initial) {
            case .linearizable: continue
            case .violated(let explained, let stuckAt):
                let order = explained.map { events[$0].line } + ["-- then none of"] + stuckAt.map { events[$0].line }
                result.findings.append(
                    Finding(
                        problem: "no order explains the history of \(object)",
                        history: lines() + ["-- explained"] + order))
            case .undecided(let steps):
                result.findings.append(
                    Finding(
                        problem: "undecided: \(steps) steps did not explain the history of \(object)", history: lines(),
                        isUndecided: true))
            }
        }
        var standing: [BlobName: Version] = [:]
        for (name, blob) in initial.containers[Self.container]?.blobs ?? [:] { standing[name] = blob.version }
        let rule = ListingRule(history.events, standing: standing)
        for event in history.events {
            guard case .read(.list) = event.operation else { continue }
            result.listings += 1
            guard let problem = rule.problem(event) else { continue }
            result.findings.append(
                Finding(problem: "a listing is wrong: \(problem)", history: history.events.map(\.line)))
        }
    }

    private func clear(_ client: any ModelSubject) async throws {
        for name in [Self.container] + Self.others {
            _ = try await client.perform(.leaseContainer(name, .breakAfter(seconds: 0), .none))
            _ = try await client.perform(.deleteContainer(name, .none))
        }
    }
}

/// Writes down what clients do and what they have learnt: versions and lease ids for conditions that mean something.
final class HistoryRecorder: Sendable {
    struct Known: Sendable {
        var versions: [ModelHistory.Object: Version] = [:]
        var leases: [ModelHistory.Object: LeaseID] = [:]
    }

    private struct State {
        var history = ModelHistory()
        var known = Known()
    }

    private let time = Atomic<Int>(0)
    private let state = Locked(State())

    var known: Known { state.withLock { $0.known } }
    var history: ModelHistory {
        state.withLock { state in
            var history = state.history
            history.events.sort { $0.invoked < $1.invoked }
            return history
        }
    }

    private func tick() -> Int { time.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue }

    func perform(_ operation: ModelOperation, on subject: any ModelSubject, client: Int) async throws {
        let invoked = tick()
        let outcome = try await subject.perform(operation)
        let returned = tick()
        let event = ModelHistory.Event(
            client: client, invoked: invoked, returned: returned, operation: operation, outcome: outcome)
        state.withLock { state in
            state.history.events.append(event)
            guard let object = operation.object, case .done(let receipt) = outcome else { return }
            if let version = receipt.version { state.known.versions[object] = version }
            switch operation {
            case .leaseBlob(_, .release, _), .leaseContainer(_, .release, _): state.known.leases[object] = nil
            case .leaseBlob, .leaseContainer:
                if let lease = receipt.lease { state.known.leases[object] = lease }
            case .delete, .deleteContainer: state.known.leases[object] = nil
            default: break
            }
        }
    }
}
