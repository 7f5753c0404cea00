/// A bucket of tokens that fills at a rate and holds what one second brings. It may be in debt.
///
/// Kept as the time at which it will be full again, so that it needs no filling, and a changed rate counts at once.
struct TokenBucket: Sendable, Hashable {
    /// The burst: what this time brings can be taken at once.
    static let burstNanoseconds: Int64 = 1_000_000_000
    /// The longest time that a caller is told to wait.
    static let longestWaitSeconds: Int64 = 30
    private static let second: Int64 = 1_000_000_000

    /// Nanoseconds of the monotonic clock.
    private(set) var fullAt = Int64.min

    func isFull(now: Int64) -> Bool { fullAt <= now }

    /// Seconds (1 to 30) until the balance is positive; `nil` when it is.
    func wait(perSecond rate: Int64, now: Int64) -> Int? {
        guard rate > 0 else { return Int(Self.longestWaitSeconds) }
        guard fullAt > now else { return nil }
        let wait = fullAt - now - Self.burstNanoseconds
        guard wait >= 0 else { return nil }
        // At `wait` the balance is zero still: it is positive one nanosecond later.
        return Int(min(wait / Self.second + 1, Self.longestWaitSeconds))
    }

    /// Takes tokens, into debt where there are not enough.
    mutating func take(_ count: Int64, perSecond rate: Int64, now: Int64) {
        guard count > 0, rate > 0 else { return }
        // Rounded up: a second's worth of tokens must not leave a rest behind.
        let cost = (Double(count) * Double(Self.second) / Double(rate)).rounded(.up)
        let longest = Int64.max / 4
        fullAt = max(fullAt, now) + (cost < Double(longest) ? Int64(cost) : longest)
        fullAt = min(fullAt, longest * 2)
    }
}
