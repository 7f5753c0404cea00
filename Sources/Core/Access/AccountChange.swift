package import StorageModel

/// What an operator changes about an account. What is `nil` stays as it is.
package struct AccountChange: Sendable, Hashable {
    package var isEnabled: Bool?
    package var allowsSharedKey: Bool?
    package var allowsSharedAccessSignatures: Bool?
    package var allowsPublicAccess: Bool?
    package var requiresTLS: Bool?
    package var minimumTLS: TLSVersion?
    package var accountLimits = Limits()
    package var principalLimits = Limits()

    package enum Bound: Sendable, Hashable {
        case unlimited
        case at(Int64)
    }

    package struct Limits: Sendable, Hashable {
        package var requestsPerSecond: Bound?
        package var bytesPerSecond: Bound?
        package var concurrentRequests: Bound?

        package init(requestsPerSecond: Bound? = nil, bytesPerSecond: Bound? = nil, concurrentRequests: Bound? = nil) {
            self.requestsPerSecond = requestsPerSecond
            self.bytesPerSecond = bytesPerSecond
            self.concurrentRequests = concurrentRequests
        }
    }

    package init(isEnabled: Bool? = nil) { self.isEnabled = isEnabled }
}

extension AccountRecord {
    mutating func apply(_ change: AccountChange) {
        switches.isEnabled = change.isEnabled ?? switches.isEnabled
        switches.allowsSharedKey = change.allowsSharedKey ?? switches.allowsSharedKey
        switches.allowsSharedAccessSignatures =
            change.allowsSharedAccessSignatures ?? switches.allowsSharedAccessSignatures
        switches.allowsPublicAccess = change.allowsPublicAccess ?? switches.allowsPublicAccess
        switches.requiresTLS = change.requiresTLS ?? switches.requiresTLS
        switches.minimumTLS = change.minimumTLS?.rawValue ?? switches.minimumTLS
        accountLimits.apply(change.accountLimits)
        principalLimits.apply(change.principalLimits)
    }
}

extension AccountRecord.Limits {
    fileprivate mutating func apply(_ change: AccountChange.Limits) {
        Self.apply(change.requestsPerSecond, to: &requestsPerSecond)
        Self.apply(change.bytesPerSecond, to: &bytesPerSecond)
        Self.apply(change.concurrentRequests, to: &concurrentRequests)
    }

    private static func apply<Value: BinaryInteger>(_ bound: AccountChange.Bound?, to value: inout Value?) {
        switch bound {
        case nil: break
        case .unlimited?: value = nil
        case .at(let limit)?: value = Value(clamping: limit)
        }
    }

    var limits: RequestLimits {
        RequestLimits(
            requestsPerSecond: requestsPerSecond, bytesPerSecond: bytesPerSecond,
            concurrentRequests: concurrentRequests)
    }
}

extension AccountRecord.Switches {
    /// - Parameter defaults: for what nobody has set.
    func switches(defaults: AccountSwitches) throws(StorageFailure) -> AccountSwitches {
        var result = defaults
        if let isEnabled { result.isEnabled = isEnabled }
        if let allowsSharedKey { result.allowsSharedKey = allowsSharedKey }
        if let allowsSharedAccessSignatures { result.allowsSharedAccessSignatures = allowsSharedAccessSignatures }
        if let allowsPublicAccess { result.allowsPublicAccess = allowsPublicAccess }
        if let requiresTLS { result.requiresTLS = requiresTLS }
        if let minimumTLS {
            guard let version = TLSVersion(rawValue: minimumTLS) else {
                throw StorageFailure(.damaged, cause: "account record: TLS version")
            }
            result.minimumTLS = version
        }
        return result
    }
}
