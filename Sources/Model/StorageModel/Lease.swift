/// A lease id in the lower-case D form of a GUID.
package struct LeaseID: Hashable, Sendable, CustomStringConvertible {
    package let value: String
    package init?(_ text: some StringProtocol) {
        guard let canonical = UUIDText.parse(text) else { return nil }
        value = canonical
    }
    package init(stored value: String) { self.value = value }
    package var description: String { value }
}

package enum LeaseDuration: Hashable, Sendable {
    case infinite
    /// 15 to 60 seconds.
    case seconds(Int)
}

/// What every protocol may show of a lease at a given moment.
package struct LeaseView: Hashable, Sendable {
    package enum State: String, Sendable { case available, leased, expired, breaking, broken }
    package var state: State
    /// Only while leased.
    package var isInfinite: Bool?

    package static let available = LeaseView(state: .available, isInfinite: nil)

    package init(state: State, isInfinite: Bool?) {
        self.state = state
        self.isInfinite = isInfinite
    }

    /// `locked` while leased or breaking.
    package var isLocked: Bool { state == .leased || state == .breaking }
}

/// The five actions on a lease, blob or container alike.
package enum LeaseAction: Hashable, Sendable {
    case acquire(duration: LeaseDuration, proposed: LeaseID?)
    case renew(LeaseID)
    case change(LeaseID, proposed: LeaseID)
    case release(LeaseID)
    /// Seconds until the lease ends, 0 to 60; absent: what is left of a fixed lease, at once for an infinite one.
    case breakAfter(seconds: Int?)
}
