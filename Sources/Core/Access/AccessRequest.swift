package import StorageModel

/// What is asked for, in the words of each kind of credential.
package struct AccessRequest: Sendable, Hashable {
    package var resource: Resource
    /// What roles have to allow: all of it.
    package var permissions: Permissions
    package var delegated: DelegatedNeed
    /// The least level of public access that opens this to everybody; `nil` when none does.
    package var publicLevel: PublicAccess?

    package init(
        resource: Resource, permissions: Permissions, delegated: DelegatedNeed, publicLevel: PublicAccess? = nil
    ) {
        self.resource = resource
        self.permissions = permissions
        self.delegated = delegated
        self.publicLevel = publicLevel
    }
}

/// What a shared access signature has to allow.
package struct DelegatedNeed: Sendable, Hashable {
    package enum ServiceSignatures: Sendable, Hashable {
        /// Not for service and user delegation SAS, whatever their letters.
        case never
        /// Only with one for the whole container.
        case container
        case any
    }

    /// One of these is enough; none at all means that no signature is.
    package var oneOf: DelegatedPermissions
    /// And all of these.
    package var allOf: DelegatedPermissions
    /// Those of `oneOf` that open a new blob only.
    package var onlyForNew: DelegatedPermissions
    /// The kind of resource for an account SAS: one of these.
    package var resourceTypes: Delegation.ResourceTypes
    package var serviceSignatures: ServiceSignatures

    package init(
        oneOf: DelegatedPermissions, allOf: DelegatedPermissions = [], onlyForNew: DelegatedPermissions = [],
        resourceTypes: Delegation.ResourceTypes, serviceSignatures: ServiceSignatures
    ) {
        self.oneOf = oneOf
        self.allOf = allOf
        self.onlyForNew = onlyForNew
        self.resourceTypes = resourceTypes
        self.serviceSignatures = serviceSignatures
    }

    /// No signature allows it.
    package static let never = Self(oneOf: [], resourceTypes: [], serviceSignatures: .never)
}

/// Leave to do what was asked for.
package struct Grant: Sendable, Hashable {
    package let principal: Principal
    /// Only if the blob does not exist: an existing one must not be replaced.
    package let createsOnly: Bool
    /// The role assignments that it rests on; none for keys and their signatures.
    package let assignments: [RoleAssignment]
}
