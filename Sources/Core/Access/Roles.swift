package import StorageModel

/// Azure's roles for blob data. Source: "Azure built-in roles for Storage".
package enum Role: String, CaseIterable, Sendable, Hashable {
    case reader = "Storage Blob Data Reader"
    case contributor = "Storage Blob Data Contributor"
    case owner = "Storage Blob Data Owner"
    case delegator = "Storage Blob Delegator"

    /// How the command line, the admin API and the store call it.
    package var shortName: String {
        switch self {
        case .reader: "reader"
        case .contributor: "contributor"
        case .owner: "owner"
        case .delegator: "delegator"
        }
    }

    /// By short name, Azure's name or Azure's id, in any case.
    package init?(naming text: String) {
        let text = text.lowercased()
        guard
            let role = Role.allCases.first(where: {
                [$0.shortName, $0.rawValue.lowercased(), $0.definitionID].contains(text)
            })
        else { return nil }
        self = role
    }

    /// Azure's id of the role's definition.
    package var definitionID: String {
        switch self {
        case .reader: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
        case .contributor: "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
        case .owner: "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
        case .delegator: "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"
        }
    }

    package var permissions: Permissions {
        switch self {
        case .reader: [.readContainers, .readBlobs, .getUserDelegationKey, .readAccountInformation]
        case .contributor:
            [
                .readContainers, .writeContainers, .deleteContainers, .readBlobs, .writeBlobs, .deleteBlobs,
                .getUserDelegationKey, .readAccountInformation,
            ]
        case .owner:
            [
                .readContainers, .writeContainers, .deleteContainers, .getContainerACL, .setContainerACL, .readBlobs,
                .writeBlobs, .deleteBlobs, .readTags, .writeTags, .filterBlobs, .deletePermanently,
                .getUserDelegationKey, .readAccountInformation,
            ]
        case .delegator: [.getUserDelegationKey]
        }
    }
}

/// That somebody has a role in a part of an account.
package struct RoleAssignment: Sendable, Hashable {
    /// Whom a role is given to. Ids are GUIDs in lower case.
    package enum Assignee: Sendable, Hashable {
        /// A user, a service principal or a managed identity, by its object id.
        case object(String)
        /// Whoever comes through this application, by its client id.
        case application(String)
        case group(String)
    }

    /// The part of the account in which the role counts.
    package enum Scope: Sendable, Hashable {
        case account
        case container(ContainerName)
        /// The blobs whose names begin with this text.
        case prefix(ContainerName, String)

        func covers(_ resource: Resource) -> Bool {
            switch (self, resource) {
            case (.account, _): true
            case (.container(let own), .container(let other)), (.container(let own), .blob(let other, _)),
                (.container(let own), .names(let other, _)):
                own == other
            case (.prefix(let own, let prefix), .blob(let other, let name)):
                own == other && name.value.utf8.starts(with: prefix.utf8)
            case (.prefix(let own, let prefix), .names(let other, let asked)):
                own == other && asked.utf8.starts(with: prefix.utf8)
            case (.container, .account), (.prefix, .account), (.prefix, .container): false
            }
        }
    }

    /// A GUID in lower case.
    package var id: String
    package var role: Role
    package var assignee: Assignee
    /// Only principals of this tenant; `nil` for those of every tenant that the node trusts.
    package var tenant: String?
    package var scope: Scope

    package init(id: String, role: Role, assignee: Assignee, tenant: String? = nil, scope: Scope) {
        self.id = id
        self.role = role
        self.assignee = assignee
        self.tenant = tenant
        self.scope = scope
    }
}

/// What an operation is about.
package enum Resource: Sendable, Hashable {
    case account
    case container(ContainerName)
    case blob(ContainerName, BlobName)
    /// The names in a container that begin with this text.
    case names(ContainerName, prefix: String)
}

/// The role assignments of one account, found by whom they are given to.
package struct RoleTable: Sendable {
    private var byAssignee: [RoleAssignment.Assignee: [RoleAssignment]] = [:]

    package init(_ assignments: [RoleAssignment] = []) {
        for assignment in assignments { byAssignee[assignment.assignee, default: []].append(assignment) }
    }

    package var assignments: [RoleAssignment] { byAssignee.values.joined().sorted { $0.id < $1.id } }

    /// The assignments that together allow `wanted` on the resource; `nil` when something of it is not allowed. What wants
    /// nothing, because its parts ask for themselves, needs one assignment, wherever in the account.
    func assignments(allowing wanted: Permissions, on resource: Resource, to identity: Identity) -> [RoleAssignment]? {
        guard !byAssignee.isEmpty else { return nil }
        var missing = wanted
        var used: [RoleAssignment] = []
        func use(_ assignee: RoleAssignment.Assignee) {
            guard !missing.isEmpty || used.isEmpty, let candidates = byAssignee[assignee] else { return }
            for assignment in candidates {
                guard assignment.tenant == nil || assignment.tenant == identity.tenantID else { continue }
                let helps =
                    wanted.isEmpty
                    ? used.isEmpty
                    : !missing.isDisjoint(with: assignment.role.permissions) && assignment.scope.covers(resource)
                guard helps else { continue }
                missing.subtract(assignment.role.permissions)
                used.append(assignment)
            }
        }
        use(.object(identity.objectID))
        if let application = identity.applicationID { use(.application(application)) }
        for group in identity.groups { use(.group(group)) }
        return missing.isEmpty && !used.isEmpty ? used : nil
    }
}
