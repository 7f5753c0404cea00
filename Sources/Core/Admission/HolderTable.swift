import StorageModel

/// What is known about one account or one principal.
struct Holder: Sendable {
    private(set) var inFlight = 0
    private(set) var requests = TokenBucket()
    private(set) var bytes = TokenBucket()

    /// Nothing would be lost by forgetting it.
    func isForgettable(now: Int64) -> Bool { inFlight == 0 && requests.isFull(now: now) && bytes.isFull(now: now) }

    mutating func enter(_ limits: RequestLimits, now: Int64) {
        inFlight += 1
        charge(limits, now: now)
    }

    /// One request, without a place.
    mutating func charge(_ limits: RequestLimits, now: Int64) {
        if let rate = limits.requestsPerSecond { requests.take(1, perSecond: Int64(rate), now: now) }
    }

    mutating func leave(_ count: Int64, perSecond rate: Int64?, now: Int64) {
        inFlight -= 1
        if let rate { bytes.take(count, perSecond: rate, now: now) }
    }
}

/// Holders by name, at most a fixed number of them. A place is a small number that stays the same while requests of the
/// holder are under way.
struct HolderTable<Name: Hashable & Sendable>: Sendable {
    private struct Slot: Sendable {
        /// `nil` while nobody has the place.
        var name: Name?
        var holder: Holder
    }

    private let limit: Int
    private var slots: [Slot] = []
    private var places: [Name: Int] = [:]
    private var free: [Int] = []
    /// Where the last look for something to forget has ended.
    private var hand = 0

    /// How many are looked at for each newcomer: twice as many are forgotten as come, at a bounded cost.
    private static var lookedAt: Int { 16 }

    /// So few are kept although they are idle: making one anew costs more than its memory.
    private static var keptAnyway: Int { 256 }

    init(limit: Int) { self.limit = limit }

    var count: Int { places.count }

    subscript(place: Int) -> Holder {
        get { slots[place].holder }
        set { slots[place].holder = newValue }
    }

    /// The place of that name, a new one where it has none. `nil` when the table is full of holders that are busy.
    mutating func place(of name: Name, now: Int64) -> Int? {
        if let known = places[name] { return known }
        if places.count >= min(limit, Self.keptAnyway) { forgetSome(now: now) }
        if places.count >= limit { forgetFullest() }
        guard places.count < limit else { return nil }
        let place: Int
        if let reused = free.popLast() {
            place = reused
            slots[place] = Slot(name: name, holder: Holder())
        } else {
            place = slots.count
            slots.append(Slot(name: name, holder: Holder()))
        }
        places[name] = place
        return place
    }

    private mutating func forgetSome(now: Int64) {
        for _ in 0..<min(Self.lookedAt, slots.count) {
            hand = (hand + 1) % slots.count
            if slots[hand].name != nil, slots[hand].holder.isForgettable(now: now) { forget(hand) }
        }
    }

    /// Makes room at the cost of an idle holder: of the next ones under the hand, the one that owes least.
    private mutating func forgetFullest() {
        var best: Int?
        for step in 0..<slots.count {
            hand = (hand + 1) % slots.count
            if slots[hand].name != nil, slots[hand].holder.inFlight == 0,
                best.map({ slots[hand].holder.owes < slots[$0].holder.owes }) ?? true
            {
                best = hand
            }
            if best != nil, step >= Self.lookedAt { break }
        }
        if let best { forget(best) }
    }

    private mutating func forget(_ place: Int) {
        guard let name = slots[place].name else { return }
        places[name] = nil
        slots[place].name = nil
        free.append(place)
    }
}

extension Holder {
    /// For comparing: when the last of its buckets will be full.
    fileprivate var owes: Int64 { max(requests.fullAt, bytes.fullAt) }
}
