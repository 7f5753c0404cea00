package import StorageModel

/// Who asks, after authentication.
package enum Principal: Sendable, Hashable {
    /// The holder of key 1 or 2 of the account.
    case accountKey(AccountName, number: Int)
    /// Somebody whom an identity provider vouches for.
    case identity(Identity)
    /// The bearer of a shared access signature.
    case delegated(Delegation)
    case anonymous
}

/// A user, a service principal or a managed identity, as its token says. Ids are GUIDs in lower case.
package final class Identity: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case user
        case application
        /// With the ARM id of the identity or, when it is a machine's own, of the machine.
        case managedIdentity(resource: String?)
    }

    package let tenantID: String
    package let objectID: String
    /// The client that asked for the token.
    package let applicationID: String?
    package let groups: [String]
    package let kind: Kind
    package let audience: String?
    package let issuer: String?
    package let userPrincipalName: String?

    package init(
        tenantID: String, objectID: String, applicationID: String? = nil, groups: [String] = [], kind: Kind = .user,
        audience: String? = nil, issuer: String? = nil, userPrincipalName: String? = nil
    ) {
        self.tenantID = tenantID
        self.objectID = objectID
        self.applicationID = applicationID
        self.groups = groups
        self.kind = kind
        self.audience = audience
        self.issuer = issuer
        self.userPrincipalName = userPrincipalName
    }

    package static func == (left: Identity, right: Identity) -> Bool {
        left === right
            || left.tenantID == right.tenantID && left.objectID == right.objectID
                && left.applicationID == right.applicationID && left.groups == right.groups
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(tenantID)
        hasher.combine(objectID)
    }
}

/// What a verified shared access signature hands on.
package final class Delegation: Sendable, Hashable {
    /// Whose power is handed on.
    package enum Signer: Sendable, Hashable {
        case accountKey(number: Int)
        /// The holder of a user delegation key: the bearer may no more than they may at the time of use.
        case identity(Identity)
    }

    /// The kinds of resource that an account SAS opens.
    package struct ResourceTypes: OptionSet, Sendable, Hashable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let service = Self(rawValue: 1)
        package static let container = Self(rawValue: 2)
        package static let object = Self(rawValue: 4)
    }

    /// What the signature is about.
    package enum Reach: Sendable, Hashable {
        case account(ResourceTypes)
        case container(ContainerName)
        case blob(ContainerName, BlobName)
    }

    package let account: AccountName
    package let signer: Signer
    package let permissions: DelegatedPermissions
    package let reach: Reach

    package init(account: AccountName, signer: Signer, permissions: DelegatedPermissions, reach: Reach) {
        self.account = account
        self.signer = signer
        self.permissions = permissions
        self.reach = reach
    }

    package static func == (left: Delegation, right: Delegation) -> Bool {
        left === right
            || left.account == right.account && left.signer == right.signer && left.permissions == right.permissions
                && left.reach == right.reach
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(account)
        hasher.combine(reach)
    }
}
