package import HTTPExchange
package import Observability
package import StorageModel
import Synchronization

/// Decides whether a request may begin now, by the limits of its account and of its principal, and by what is fair
/// between accounts when the node is crowded.
///
/// One for the node. A request enters when it is known who asks, and leaves with its ticket, which the front door ends
/// when the answer is out. The rules are `AdmissionState`'s; this is the lock, the clock and the counts around it.
package final class AdmissionControl: Sendable {
    private struct Shell: Sendable {
        var state: AdmissionState
        /// By the account's place in the state.
        var counts: [AdmissionCounts?] = []
        var labelled: Set<AccountName> = []
    }

    private let shell: Mutex<Shell>
    private let world: World
    private let metrics: MetricRegistry

    /// Accounts beyond these are counted together: labels must not grow without a bound.
    private static let labelledAccounts = 100

    /// - Parameter capacity: how many requests the node serves at once.
    package init(capacity: Int, world: World, metrics: MetricRegistry = MetricRegistry()) {
        shell = Mutex(Shell(state: AdmissionState(capacity: capacity)))
        self.world = world
        self.metrics = metrics
    }

    /// Lets a request in.
    /// - Parameter principal: who asks, by an id that is unique within the account; `nil` for whom no limits apply, such
    ///   as the anonymous.
    /// - Returns: the ticket to hand to the front door with the answer. A ticket that goes away without its end gives
    ///   the place back.
    /// - Throws: `.busy` with the seconds (1 to 30) until another try is worth it.
    package func enter(
        account: AccountName, accountLimits: RequestLimits, principal: String?, principalLimits: RequestLimits
    ) throws(StorageFailure) -> any RequestTicket {
        let claim = AdmissionClaim(
            account: account, accountLimits: accountLimits,
            principal: principalLimits.isEmpty ? nil : principal, principalLimits: principalLimits)
        // Without limits there is nothing to ask the clock for.
        let now = claim.isLimited ? world.monotonicNanoseconds() : 0
        enum Outcome {
            case admitted(AdmissionPlace, AdmissionCounts)
            case refused(AdmissionRefusal)
        }
        let outcome: Outcome = shell.withLock { shell in
            do throws(AdmissionRefusal) {
                let place = try shell.state.enter(claim, now: now)
                return .admitted(place, counts(of: account, at: place.account, &shell))
            } catch { return .refused(error) }
        }
        switch outcome {
        case .admitted(let place, let counts):
            counts.admitted.add()
            return AdmissionTicket(
                self, place, accountBytesPerSecond: accountLimits.bytesPerSecond,
                principalBytesPerSecond: claim.principal == nil ? nil : principalLimits.bytesPerSecond)
        case .refused(let refusal): throw failure(refusal, of: account)
        }
    }

    /// Charges one request to the rates of its account and its principal, without a place: for the parts of a batch, which
    /// has one. Parameters and failures are those of `enter`.
    package func charge(
        account: AccountName, accountLimits: RequestLimits, principal: String?, principalLimits: RequestLimits
    ) throws(StorageFailure) {
        let claim = AdmissionClaim(
            account: account, accountLimits: accountLimits,
            principal: principalLimits.isEmpty ? nil : principal, principalLimits: principalLimits)
        let now = claim.isLimited ? world.monotonicNanoseconds() : 0
        enum Outcome {
            case charged(AdmissionCounts)
            case refused(AdmissionRefusal)
        }
        let outcome: Outcome = shell.withLock { shell in
            do throws(AdmissionRefusal) {
                let place = try shell.state.charge(claim, now: now)
                return .charged(counts(of: account, at: place, &shell))
            } catch { return .refused(error) }
        }
        switch outcome {
        case .charged(let counts): counts.admitted.add()
        case .refused(let refusal): throw failure(refusal, of: account)
        }
    }

    /// Counts the refusal.
    private func failure(_ refusal: AdmissionRefusal, of account: AccountName) -> StorageFailure {
        let label = shell.withLock { Self.label(of: account, &$0) }
        metrics.counter(.admissionRefused, [label, MetricLabel("reason", refusal.reason.rawValue)]).add()
        return StorageFailure(
            .busy(retryAfterSeconds: refusal.retryAfterSeconds), cause: "admission: \(refusal.reason.rawValue)")
    }

    fileprivate func leave(_ place: AdmissionPlace, _ charge: AdmissionCharge) {
        let now = charge.isNothing ? 0 : world.monotonicNanoseconds()
        shell.withLock { $0.state.leave(place, charge, now: now) }
    }

    private func counts(of account: AccountName, at place: Int, _ shell: inout Shell) -> AdmissionCounts {
        while shell.counts.count <= place { shell.counts.append(nil) }
        // A place may have been another account's before.
        if let known = shell.counts[place], known.account == account { return known }
        let label = Self.label(of: account, &shell)
        let made = AdmissionCounts(account: account, admitted: metrics.counter(.admissionAdmitted, [label]))
        shell.counts[place] = made
        return made
    }

    private static func label(of account: AccountName, _ shell: inout Shell) -> MetricLabel {
        if !shell.labelled.contains(account) {
            guard shell.labelled.count < labelledAccounts else { return MetricLabel("account", "other") }
            shell.labelled.insert(account)
        }
        return MetricLabel("account", account.value)
    }

    /// How many requests are in: for tests and the status page.
    package var requestsInFlight: Int { shell.withLock { $0.state.inFlight } }
    /// How many principals are remembered: for tests.
    package var principalsKept: Int { shell.withLock { $0.state.principalCount } }
}

private final class AdmissionCounts: Sendable {
    let account: AccountName
    let admitted: Counter

    init(account: AccountName, admitted: Counter) {
        self.account = account
        self.admitted = admitted
    }
}

/// The place that one request holds.
private final class AdmissionTicket: RequestTicket {
    private let control: AdmissionControl
    private let place: AdmissionPlace
    private let accountBytesPerSecond: Int64?
    private let principalBytesPerSecond: Int64?
    private let hasEnded = Atomic<Bool>(false)

    fileprivate init(
        _ control: AdmissionControl, _ place: AdmissionPlace, accountBytesPerSecond: Int64?,
        principalBytesPerSecond: Int64?
    ) {
        self.control = control
        self.place = place
        self.accountBytesPerSecond = accountBytesPerSecond
        self.principalBytesPerSecond = principalBytesPerSecond
    }

    /// Gives the place back and charges the bytes. Any later call does nothing.
    func end(requestBytes: Int64, responseBytes: Int64) {
        guard !hasEnded.exchange(true, ordering: .relaxed) else { return }
        control.leave(
            place,
            AdmissionCharge(
                bytes: requestBytes + responseBytes, accountBytesPerSecond: accountBytesPerSecond,
                principalBytesPerSecond: principalBytesPerSecond))
    }

    /// A mistake of ours must not cost the account its place for good.
    deinit { end(requestBytes: 0, responseBytes: 0) }
}
