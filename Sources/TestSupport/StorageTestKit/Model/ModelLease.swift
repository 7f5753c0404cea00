package import StorageModel

/// A lease as the state tables describe it.
package struct ModelLease: Hashable, Sendable {
    package var id: LeaseID
    /// Absent is for ever.
    var seconds: Int64?
    /// When it was acquired, renewed or broken ends at this time; absent is never.
    var end: Timestamp?
    /// Break was asked for.
    var isBreaking = false

    package func state(at now: Timestamp) -> LeaseView.State {
        let isOver = end.map { $0 <= now } ?? false
        return isBreaking ? (isOver ? .broken : .breaking) : (isOver ? .expired : .leased)
    }
}

extension ModelLease {
    package static func view(_ lease: ModelLease?, at now: Timestamp) -> LeaseView {
        let state = lease?.state(at: now) ?? .available
        return LeaseView(state: state, isInfinite: state == .leased ? lease?.end == nil : nil)
    }

    /// Why a write with this id must be refused.
    static func writeProblem(
        _ lease: ModelLease?, _ given: LeaseID?, _ subject: StorageFailure.LeaseSubject, at now: Timestamp
    ) -> StorageFailure.Code? {
        let isActive = view(lease, at: now).isLocked
        if given == nil { return isActive ? .leaseIDMissing(subject) : nil }
        return useProblem(lease, given, subject, at: now)
    }

    static func useProblem(
        _ lease: ModelLease?, _ given: LeaseID?, _ subject: StorageFailure.LeaseSubject, at now: Timestamp
    ) -> StorageFailure.Code? {
        guard let given else { return nil }
        switch (view(lease, at: now).state, lease?.id == given) {
        case (.leased, true), (.breaking, true): return nil
        case (.leased, false), (.breaking, false): return .leaseIDMismatch(subject)
        case (.expired, true): return .leaseLost(subject)
        default: return .leaseNotPresent(subject)
        }
    }

    /// - Parameter made: the id that the store made up, where it did.
    static func apply(
        _ action: LeaseAction, to lease: inout ModelLease?, made: LeaseID?, at now: Timestamp
    ) -> StorageFailure.Code? {
        let state = view(lease, at: now).state
        switch action {
        case .acquire(let duration, let proposed):
            if state == .leased || state == .breaking {
                guard let proposed, proposed == lease?.id else { return .leaseAlreadyPresent }
                if state == .breaking { return .leaseIsBreakingAndCannotBeAcquired }
            }
            let seconds: Int64? = if case .seconds(let seconds) = duration { Int64(seconds) } else { nil }
            guard let id = proposed ?? made else { return nil }
            lease = ModelLease(id: id, seconds: seconds, end: seconds.map { now.adding(seconds: $0) })
        case .renew(let id):
            guard lease?.id == id else { return .leaseIDMismatchWithLeaseOperation }
            if state == .breaking || state == .broken { return .leaseIsBrokenAndCannotBeRenewed }
            let seconds = lease?.seconds
            lease?.end = seconds.map { now.adding(seconds: $0) }
        case .change(let id, let proposed):
            guard state == .leased || state == .breaking else { return .leaseNotPresentWithLeaseOperation }
            guard lease?.id == id || lease?.id == proposed else { return .leaseIDMismatchWithLeaseOperation }
            if state == .breaking { return .leaseIsBreakingAndCannotBeChanged }
            lease?.id = proposed
        case .release(let id):
            guard lease?.id == id else { return .leaseIDMismatchWithLeaseOperation }
            lease = nil
        case .breakAfter(let seconds):
            guard let old = lease else { return .leaseNotPresentWithLeaseOperation }
            if state == .leased || state == .breaking {
                var ends = [old.end, seconds.map { now.adding(seconds: Int64($0)) }].compactMap { $0 }
                if ends.isEmpty { ends = [now] }
                lease?.end = ends.min()
            }
            lease?.isBreaking = true
        }
        return nil
    }
}
