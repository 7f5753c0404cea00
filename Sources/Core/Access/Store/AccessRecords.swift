import FoundationEssentials
import StorageModel

/// A stored value: its format byte, then JSON. These records are read at the start and when an operator changes them, so
/// that being readable counts for more than being small.
protocol AccessRecord: Codable, Sendable {
    static var format: UInt8 { get }
}

extension AccessRecord {
    func encode() throws(StorageFailure) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        do { return [Self.format] + (try encoder.encode(self)) } catch {
            throw StorageFailure(.internal, cause: "\(Self.self) cannot be written")
        }
    }

    /// - Throws: `.damaged`. Causes never repeat what was read.
    static func decode(_ bytes: [UInt8]) throws(StorageFailure) -> Self {
        guard bytes.first == format else { throw StorageFailure(.damaged, cause: "\(Self.self): unknown format") }
        do { return try JSONDecoder().decode(Self.self, from: Data(bytes.dropFirst())) } catch {
            throw StorageFailure(.damaged, cause: "\(Self.self) cannot be read")
        }
    }
}

/// Kind `p`: what is kept about an account. One that comes with the configuration has no keys here.
struct AccountRecord: AccessRecord {
    static let format: UInt8 = 1

    struct Switches: Codable, Sendable, Hashable {
        // Only what somebody has set: the node's defaults stand in for the rest.
        var isEnabled: Bool?
        var allowsSharedKey: Bool?
        var allowsSharedAccessSignatures: Bool?
        var allowsPublicAccess: Bool?
        var requiresTLS: Bool?
        var minimumTLS: String?
    }

    struct Limits: Codable, Sendable, Hashable {
        var requestsPerSecond: Int?
        var bytesPerSecond: Int64?
        var concurrentRequests: Int?
    }

    struct SealedKey: Codable, Sendable, Hashable {
        /// 1 or 2.
        var number: Int
        /// Nanoseconds since 1970.
        var createdAt: Int64
        /// As `NodeKey.seal` answers it.
        var sealed: Data
    }

    /// Nanoseconds since 1970.
    var createdAt: Int64
    var switches = Switches()
    var accountLimits = Limits()
    var principalLimits = Limits()
    var delegationEpoch: UInt64 = 0
    var keys: [SealedKey] = []
}

/// Kind `r`: one role assignment. Its id and its account are in the key.
struct RoleAssignmentRecord: AccessRecord {
    static let format: UInt8 = 1

    enum AssigneeKind: String, Codable, Sendable { case object, application, group }

    var role: String
    var assigneeKind: AssigneeKind
    var assignee: String
    var tenant: String?
    var container: String?
    var prefix: String?

    init(_ assignment: RoleAssignment) {
        role = assignment.role.shortName
        switch assignment.assignee {
        case .object(let id): (assigneeKind, assignee) = (.object, id)
        case .application(let id): (assigneeKind, assignee) = (.application, id)
        case .group(let id): (assigneeKind, assignee) = (.group, id)
        }
        tenant = assignment.tenant
        switch assignment.scope {
        case .account: break
        case .container(let name): container = name.value
        case .prefix(let name, let prefix): (container, self.prefix) = (name.value, prefix)
        }
    }

    func assignment(id: String) throws(StorageFailure) -> RoleAssignment {
        guard let role = Role.allCases.first(where: { $0.shortName == role }) else {
            throw StorageFailure(.damaged, cause: "role assignment \(id): unknown role")
        }
        let assignee: RoleAssignment.Assignee =
            switch assigneeKind {
            case .object: .object(self.assignee)
            case .application: .application(self.assignee)
            case .group: .group(self.assignee)
            }
        return RoleAssignment(id: id, role: role, assignee: assignee, tenant: tenant, scope: try scope(id: id))
    }

    private func scope(id: String) throws(StorageFailure) -> RoleAssignment.Scope {
        guard let container else {
            guard prefix == nil else { throw StorageFailure(.damaged, cause: "role assignment \(id): scope") }
            return .account
        }
        let name: ContainerName
        do { name = try ContainerName(validating: container) } catch {
            throw StorageFailure(.damaged, cause: "role assignment \(id): container")
        }
        return prefix.map { .prefix(name, $0) } ?? .container(name)
    }
}

/// Kind `o`: who was given a user delegation key. Tenant, object id and application are in the key.
struct DelegatorRecord: AccessRecord {
    static let format: UInt8 = 1

    enum PrincipalKind: String, Codable, Sendable { case user, application, managedIdentity }

    var groups: [String]
    var kind: PrincipalKind
    /// Of a managed identity.
    var resource: String?
    /// When its last key ends: nanoseconds since 1970.
    var until: Int64

    init(_ identity: Identity, until: Timestamp) {
        groups = identity.groups
        switch identity.kind {
        case .user: kind = .user
        case .application: kind = .application
        case .managedIdentity(let resource): (kind, self.resource) = (.managedIdentity, resource)
        }
        self.until = until.nanoseconds
    }

    func identity(_ id: DelegatorID) -> Identity {
        let kind: Identity.Kind =
            switch self.kind {
            case .user: .user
            case .application: .application
            case .managedIdentity: .managedIdentity(resource: resource)
            }
        return Identity(
            tenantID: id.tenant, objectID: id.object,
            applicationID: id.application.isEmpty ? nil : id.application, groups: groups, kind: kind)
    }
}
