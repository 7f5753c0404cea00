import StorageModel

/// One life of the node, from a start to a crash or a clean end: what its backends may do to it.
final class SimulatedLife: Sendable {
    private struct State {
        var isDead = false
        var isReadOnly = false
        var faultsPerTenThousand: Int
        var faults = 0
    }

    let executor: SeededExecutor
    let number: Int
    private let state: Locked<State>

    /// - Parameter faultsPerTenThousand: how many of so many backend calls fail.
    init(executor: SeededExecutor, number: Int, faultsPerTenThousand: Int) {
        self.executor = executor
        self.number = number
        state = Locked(State(faultsPerTenThousand: faultsPerTenThousand))
    }

    /// Every failure that a backend gives on purpose says so: any other one is a finding.
    static let mark = "simulated"

    static func failure(_ code: StorageFailure.Code, _ what: String) -> StorageFailure {
        StorageFailure(code, cause: "\(mark): \(what)")
    }

    static func isSimulated(_ failure: StorageFailure) -> Bool { failure.cause?.hasPrefix(mark) ?? false }

    var isDead: Bool { state.withLock { $0.isDead } }
    /// After a commit of unknown outcome.
    var isReadOnly: Bool { state.withLock { $0.isReadOnly } }
    var faults: Int { state.withLock { $0.faults } }

    /// The process is gone: nothing that its tasks still do reaches a medium.
    func kill() { state.withLock { $0.isDead = true } }
    func turnReadOnly() { state.withLock { $0.isReadOnly = true } }

    func requireAlive() throws(StorageFailure) {
        if isDead { throw Self.failure(.unavailable, "the process is gone") }
    }

    /// Whether this call fails, drawn from the seed.
    func drawsFault(_ call: StaticString) -> Bool {
        let rate = state.withLock { $0.faultsPerTenThousand }
        guard rate > 0, executor.below(10_000) < rate else { return false }
        state.withLock { $0.faults += 1 }
        executor.note("fault", UInt64(number), "\(call)")
        return true
    }

    /// A backend call: others may run before and after it, and it may fail before its effect or after it.
    func call<Value>(
        _ name: StaticString, before: [StorageFailure.Code], after: [StorageFailure.Code],
        _ effect: () async throws(StorageFailure) -> Value
    ) async throws(StorageFailure) -> Value {
        await executor.pause()
        try requireAlive()
        let fails = drawsFault(name)
        let isBefore = after.isEmpty || (!before.isEmpty && executor.happens(60))
        if fails, isBefore { throw Self.failure(executor.pick(before), "\(name), without effect") }
        let value = try await effect()
        await executor.pause()
        try requireAlive()
        if fails { throw Self.failure(executor.pick(after), "\(name), with effect") }
        return value
    }
}
