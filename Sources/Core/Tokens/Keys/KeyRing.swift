/// The keys of one issuer and when to fetch them. No clock, no lock, no I/O: `SigningKeys` does what it answers.
///
/// Times are nanoseconds on the monotonic clock.
struct KeyRing: Sendable {
    enum Answer: Sendable {
        /// The key counts; from `freshUntil` on it has to be asked for again.
        case found(VerificationKey, freshUntil: Int64)
        /// The caller fetches the keys, says `take` or `fail`, and asks again.
        case fetch
        /// Somebody else fetches: ask again when that is over.
        case wait
        case unknown
        /// The keys could not be fetched, and it is too early to try again.
        case unavailable
    }

    private let limits: SigningKeyLimits?
    private var keys: [String: VerificationKey] = [:]
    private(set) var isFetching = false
    /// When the keys that are held are due for a fetch.
    private var dueAt = Int64.min
    /// No unknown key causes a fetch before.
    private var closedUntil = Int64.min
    private var hasFailed = false
    /// A look was ordered during a fetch, which may have seen the keys as they were before the order.
    private var isLookOrdered = false

    /// - Parameter limits: `nil` for keys that are given and never fetched.
    init(limits: SigningKeyLimits?) { self.limits = limits }

    mutating func ask(_ id: String, at now: Int64) -> Answer {
        if let key = keys[id] {
            guard limits != nil else { return .found(key, freshUntil: .max) }
            if now < dueAt { return .found(key, freshUntil: dueAt) }
            // Due, and somebody looks already: nobody else waits for that.
            if isFetching { return .found(key, freshUntil: now) }
            isFetching = true
            return .fetch
        }
        guard limits != nil else { return .unknown }
        if isFetching { return .wait }
        guard now >= closedUntil else { return hasFailed ? .unavailable : .unknown }
        isFetching = true
        return .fetch
    }

    /// New keys in place of the old ones. A key that stays the same stays the same object.
    /// - Returns: the keys that are gone.
    mutating func take(_ new: [VerificationKey], at now: Int64) -> [VerificationKey] {
        var next: [String: VerificationKey] = [:]
        for key in new where next[key.id] == nil {
            next[key.id] = keys[key.id].flatMap { $0.isSame(as: key) ? $0 : nil } ?? key
        }
        let dropped = keys.values.filter { next[$0.id] !== $0 }
        keys = next
        hasFailed = false
        if let limits {
            dueAt = now + limits.refreshSeconds * Self.second
            closedUntil = now + limits.pauseSeconds * Self.second
        }
        endFetch()
        return dropped
    }

    /// The old keys go on for as long as it takes.
    mutating func fail(at now: Int64) {
        hasFailed = true
        if let limits {
            let pause = keys.isEmpty ? limits.firstPauseSeconds : limits.pauseSeconds
            dueAt = now + pause * Self.second
            closedUntil = dueAt
        }
        endFetch()
    }

    /// The next use looks, however long ago the last look was; during a fetch, the next use after it.
    mutating func makeDue() {
        dueAt = .min
        closedUntil = .min
        isLookOrdered = isFetching
    }

    private mutating func endFetch() {
        isFetching = false
        if isLookOrdered { makeDue() }
    }

    private static let second: Int64 = 1_000_000_000
}
