import StorageModel

/// The lease state machine: a pure function of the stored lease, the request and the time. One for blobs and containers.
/// Source: "Lease Blob" and "Lease Container", state tables.
enum LeaseRules {
    static func state(of lease: LeaseRecord?, at now: Timestamp) -> LeaseView.State {
        guard let lease else { return .available }
        switch lease.phase {
        case .leased(nil): return .leased
        case .leased(let until?): return now < until ? .leased : .expired
        case .breaking(let until): return now < until ? .breaking : .broken
        case .broken: return .broken
        }
    }

    static func view(of lease: LeaseRecord?, at now: Timestamp) -> LeaseView {
        let state = state(of: lease, at: now)
        return LeaseView(state: state, isInfinite: state == .leased ? lease?.durationSeconds == nil : nil)
    }

    /// Whether a write that carries `given` may go on.
    static func checkWrite(
        _ lease: LeaseRecord?, given: LeaseID?, subject: StorageFailure.LeaseSubject, at now: Timestamp
    ) throws(StorageFailure) {
        guard let given else {
            if state(of: lease, at: now) == .leased || state(of: lease, at: now) == .breaking {
                throw StorageFailure(.leaseIDMissing(subject))
            }
            return
        }
        try checkGiven(lease, given: given, subject: subject, at: now)
    }

    /// Whether a lease id that a read (or a write that needs none) carries is the right one.
    static func checkGiven(
        _ lease: LeaseRecord?, given: LeaseID?, subject: StorageFailure.LeaseSubject, at now: Timestamp
    ) throws(StorageFailure) {
        guard let given else { return }
        switch state(of: lease, at: now) {
        case .leased, .breaking:
            guard lease?.id == given else { throw StorageFailure(.leaseIDMismatch(subject)) }
        case .expired:
            throw StorageFailure(lease?.id == given ? .leaseLost(subject) : .leaseNotPresent(subject))
        case .available, .broken:
            throw StorageFailure(.leaseNotPresent(subject))
        }
    }

    /// The lease that stays after a write: broken and expired ones end with it.
    static func afterWrite(_ lease: LeaseRecord?, at now: Timestamp) -> LeaseRecord? {
        switch state(of: lease, at: now) {
        case .leased, .breaking: lease
        case .available, .broken, .expired: nil
        }
    }

    struct Outcome: Hashable {
        var lease: LeaseRecord?
        var id: LeaseID?
        var remainingSeconds: Int?
    }

    /// - Parameter fresh: the id that an acquire without a proposed one gets.
    static func apply(
        _ action: LeaseAction, to lease: LeaseRecord?, fresh: LeaseID, at now: Timestamp
    ) throws(StorageFailure) -> Outcome {
        switch action {
        case .acquire(let duration, let proposed):
            return try acquire(lease, duration: duration, proposed: proposed, fresh: fresh, at: now)
        case .renew(let id): return try renew(lease, id: id, at: now)
        case .change(let id, let proposed): return try change(lease, id: id, proposed: proposed, at: now)
        case .release(let id):
            guard let lease, lease.id == id else { throw StorageFailure(.leaseIDMismatchWithLeaseOperation) }
            return Outcome(lease: nil)
        case .breakAfter(let seconds): return try breakLease(lease, after: seconds, at: now)
        }
    }

    private static func leased(_ id: LeaseID, _ durationSeconds: Int?, at now: Timestamp) -> Outcome {
        let until = durationSeconds.map { now.adding(seconds: Int64($0)) }
        return Outcome(
            lease: LeaseRecord(id: id, durationSeconds: durationSeconds, phase: .leased(until: until)), id: id)
    }

    private static func acquire(
        _ lease: LeaseRecord?, duration: LeaseDuration, proposed: LeaseID?, fresh: LeaseID, at now: Timestamp
    ) throws(StorageFailure) -> Outcome {
        let seconds: Int? =
            switch duration {
            case .infinite: nil
            case .seconds(let seconds): seconds
            }
        switch state(of: lease, at: now) {
        case .leased:
            guard let proposed, proposed == lease?.id else { throw StorageFailure(.leaseAlreadyPresent) }
            return leased(proposed, seconds, at: now)
        case .breaking:
            guard let proposed, proposed == lease?.id else { throw StorageFailure(.leaseAlreadyPresent) }
            throw StorageFailure(.leaseIsBreakingAndCannotBeAcquired)
        case .available, .broken, .expired:
            return leased(proposed ?? fresh, seconds, at: now)
        }
    }

    private static func renew(_ lease: LeaseRecord?, id: LeaseID, at now: Timestamp) throws(StorageFailure) -> Outcome {
        guard let lease, lease.id == id else { throw StorageFailure(.leaseIDMismatchWithLeaseOperation) }
        switch state(of: lease, at: now) {
        case .leased, .expired: return leased(id, lease.durationSeconds, at: now)
        case .breaking, .broken: throw StorageFailure(.leaseIsBrokenAndCannotBeRenewed)
        case .available: throw StorageFailure(.leaseIDMismatchWithLeaseOperation)
        }
    }

    private static func change(
        _ lease: LeaseRecord?, id: LeaseID, proposed: LeaseID, at now: Timestamp
    ) throws(StorageFailure) -> Outcome {
        switch state(of: lease, at: now) {
        case .leased:
            guard var lease, lease.id == id || lease.id == proposed else {
                throw StorageFailure(.leaseIDMismatchWithLeaseOperation)
            }
            lease.id = proposed
            return Outcome(lease: lease, id: proposed)
        case .breaking:
            guard lease?.id == id || lease?.id == proposed else {
                throw StorageFailure(.leaseIDMismatchWithLeaseOperation)
            }
            throw StorageFailure(.leaseIsBreakingAndCannotBeChanged)
        case .available, .broken, .expired: throw StorageFailure(.leaseNotPresentWithLeaseOperation)
        }
    }

    private static func breakLease(
        _ lease: LeaseRecord?, after seconds: Int?, at now: Timestamp
    ) throws(StorageFailure) -> Outcome {
        guard var lease else { throw StorageFailure(.leaseNotPresentWithLeaseOperation) }
        let end: Timestamp
        switch state(of: lease, at: now) {
        case .available, .broken, .expired:
            lease.phase = .broken
            return Outcome(lease: lease, remainingSeconds: 0)
        case .leased:
            let natural: Timestamp? = if case .leased(let until?) = lease.phase { until } else { nil }
            let asked = seconds.map { now.adding(seconds: Int64($0)) }
            end = [natural, asked].compactMap { $0 }.min() ?? now
        case .breaking:
            guard case .breaking(let until) = lease.phase else { return Outcome(lease: lease, remainingSeconds: 0) }
            end = min(until, seconds.map { now.adding(seconds: Int64($0)) } ?? until)
        }
        let left = end.nanoseconds - now.nanoseconds
        guard left > 0 else {
            lease.phase = .broken
            return Outcome(lease: lease, remainingSeconds: 0)
        }
        lease.phase = .breaking(until: end)
        return Outcome(lease: lease, remainingSeconds: Int((left + 999_999_999) / 1_000_000_000))
    }
}
