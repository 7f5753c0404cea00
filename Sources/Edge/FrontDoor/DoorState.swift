import HTTPExchange
import Logging
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import Synchronization

/// What the connections of one front door share.
final class DoorState: Sendable {
    let service: any HTTPService
    let limits: FrontDoorLimits
    let world: World
    let logger: Logger
    let audit: AuditLog
    let metrics: EdgeMetrics
    let server: String?
    let listener: String
    let census = Census()
    private let draining = Atomic<Bool>(false)

    init(_ configuration: FrontDoor.Configuration, service: any HTTPService) {
        self.service = service
        limits = configuration.limits
        world = configuration.world
        logger = configuration.logger
        audit = configuration.audit
        server = configuration.server
        listener = configuration.name
        metrics = EdgeMetrics(configuration.metrics, listener: configuration.name)
        configuration.metrics.gauge(.connections, [MetricLabel("listener", configuration.name)]) { [census] in
            Double(census.connections.load(ordering: .relaxed))
        }
        configuration.metrics.gauge(.requestsInFlight, [MetricLabel("listener", configuration.name)]) { [census] in
            Double(census.requests.load(ordering: .relaxed))
        }
    }

    var isDraining: Bool {
        get { draining.load(ordering: .relaxed) }
        set { draining.store(newValue, ordering: .relaxed) }
    }

    /// Bodies share a budget: the more there are, the smaller the pieces in which each is read.
    var bodyPieceBytes: Int {
        // Twice, because one piece is with the consumer while the next one is being read.
        let share = limits.bodyBufferBytes / (2 * max(1, census.bodies.load(ordering: .relaxed)))
        return max(min(limits.bodyPieceBytes, share), 16 * 1024)
    }

    /// False when the node has as many requests as it can take.
    func enterRequest() -> Bool {
        guard audit.hasRoom else { return false }
        guard census.requests.wrappingAdd(1, ordering: .relaxed).newValue <= limits.requestsInFlight else {
            leaveRequest()
            return false
        }
        return true
    }

    func leaveRequest() {
        census.requests.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        census.changed()
    }
}

/// How many there are of what is bounded, and who waits for there to be none.
final class Census: Sendable {
    let connections = Atomic<Int>(0)
    let requests = Atomic<Int>(0)
    let bodies = Atomic<Int>(0)
    private let isAwaited = Atomic<Bool>(false)
    private struct Waiting: Sendable {
        var continuations: [CheckedContinuation<Void, Never>] = []
        var hasGivenUp = false
    }
    private let waiting = Mutex(Waiting())

    var isEmpty: Bool {
        connections.load(ordering: .sequentiallyConsistent) == 0
            && requests.load(ordering: .sequentiallyConsistent) == 0
    }

    func changed() {
        guard isAwaited.load(ordering: .sequentiallyConsistent), isEmpty else { return }
        resume()
    }

    /// Returns when the last connection is closed and the last request has ended, or when `giveUp` is called.
    func emptied() async {
        isAwaited.store(true, ordering: .sequentiallyConsistent)
        await withCheckedContinuation { continuation in
            let isOver = waiting.withLock { waiting in
                if isEmpty || waiting.hasGivenUp { return true }
                waiting.continuations.append(continuation)
                return false
            }
            // A change between the look and the entry would have found nobody to tell: look again.
            if isOver { continuation.resume() } else { changed() }
        }
    }

    /// Before a wait that `giveUp` may end.
    func waitAnew() { waiting.withLock { $0.hasGivenUp = false } }

    func giveUp() {
        waiting.withLock { $0.hasGivenUp = true }
        resume()
    }

    private func resume() {
        let continuations = waiting.withLock { waiting in
            defer { waiting.continuations = [] }
            return waiting.continuations
        }
        for continuation in continuations { continuation.resume() }
    }
}
