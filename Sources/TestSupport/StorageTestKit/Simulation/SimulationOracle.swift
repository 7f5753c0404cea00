import Extents
import Namespace
import StorageModel

/// Holds what the node does against the model, commit by commit.
///
/// The simulated metadata store tells every commit in its order, and whose request it is. So the order in which
/// concurrent requests took effect is known and not guessed: each commit must be allowed by the model in the state that
/// the commits before it left, each answer must be explained by a state between the request's call and its answer.
final class SimulationOracle: Sendable {
    struct LogEntry: Equatable {
        var version: Version
        var operation: UInt8
        var time: Timestamp
    }

    struct State {
        /// After so many commits: the first is the empty store.
        var states: [ModelStore]
        var last = Version(0)
        var containerIDs: [UInt64: ContainerName] = [:]
        var log: [LogEntry] = []

        var model: ModelStore { states[states.count - 1] }
    }

    let executor: SeededExecutor
    let configuration: Namespace.Configuration
    private let state: Locked<State>
    /// The bytes of an extent, as they are on the medium at this moment.
    private let extents = Locked<SimulatedExtentStore?>(nil)

    init(executor: SeededExecutor, configuration: Namespace.Configuration) {
        self.executor = executor
        self.configuration = configuration
        state = Locked(State(states: [ModelStore(now: TestWorld.start)]))
    }

    func use(_ store: SimulatedExtentStore) { extents.withLock { $0 = store } }

    /// How many commits there were.
    var commits: Int { state.withLock { $0.states.count - 1 } }
    var model: ModelStore { state.withLock { $0.model } }
    var log: [LogEntry] { state.withLock { $0.log } }
    /// The states that a request may have seen, from the one after so many commits on.
    func states(from first: Int) -> [ModelStore] { state.withLock { Array($0.states[first...]) } }

    // MARK: Commits

    func committed(_ version: Version, _ changes: SimulatedMetadataStore.Changes, _ request: SimulatedRequest?) {
        executor.note("commit", version.rawValue, "request \(request?.number ?? 0)")
        let reason = state.withLock { state -> String? in
            guard version > state.last else { return "version \(version.rawValue) follows \(state.last.rawValue)" }
            state.last = version
            var model = state.model
            let reason =
                request.map { apply($0, version, changes, to: &model, &state) }
                ?? maintain(changes, &model, state.containerIDs)
            state.states.append(model)
            return reason ?? logChange(version, changes, isRequest: request != nil, &state)
        }
        if let reason { executor.fail("commit \(version.rawValue): \(reason)") }
    }

    private func apply(
        _ request: SimulatedRequest, _ version: Version, _ changes: SimulatedMetadataStore.Changes,
        to model: inout ModelStore, _ state: inout State
    ) -> String? {
        guard let operation = request.operation else { return "a read commits" }
        guard request.committed(version) else { return "request \(request.number) commits twice" }
        model.now = time(of: changes, request)
        var applied = operation
        if case .slice(let at, let id, let source, let range, let lease) = operation {
            let bytes = stagedBytes(changes)
            let isSource = state.states[request.firstState...].contains { model in
                Self.cut(model.containers[source.container]?.blobs[source.blob]?.bytes, range) == bytes
            }
            guard isSource else { return "request \(request.number) stages bytes that its source never had" }
            applied = .putBlock(at, id: id, bytes, lease)
        }
        if let problem = model.apply(applied, ModelReceipt(version: version)) {
            return "request \(request.number) must be refused with \(problem): \(operation)"
        }
        Self.closeBroken(operation, in: &model)
        if case .createContainer(let name, _) = operation { state.containerIDs[version.rawValue] = name }
        if case .deleteContainer(let name, _) = operation {
            state.containerIDs = state.containerIDs.filter { $0.value != name }
        }
        return nil
    }

