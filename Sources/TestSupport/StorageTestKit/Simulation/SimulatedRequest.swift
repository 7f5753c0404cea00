import StorageModel

/// One request of a client, from its call to its answer, and what the simulation learns of it on the way.
final class SimulatedRequest: Sendable {
    struct Progress {
        /// The commit that it made.
        var version: Version?
        /// Each time that the namespace took for "now".
        var readings: [Timestamp] = []
    }

    /// The request that the current task works for; the node's own work has none.
    @TaskLocal static var current: SimulatedRequest?

    let number: Int
    /// `nil` for a read.
    let operation: ModelOperation?
    /// How many commits there were when it began.
    let firstState: Int
    private let progress = Locked(Progress())

    init(number: Int, operation: ModelOperation?, firstState: Int) {
        self.number = number
        self.operation = operation
        self.firstState = firstState
    }

    var version: Version? { progress.withLock { $0.version } }
    var readings: [Timestamp] { progress.withLock { $0.readings } }
    func took(_ time: Timestamp) { progress.withLock { $0.readings.append(time) } }

    /// - Returns: false when it had committed before.
    func committed(_ version: Version) -> Bool {
        progress.withLock { progress in
            defer { progress.version = version }
            return progress.version == nil
        }
    }
}
