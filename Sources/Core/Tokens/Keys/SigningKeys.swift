import Logging
import Observability
import StorageModel
package import WebDocuments

/// Where the keys come from that tokens are signed with.
package enum SigningKeySource: Sendable {
    /// From the issuers themselves: their discovery documents name their key sets.
    case provider(any WebDocuments)
    /// One key set (RFC 7517 §5) for all issuers: nodes without a way out.
    case document([UInt8])
}

/// How often an issuer is asked for its keys.
package struct SigningKeyLimits: Sendable, Hashable {
    /// Keys are looked at again after so long, on the first use behind it.
    package var refreshSeconds: Int64 = 86_400
    /// Between two fetches that unknown keys, or failures, cause: tokens with made-up keys must not turn into load there.
    package var pauseSeconds: Int64 = 30
    /// The same as long as there is no key at all.
    package var firstPauseSeconds: Int64 = 5
    /// Requests that wait for one issuer's keys at most. Nobody knows yet who they are, and each holds a place among the
    /// requests of the node: forged tokens must not hold them all.
    package var maximumWaiting = 64

    package init() {}
}

/// The keys of the trusted issuers: fetched when they are needed, and one fetch at a time for each issuer.
final class SigningKeys: Sendable {
    struct Found: Sendable {
        let key: VerificationKey
        /// On the monotonic clock, in nanoseconds.
        let freshUntil: Int64
    }

    private struct State {
        var rings: [String: KeyRing] = [:]
        /// Requests that wait for the fetch under way; `false` is what they hear when it is over.
        var waiting: [String: [CheckedContinuation<Bool, Never>]] = [:]
    }

    private let web: (any WebDocuments)?
    private let limits: SigningKeyLimits
    private let world: World
    private let logger: Logger
    private let onDrop: @Sendable ([VerificationKey]) -> Void
    private let state = Locked(State())

    /// The one ring of keys that are given and not fetched.
    private static let given = ""

    /// - Parameter onDrop: hears which keys are gone, before anybody can ask for a key again.
    init(
        _ source: SigningKeySource, limits: SigningKeyLimits, world: World, logger: Logger,
        onDrop: @escaping @Sendable ([VerificationKey]) -> Void
    ) throws(StorageFailure) {
        self.limits = limits
        self.world = world
        self.logger = logger
        self.onDrop = onDrop
        switch source {
        case .provider(let documents): web = documents
        case .document(let document):
            web = nil
            try replace(document)
        }
    }

    func replace(_ document: [UInt8]) throws(StorageFailure) {
        guard web == nil else { throw StorageFailure(.internal, cause: "the keys come from their issuers") }
        let keys: [VerificationKey]
        do { keys = try KeySetDocument.keys(document) } catch {
            throw StorageFailure(.invalidInput, cause: error.description)
        }
        let dropped = state.withLock { state in
            state.rings[Self.given, default: KeyRing(limits: nil)].take(keys, at: world.monotonicNanoseconds())
        }
        if !dropped.isEmpty { onDrop(dropped) }
    }

    /// Fetched keys are looked at again on their next use.
    func makeDue() {
        state.withLock { state in
            for name in state.rings.keys { state.rings[name]?.makeDue() }
        }
    }

    /// - Throws: `.keyUnknown`, `.keysUnavailable`.
    func key(_ id: String, of issuer: TrustedIssuer) async throws(TokenRefusal) -> Found {
        let name = web == nil ? Self.given : issuer.value
        while true {
            let answer = state.withLock { state in
                state.rings[name, default: KeyRing(limits: limits)].ask(id, at: world.monotonicNanoseconds())
            }
            switch answer {
            case .found(let key, let freshUntil):
                // A key set may be about several tenants: a key that says whose it is signs for nobody else.
                if let template = key.issuer, !issuer.isSiblingNamed(by: template) { throw .keyUnknown }
                return Found(key: key, freshUntil: freshUntil)
            case .unknown: throw .keyUnknown
            case .unavailable: throw .keysUnavailable
            case .wait: try await endOfFetch(name)
            case .fetch: await fetch(issuer, name)
            }
        }
    }

    /// - Throws: `.keysUnavailable` when too many wait already.
    private func endOfFetch(_ name: String) async throws(TokenRefusal) {
        let isTurnedAway = await withCheckedContinuation { continuation in
            let answer: Bool? = state.withLock { state in
                guard state.rings[name]?.isFetching == true else { return false }
                guard state.waiting[name, default: []].count < limits.maximumWaiting else { return true }
                state.waiting[name, default: []].append(continuation)
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
        if isTurnedAway { throw .keysUnavailable }
    }

    /// In the task of the request that needs it, which may be cancelled meanwhile: the fetch goes on regardless, as the
    /// seam promises, so that nobody can keep new keys out by hanging up.
    private func fetch(_ issuer: TrustedIssuer, _ name: String) async {
        guard let web else { return }
        var keys: [VerificationKey]?
        do {
            keys = try await KeyDiscovery(web: web).keys(of: issuer)
        } catch {
            logger.warning(
                "the signing keys of a token issuer cannot be fetched",
                metadata: ["issuer": "\(issuer.value)", LogKey.cause: "\(error)"])
        }
        let (held, dropped) = state.withLock { [keys] state in
            let now = world.monotonicNanoseconds()
            guard let keys else {
                state.rings[name]?.fail(at: now)
                return (0, [VerificationKey]())
            }
            return (keys.count, state.rings[name]?.take(keys, at: now) ?? [])
        }
        if !dropped.isEmpty { onDrop(dropped) }
        if held > 0 {
            logger.info(
                "signing keys of a token issuer fetched",
                metadata: [
                    "issuer": "\(issuer.value)", LogKey.count: "\(held)", "keys.dropped": "\(dropped.count)",
                ])
        }
        for continuation in state.withLock({ $0.waiting.removeValue(forKey: name) }) ?? [] {
            continuation.resume(returning: false)
        }
    }
}