    /// A lease that was broken at once is broken for every later commit, also for one whose request has looked at the
    /// clock before.
    private static func closeBroken(_ operation: ModelOperation, in model: inout ModelStore) {
        let longAgo = Timestamp(nanoseconds: 0)
        switch operation {
        case .leaseBlob(let at, .breakAfter, _):
            guard let lease = model.containers[at.container]?.blobs[at.blob]?.lease else { return }
            guard lease.state(at: model.now) == .broken else { return }
            model.containers[at.container]?.blobs[at.blob]?.lease?.end = longAgo
        case .leaseContainer(let name, .breakAfter, _):
            guard let lease = model.containers[name]?.lease, lease.state(at: model.now) == .broken else { return }
            model.containers[name]?.lease?.end = longAgo
        default: break
        }
    }

    /// What the namespace took for "now" in this commit.
    private func time(of changes: SimulatedMetadataStore.Changes, _ request: SimulatedRequest) -> Timestamp {
        for (key, value) in changes {
            if key[0] == UInt8(ascii: "l"), let value { return StoredRecords.change(value).time }
            if key[0] == UInt8(ascii: "t"), let value { return StoredRecords.lastWrite(value) }
        }
        return request.readings.last ?? executor.now
    }

    private func stagedBytes(_ changes: SimulatedMetadataStore.Changes) -> [UInt8] {
        let value = changes.first { $0.key[0] == UInt8(ascii: "s") && $0.value != nil }?.value
        guard let record = value ?? nil, let store = extents.withLock({ $0 }) else { return [] }
        return StoredRecords.stagedBlock(record).flatMap { slice -> ArraySlice<UInt8> in
            guard let bytes = store.peek(slice.extent), slice.offset + slice.length <= bytes.count else { return [] }
            return bytes[slice.offset..<slice.offset + slice.length]
        }
    }

    static func cut(_ bytes: [UInt8]?, _ range: RangeRequest?) -> [UInt8]? {
        guard let bytes else { return nil }
        guard let range else { return bytes }
        guard let found = range.resolve(length: Int64(bytes.count)) else { return nil }
        return Array(bytes[Int(found.lowerBound)..<Int(found.upperBound)])
    }

    /// The node's own commits change nothing that a client sees, but for blocks that are too old and log records.
    private func maintain(
        _ changes: SimulatedMetadataStore.Changes, _ model: inout ModelStore, _ containers: [UInt64: ContainerName]
    ) -> String? {
        let lifetime = configuration.uncommittedLifetimeSeconds
        for (key, value) in changes {
            guard "bsunt".utf8.contains(key[0]) else { continue }
            let owner = StoredRecords.owner(key: key)
            guard let container = containers[owner.container] else { continue }
            guard key[0] != UInt8(ascii: "b"), value == nil else { return "background work changes \(owner.name)" }
            guard key[0] == UInt8(ascii: "t") else { continue }
            let blob = NamespaceFixture.blob(owner.name).blob
            guard let staged = model.containers[container]?.staged[blob] else { continue }
            if staged.lastWrite.adding(seconds: lifetime) > executor.now {
                return "the blocks of \(owner.name) expire before their time"
            }
            model.containers[container]?.staged[blob] = nil
        }
        return nil
    }

    // MARK: Change log

    private func logChange(
        _ version: Version, _ changes: SimulatedMetadataStore.Changes, isRequest: Bool, _ state: inout State
    ) -> String? {
        var dropped: Set<UInt64> = []
        for (key, value) in changes where key[0] == UInt8(ascii: "l") {
            let number = StoredRecords.number(key[1...])
            if let value {
                guard isRequest, number == version.rawValue else { return "a log record of another commit" }
                let change = StoredRecords.change(value)
                state.log.append(LogEntry(version: version, operation: change.operation, time: change.time))
            } else {
                dropped.insert(number)
            }
        }
        guard !dropped.isEmpty else { return nil }
        let head = state.log.prefix(dropped.count)
        let oldest = executor.now.adding(seconds: -configuration.changeLogRetentionSeconds)
        guard Set(head.map(\.version.rawValue)) == dropped else {
            return "the change log loses more than its beginning"
        }
        // The log is in the order of commits, and times are taken before: neighbours may stand a little askew.
        guard head.allSatisfy({ $0.time <= oldest.adding(seconds: Self.askewSeconds) }) else {
            return "the change log loses records before their time"
        }
        state.log.removeFirst(dropped.count)
        return nil
    }

    /// No request takes longer than this from its reading of the clock to its commit.
    static let askewSeconds: Int64 = 60
}
