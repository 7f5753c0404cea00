import Access
import Observability
import StorageModel

/// A role assignment as the admin API reads it.
struct NewAssignment {
    var role: Role
    var assignee: RoleAssignment.Assignee
    var tenant: String?
    var scope: RoleAssignment.Scope

    /// Azure's longest blob name, in UTF-16 units: a longer prefix covers nothing.
    private static let maximumPrefix = 1_024

    init(_ body: [UInt8]) throws(InvalidDocument) {
        var members = try JSONMembers(body)
        guard let text = try members.text("role"), let role = Role(naming: text) else {
            throw InvalidDocument("role is one of \(Role.allCases.map(\.shortName).joined(separator: ", ")).")
        }
        self.role = role
        assignee = try Self.assignee(&members)
        tenant = try Self.guid(&members, "tenant")
        scope = try Self.scope(&members)
        try members.finish()
    }

    private static func assignee(_ members: inout JSONMembers) throws(InvalidDocument) -> RoleAssignment.Assignee {
        let object = try guid(&members, "object")
        let application = try guid(&members, "application")
        let group = try guid(&members, "group")
        switch (object, application, group) {
        case (let id?, nil, nil): return .object(id)
        case (nil, let id?, nil): return .application(id)
        case (nil, nil, let id?): return .group(id)
        default: throw InvalidDocument("Exactly one of object, application and group says whom the role is given to.")
        }
    }

    private static func guid(_ members: inout JSONMembers, _ name: String) throws(InvalidDocument) -> String? {
        guard let text = try members.text(name) else { return nil }
        guard let id = UUIDText.parse(text) else { throw InvalidDocument("\(name) is a GUID.") }
        return id
    }

    private static func scope(_ members: inout JSONMembers) throws(InvalidDocument) -> RoleAssignment.Scope {
        let container = try members.text("container")
        let prefix = try members.text("prefix")
        guard let container else {
            guard prefix == nil else { throw InvalidDocument("A prefix needs its container.") }
            return .account
        }
        guard let name = try? ContainerName(validating: container) else {
            throw InvalidDocument("container is a container's name.")
        }
        guard let prefix else { return .container(name) }
        guard (1...maximumPrefix).contains(prefix.utf16.count) else {
            throw InvalidDocument("prefix has 1 to \(maximumPrefix) characters.")
        }
        return .prefix(name, prefix)
    }
}

extension JSONWriter {
    mutating func members(of assignment: RoleAssignment) {
        member("id", assignment.id)
        member("role", assignment.role.shortName)
        member("roleName", assignment.role.rawValue)
        switch assignment.assignee {
        case .object(let id): member("object", id)
        case .application(let id): member("application", id)
        case .group(let id): member("group", id)
        }
        if let tenant = assignment.tenant { member("tenant", tenant) }
        switch assignment.scope {
        case .account: break
        case .container(let name): member("container", name.value)
        case .prefix(let name, let prefix):
            member("container", name.value)
            member("prefix", prefix)
        }
    }
}
