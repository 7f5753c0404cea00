import StorageModel

/// Tokens that counted, by their hash, in two generations: what was not used while one was filled goes with the other.
final class TokenCache: Sendable {
    struct Entry: Sendable {
        var token: VerifiedToken
        var reach: AudienceReach
        var key: VerificationKey
        var endsAt: Timestamp
        /// When the key's set is due for a look: behind it the token is verified anew, which takes the look.
        var freshUntilMonotonic: Int64
    }

    private struct State {
        var young: [TokenDigest: Entry] = [:]
        var old: [TokenDigest: Entry] = [:]
        var epoch: UInt64 = 0

        mutating func keep(_ entry: Entry, for digest: TokenDigest, generationSize: Int) {
            if young.count >= generationSize, young[digest] == nil {
                old = young
                young = [:]
            }
            young[digest] = entry
        }
    }

    private let state = Locked(State())
    private let generationSize: Int

    /// - Parameter capacity: entries at most.
    init(capacity: Int) { generationSize = max(1, capacity / 2) }

    /// Counts the times when keys were dropped.
    var epoch: UInt64 { state.withLock { $0.epoch } }
    var count: Int { state.withLock { $0.young.count + $0.old.count } }

    func find(_ digest: TokenDigest, at now: Timestamp, monotonic: Int64) -> Entry? {
        state.withLock { state in
            if let entry = state.young[digest] {
                return now < entry.endsAt && monotonic < entry.freshUntilMonotonic ? entry : nil
            }
            guard let entry = state.old.removeValue(forKey: digest), now < entry.endsAt,
                monotonic < entry.freshUntilMonotonic
            else { return nil }
            state.keep(entry, for: digest, generationSize: generationSize)
            return entry
        }
    }

    /// Does nothing when keys were dropped since `epoch` was read: the entry's key may be one of them.
    func insert(_ entry: Entry, for digest: TokenDigest, epoch: UInt64) {
        state.withLock { state in
            guard state.epoch == epoch else { return }
            state.keep(entry, for: digest, generationSize: generationSize)
        }
    }

    func removeAll() {
        state.withLock { state in
            state.epoch += 1
            state.young = [:]
            state.old = [:]
        }
    }

    func drop(keys: [VerificationKey]) {
        let dropped = Set(keys.map { ObjectIdentifier($0) })
        state.withLock { state in
            state.epoch += 1
            state.young = state.young.filter { !dropped.contains(ObjectIdentifier($0.value.key)) }
            state.old = state.old.filter { !dropped.contains(ObjectIdentifier($0.value.key)) }
        }
    }
}
