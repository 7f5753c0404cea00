import HTTPExchange
import Observability
import StorageModel

/// The counts of one listener.
final class EdgeMetrics: Sendable {
    let connectionsAccepted: Counter
    let connectionsRefused: Counter
    let requestBytes: Counter
    let responseBytes: Counter
    let cutByPeer: Counter
    let cutByUs: Counter
    let handshakeFailures: Counter
    /// Connections from elsewhere than a proxy.
    let proxySourceRefusals: Counter
    private let proxyHeaderRefusals: Counter
    private let timeouts: [ConnectionStateMachine.Timeout: Counter]
    private let refusals: [String: Counter]
    private let registry: MetricRegistry
    private let listener: MetricLabel

    init(_ registry: MetricRegistry, listener: String) {
        let label = MetricLabel("listener", listener)
        self.registry = registry
        self.listener = label
        connectionsAccepted = registry.counter(.connectionsAccepted, [label])
        connectionsRefused = registry.counter(.connectionsRefused, [label])
        requestBytes = registry.counter(.requestBytes, [label])
        responseBytes = registry.counter(.responseBytes, [label])
        cutByPeer = registry.counter(.answersCut, [label, MetricLabel("side", "peer")])
        cutByUs = registry.counter(.answersCut, [label, MetricLabel("side", "node")])
        handshakeFailures = registry.counter(.handshakeFailures, [label])
        proxySourceRefusals = registry.counter(.proxyRefusals, [label, MetricLabel("reason", "source")])
        proxyHeaderRefusals = registry.counter(.proxyRefusals, [label, MetricLabel("reason", "header")])
        timeouts = Dictionary(
            uniqueKeysWithValues: ConnectionStateMachine.Timeout.allCases.map { timeout in
                (timeout, registry.counter(.timeouts, [label, MetricLabel("awaited", timeout.rawValue)]))
            })
        refusals = Dictionary(
            uniqueKeysWithValues: HTTPRefusal.labels.map { reason in
                (reason, registry.counter(.refusals, [label, MetricLabel("reason", reason)]))
            })
    }

    func count(_ timeout: ConnectionStateMachine.Timeout) { timeouts[timeout]?.add() }
    func count(_ header: ProxyHeader.Malformed) { proxyHeaderRefusals.add() }
    func count(_ refusal: HTTPRefusal) { refusals[refusal.label]?.add() }

    /// Bounded by the protocols' operation names; each event loop keeps what it has looked up.
    func operation(_ name: String) -> OperationMetrics {
        OperationMetrics(registry, [listener, MetricLabel("operation", name)])
    }
}

/// The counts of one operation.
final class OperationMetrics: Sendable {
    let duration: Histogram
    let latency: Histogram
    private let registry: MetricRegistry
    private let labels: [MetricLabel]
    private let statuses = Locked<[UInt: Counter]>([:])

    init(_ registry: MetricRegistry, _ labels: [MetricLabel]) {
        self.registry = registry
        self.labels = labels
        duration = registry.histogram(.requestDuration, labels)
        latency = registry.histogram(.serverLatency, labels)
    }

    func count(status: UInt) {
        let counter = statuses.withLock { statuses in
            if let known = statuses[status] { return known }
            let made = registry.counter(.requests, labels + [MetricLabel("status", String(status))])
            statuses[status] = made
            return made
        }
        counter.add()
    }
}

extension HTTPRefusal {
    static let labels = [
        "malformed", "headers_too_large", "uri_too_long", "request_timeout", "overloaded", "version_not_supported",
    ]

    var label: String {
        switch self {
        case .malformed: "malformed"
        case .headersTooLarge: "headers_too_large"
        case .uriTooLong: "uri_too_long"
        case .requestTimeout: "request_timeout"
        case .overloaded: "overloaded"
        case .versionNotSupported: "version_not_supported"
        }
    }
}
