import StorageModel

/// A request that asks to be let in.
struct AdmissionClaim: Sendable {
    var account: AccountName
    var accountLimits: RequestLimits
    /// `nil` when no limits apply to the principal.
    var principal: String?
    var principalLimits: RequestLimits

    var isLimited: Bool { !accountLimits.isEmpty || principal != nil }
}

/// What a request that was let in holds: places in the tables of the state.
struct AdmissionPlace: Sendable, Hashable {
    var account: Int
    var principal: Int?
}

struct AdmissionRefusal: Error, Sendable, Hashable {
    /// Also the values of the metric's label.
    enum Reason: String, Sendable, CaseIterable {
        case accountRequests = "account_requests"
        case accountBytes = "account_bytes"
        case accountConcurrency = "account_concurrency"
        case principalRequests = "principal_requests"
        case principalBytes = "principal_bytes"
        case principalConcurrency = "principal_concurrency"
        /// The node is crowded, and the account has its share.
        case fairShare = "fair_share"
        case capacity
    }

    var reason: Reason
    /// 1 to 30.
    var retryAfterSeconds: Int
}

/// What is owed when a request has ended.
struct AdmissionCharge: Sendable {
    var bytes: Int64
    var accountBytesPerSecond: Int64?
    var principalBytesPerSecond: Int64?

    var isNothing: Bool { bytes == 0 || (accountBytesPerSecond == nil && principalBytesPerSecond == nil) }
}

/// The rules of admission as a value: no clock, no lock. Times are nanoseconds of the monotonic clock.
struct AdmissionState: Sendable {
    struct PrincipalKey: Hashable, Sendable {
        var account: AccountName
        var principal: String
    }

    /// How many principals are remembered at most.
    static let principalLimit = 10_000
    /// When this part of the capacity is in use, accounts are held to their fair shares.
    static let crowded = (numerator: 3, denominator: 4)

    private let capacity: Int
    private(set) var inFlight = 0
    private var accountsInFlight = 0
    private var accounts = HolderTable<AccountName>(limit: AdmissionState.principalLimit)
    private var principals: HolderTable<PrincipalKey>

    init(capacity: Int, principalLimit: Int = AdmissionState.principalLimit) {
        precondition(capacity > 0 && principalLimit > 0)
        self.capacity = capacity
        principals = HolderTable(limit: principalLimit)
    }

    var principalCount: Int { principals.count }

    /// Everything is checked before anything is charged: a refusal costs nothing.
    mutating func enter(_ claim: AdmissionClaim, now: Int64) throws(AdmissionRefusal) -> AdmissionPlace {
        guard inFlight < capacity else { throw AdmissionRefusal(reason: .capacity, retryAfterSeconds: 1) }
        guard let account = accounts.place(of: claim.account, now: now) else {
            throw AdmissionRefusal(reason: .capacity, retryAfterSeconds: 1)
        }
        try checkShare(of: account)
        let principal = try check(claim, account, needsPlace: true, now: now)
        if let principal { principals[principal].enter(claim.principalLimits, now: now) }
        accounts[account].enter(claim.accountLimits, now: now)
        if accounts[account].inFlight == 1 { accountsInFlight += 1 }
        inFlight += 1
        return AdmissionPlace(account: account, principal: principal)
    }

    /// A request that comes inside of one that is in: it counts for the rates and holds no place.
    /// - Returns: the account's place in the table.
    mutating func charge(_ claim: AdmissionClaim, now: Int64) throws(AdmissionRefusal) -> Int {
        guard let account = accounts.place(of: claim.account, now: now) else {
            throw AdmissionRefusal(reason: .capacity, retryAfterSeconds: 1)
        }
        let principal = try check(claim, account, needsPlace: false, now: now)
        if let principal { principals[principal].charge(claim.principalLimits, now: now) }
        accounts[account].charge(claim.accountLimits, now: now)
        return account
    }

    /// Checks the limits of the account and of the principal, and answers the principal's place where it has limits.
    private mutating func check(
        _ claim: AdmissionClaim, _ account: Int, needsPlace: Bool, now: Int64
    ) throws(AdmissionRefusal) -> Int? {
        try Self.check(
            accounts[account], claim.accountLimits, needsPlace, now, .accountConcurrency, .accountRequests,
            .accountBytes)
        guard let name = claim.principal else { return nil }
        let key = PrincipalKey(account: claim.account, principal: name)
        guard let principal = principals.place(of: key, now: now) else {
            throw AdmissionRefusal(reason: .capacity, retryAfterSeconds: 1)
        }
        try Self.check(
            principals[principal], claim.principalLimits, needsPlace, now, .principalConcurrency, .principalRequests,
            .principalBytes)
        return principal
    }

    mutating func leave(_ place: AdmissionPlace, _ charge: AdmissionCharge, now: Int64) {
        inFlight -= 1
        accounts[place.account].leave(charge.bytes, perSecond: charge.accountBytesPerSecond, now: now)
        if accounts[place.account].inFlight == 0 { accountsInFlight -= 1 }
        if let principal = place.principal {
            principals[principal].leave(charge.bytes, perSecond: charge.principalBytesPerSecond, now: now)
        }
        assert(inFlight >= 0 && accountsInFlight >= 0, "a request has left twice")
    }

    /// While the node is crowded an account holds at most its part of the capacity, the accounts with requests under way
    /// sharing alike; one place at least.
    private func checkShare(of account: Int) throws(AdmissionRefusal) {
        guard inFlight * Self.crowded.denominator > capacity * Self.crowded.numerator else { return }
        let held = accounts[account].inFlight
        let sharers = held == 0 ? accountsInFlight + 1 : accountsInFlight
        guard held < max(1, capacity / sharers) else {
            throw AdmissionRefusal(reason: .fairShare, retryAfterSeconds: 1)
        }
    }

    private static func check(
        _ holder: Holder, _ limits: RequestLimits, _ needsPlace: Bool, _ now: Int64,
        _ concurrency: AdmissionRefusal.Reason,
        _ requests: AdmissionRefusal.Reason, _ bytes: AdmissionRefusal.Reason
    ) throws(AdmissionRefusal) {
        // Who may have no place at all may not have work done inside of somebody else's either.
        if let limit = limits.concurrentRequests, needsPlace ? holder.inFlight >= limit : limit == 0 {
            throw AdmissionRefusal(reason: concurrency, retryAfterSeconds: 1)
        }
        if let rate = limits.requestsPerSecond, let wait = holder.requests.wait(perSecond: Int64(rate), now: now) {
            throw AdmissionRefusal(reason: requests, retryAfterSeconds: wait)
        }
        if let rate = limits.bytesPerSecond, let wait = holder.bytes.wait(perSecond: rate, now: now) {
            throw AdmissionRefusal(reason: bytes, retryAfterSeconds: wait)
        }
    }
}
