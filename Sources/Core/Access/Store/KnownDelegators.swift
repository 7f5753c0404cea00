import StorageModel

/// Everybody with a user delegation key, as memory holds them: found by whom a signature names.
struct KnownDelegators: Sendable {
    /// Of one principal. A signature does not say through which application its key was fetched, so the keys of all of
    /// them are tried: this bounds the work that a made-up signature causes.
    static let maximumPerPrincipal = 8

    private struct Principal: Hashable {
        var tenant: String
        var object: String

        init(_ id: DelegatorID) { (tenant, object) = (id.tenant, id.object) }
    }

    private(set) var count = 0
    private var byPrincipal: [Principal: [DelegatorID: KnownDelegator]] = [:]

    subscript(id: DelegatorID) -> KnownDelegator? { byPrincipal[Principal(id)]?[id] }

    /// Of one principal, one for each application.
    func of(tenant: String, objectID: String) -> some Sequence<KnownDelegator> {
        let id = DelegatorID(tenant: tenant, object: objectID, application: "")
        return (byPrincipal[Principal(id)] ?? [:]).values
    }

    /// Puts in what was noted; when its principal has too many, the one whose key ends first makes room.
    mutating func set(_ known: KnownDelegator, for id: DelegatorID) {
        let principal = Principal(id)
        var own = byPrincipal[principal] ?? [:]
        count -= own.count
        own[id] = known
        for old in Self.surplus(own.filter { $0.key != id }.map { ($0.key, $0.value.until) }) { own[old] = nil }
        count += own.count
        byPrincipal[principal] = own
    }

    mutating func remove(_ id: DelegatorID) {
        let principal = Principal(id)
        guard byPrincipal[principal]?.removeValue(forKey: id) != nil else { return }
        count -= 1
        if byPrincipal[principal]?.isEmpty == true { byPrincipal[principal] = nil }
    }

    mutating func removeExpired(at now: Timestamp) {
        for id in expired(at: now) { remove(id) }
    }

    func expired(at now: Timestamp) -> some Sequence<DelegatorID> {
        byPrincipal.values.lazy.flatMap { $0 }.filter { $0.value.until <= now }.map(\.key)
    }

    /// Which of a principal's others go when one more comes: those whose keys end first.
    static func surplus(_ others: [(id: DelegatorID, until: Timestamp)]) -> [DelegatorID] {
        let excess = others.count + 1 - maximumPerPrincipal
        guard excess > 0 else { return [] }
        let sorted = others.sorted { ($0.until, $0.id.application) < ($1.until, $1.id.application) }
        return sorted.prefix(excess).map(\.id)
    }
}
