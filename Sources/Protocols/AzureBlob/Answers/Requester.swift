import Access
import Observability

// What the audit trail says about a credential. Source: StorageBlobLogs.
extension Credential {
    var successText: String {
        switch principal {
        case .anonymous: "AnonymousSuccess"
        case .accountKey: "Success"
        case .delegated: "SASSuccess"
        case .identity: "OAuthSuccess"
        }
    }
}

extension RequesterFacts {
    convenience init(_ credential: Credential, _ trace: Trace) {
        let authorization = Self.authorization(credential.principal, trace)
        switch credential.principal {
        case .accountKey:
            self.init(
                authenticationType: "AccountKey", authenticationHash: credential.auditHash,
                authorization: authorization)
        case .anonymous: self.init(authenticationType: "Anonymous")
        case .identity(let identity):
            self.init(identity, type: "OAuth", hash: credential.auditHash, authorization: authorization)
        case .delegated(let delegation):
            switch delegation.signer {
            case .accountKey:
                self.init(
                    authenticationType: "SAS", authenticationHash: credential.auditHash, authorization: authorization)
            case .identity(let identity):
                self.init(identity, type: "DelegationSas", hash: credential.auditHash, authorization: authorization)
            }
        }
    }

    private convenience init(_ identity: Identity, type: String, hash: String?, authorization: [Authorization]) {
        self.init(
            authenticationType: type, authenticationHash: hash, objectID: identity.objectID,
            tenantID: identity.tenantID, applicationID: identity.applicationID, audience: identity.audience,
            tokenIssuer: identity.issuer, userPrincipalName: identity.userPrincipalName, authorization: authorization)
    }

    /// Keys and their signatures rest on no role: their details are left out, as the service does.
    private static func authorization(_ principal: Principal, _ trace: Trace) -> [Authorization] {
        let identity: Identity
        switch principal {
        case .identity(let own): identity = own
        case .delegated(let delegation):
            guard case .identity(let signer) = delegation.signer else { return [] }
            identity = signer
        case .accountKey, .anonymous: return []
        }
        guard let asked = trace.asked else { return [] }
        return asked.permissions.actionNames.enumerated().map { index, action in
            guard let grant = trace.grant else {
                return Authorization(
                    action: action, principalID: identity.objectID, principalType: identity.auditType,
                    result: "Denied", reason: "Policy")
            }
            let used = grant.assignments.first { assignment in
                assignment.role.permissions.actionNames.contains(action)
            }
            return Authorization(
                action: action, roleAssignmentID: used?.id, roleDefinitionID: used?.role.definitionID,
                principalID: used?.assignee.id ?? identity.objectID,
                principalType: used?.assignee.isGroup == true ? "Group" : identity.auditType, result: "Granted",
                reason: "Policy")
        }
    }
}

extension Identity {
    fileprivate var auditType: String { kind == .user ? "User" : "ServicePrincipal" }
}

extension RoleAssignment.Assignee {
    fileprivate var id: String {
        switch self {
        case .object(let id), .application(let id), .group(let id): id
        }
    }
    fileprivate var isGroup: Bool { if case .group = self { true } else { false } }
}
