package import StorageModel

/// The one decision function, for every protocol. Default is refusal.
package enum Access {
    package enum Refusal: Error, Hashable, Sendable {
        /// The credential is for another account.
        case wrongAccount
        /// No credential, and the resource is not public: the caller may come back with one.
        case credentialRequired
        /// No credential, and this account permits no public access at all.
        case publicAccessDisabled
        /// The credential is of a kind that never allows this.
        case notPossible
        /// The signature is not for this kind of resource.
        case resourceTypeMismatch
        /// The credential is of the right kind and does not allow this.
        case permissionMissing
    }

    /// - Parameter publicAccess: the level of the container in question; `nil` when private, absent or not applicable.
    package static func decide(
        _ principal: Principal, _ request: AccessRequest, account: Account, publicAccess: PublicAccess? = nil
    ) throws(Refusal) -> Grant {
        switch principal {
        case .accountKey(let name, _):
            guard name == account.name else { throw .wrongAccount }
            return Grant(principal: principal, createsOnly: false, assignments: [])
        case .identity(let identity):
            let used = try assignments(of: identity, request, account)
            return Grant(principal: principal, createsOnly: false, assignments: used)
        case .delegated(let delegation):
            return try decide(principal, delegation, request, account)
        case .anonymous:
            guard account.switches.allowsPublicAccess else { throw .publicAccessDisabled }
            switch (request.publicLevel, publicAccess) {
            case (.blob?, .blob?), (.blob?, .container?), (.container?, .container?):
                return Grant(principal: principal, createsOnly: false, assignments: [])
            default: throw .credentialRequired
            }
        }
    }

    private static func assignments(
        of identity: Identity, _ request: AccessRequest, _ account: Account
    ) throws(Refusal) -> [RoleAssignment] {
        guard
            let used = account.roles.assignments(
                allowing: request.permissions, on: request.resource, to: identity)
        else { throw .permissionMissing }
        return used
    }

    private static func decide(
        _ principal: Principal, _ delegation: Delegation, _ request: AccessRequest, _ account: Account
    ) throws(Refusal) -> Grant {
        guard delegation.account == account.name else { throw .wrongAccount }
        let need = request.delegated
        guard !need.oneOf.isEmpty else { throw .notPossible }
        try check(delegation.reach, need, request.resource)
        let usable = delegation.permissions.intersection(need.oneOf)
        guard !usable.isEmpty, delegation.permissions.isSuperset(of: need.allOf) else { throw .permissionMissing }
        var used: [RoleAssignment] = []
        if case .identity(let identity) = delegation.signer { used = try assignments(of: identity, request, account) }
        return Grant(principal: principal, createsOnly: usable.isSubset(of: need.onlyForNew), assignments: used)
    }

    /// What a signature is about was checked with the signature; this is what it may be used for.
    private static func check(
        _ reach: Delegation.Reach, _ need: DelegatedNeed, _ resource: Resource
    ) throws(Refusal) {
        switch reach {
        case .account(let types):
            guard !types.isDisjoint(with: need.resourceTypes) else { throw .resourceTypeMismatch }
        case .container(let name):
            guard need.serviceSignatures != .never else { throw .notPossible }
            switch resource {
            case .account: throw .notPossible
            case .container(let asked), .blob(let asked, _), .names(let asked, _):
                guard asked == name else { throw .notPossible }
            }
        case .blob(let container, let name):
            guard need.serviceSignatures == .any, resource == .blob(container, name) else { throw .notPossible }
        }
    }
}
