import StorageModel

/// Lines in which transactions queue that keep losing against each other: the lane is chosen by the key that they
/// collide at, and one transaction per lane runs at a time. Without this, n writers of one key would run n bodies for
/// each commit. A task holds at most one lane, so lanes cannot deadlock.
final class ConflictLanes: Sendable {
    private struct Lane {
        var isTaken = false
        var line: [CheckedContinuation<Bool, Never>] = []
        var head = 0
    }

    private static let count = 64
    private let lanes: Locked<[Lane]>
    private let lineLimit: Int

    init(lineLimit: Int) {
        lanes = Locked(Array(repeating: Lane(), count: Self.count))
        self.lineLimit = lineLimit
    }

    static func lane(of key: [UInt8]) -> Int { Int(UInt(bitPattern: key.hashValue) % UInt(count)) }

    /// Waits for the lane; who gets `true` must `leave` it. `false` when too many wait already.
    func enter(_ lane: Int) async -> Bool {
        await withCheckedContinuation { continuation in
            let isAdmitted: Bool? = lanes.withLock { lanes in
                guard lanes[lane].isTaken else {
                    lanes[lane].isTaken = true
                    return true
                }
                guard lanes[lane].line.count - lanes[lane].head < lineLimit else { return false }
                lanes[lane].line.append(continuation)
                return nil
            }
            if let isAdmitted { continuation.resume(returning: isAdmitted) }
        }
    }

    func leave(_ lane: Int) {
        let next: CheckedContinuation<Bool, Never>? = lanes.withLock { lanes in
            guard lanes[lane].head < lanes[lane].line.count else {
                lanes[lane] = Lane()
                return nil
            }
            defer {
                lanes[lane].head += 1
                if lanes[lane].head > 64, lanes[lane].head * 2 > lanes[lane].line.count {
                    lanes[lane].line.removeFirst(lanes[lane].head)
                    lanes[lane].head = 0
                }
            }
            return lanes[lane].line[lanes[lane].head]
        }
        next?.resume(returning: true)
    }
}
