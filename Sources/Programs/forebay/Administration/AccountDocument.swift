/// What the admin API says about accounts, keys and roles.
struct AccountDocument: Decodable {
    struct Key: Decodable {
        var number: Int
        var createdAt: String?
    }
    struct Limits: Decodable {
        var requestsPerSecond: Int64?
        var bytesPerSecond: Int64?
        var concurrentRequests: Int64?

        var text: String {
            let parts = [
                requestsPerSecond.map { "\($0) requests/s" }, bytesPerSecond.map { "\($0) bytes/s" },
                concurrentRequests.map { "\($0) at once" },
            ]
            return parts.compactMap { $0 }.joined(separator: ", ")
        }
    }
    struct AllLimits: Decodable {
        var account: Limits
        var principal: Limits
    }

    var name: String
    var configured: Bool
    var enabled: Bool
    var allowSharedKey: Bool
    var allowSAS: Bool
    var allowPublicAccess: Bool
    var requireTLS: Bool
    var minimumTLS: String
    var keys: [Key]
    var limits: AllLimits
    var roles: Int

    static func table(_ accounts: [AccountDocument]) -> String {
        var table = Table(["NAME", "STATE", "KEYS FROM", "SHARED KEY", "SAS", "PUBLIC", "TLS", "ROLES"])
        for account in accounts {
            table.add([
                account.name, account.enabled ? "enabled" : "disabled", account.configured ? "configuration" : "store",
                onOff(account.allowSharedKey), onOff(account.allowSAS), onOff(account.allowPublicAccess),
                account.requireTLS ? "\(account.minimumTLS) or later" : "optional", String(account.roles),
            ])
        }
        return table.text
    }

    var details: String {
        var table = Table(["ACCOUNT", name])
        table.add(["state", enabled ? "enabled" : "disabled"])
        table.add(["keys from", configured ? "configuration" : "store"])
        for key in keys { table.add(["key \(key.number)", key.createdAt.map { "made \($0)" } ?? "configured"]) }
        table.add(["shared key", Self.onOff(allowSharedKey)])
        table.add(["SAS", Self.onOff(allowSAS)])
        table.add(["public access", Self.onOff(allowPublicAccess)])
        table.add(["TLS", requireTLS ? "required" : "optional"])
        table.add(["minimum TLS", minimumTLS])
        table.add(["limits of the account", limits.account.text])
        table.add(["limits of a principal", limits.principal.text])
        table.add(["roles", String(roles)])
        return table.text
    }

    private static func onOff(_ value: Bool) -> String { value ? "on" : "off" }
}

struct AccountList: Decodable { var accounts: [AccountDocument] }

struct KeyDocument: Decodable {
    var number: Int
    var key: String
    var createdAt: String
}

struct KeyList: Decodable {
    var keys: [KeyDocument]

    static func table(_ keys: [KeyDocument]) -> String {
        var table = Table(["KEY", "MADE", "VALUE"])
        for key in keys { table.add([String(key.number), key.createdAt, key.key]) }
        return table.text
    }
}

struct RoleDocument: Decodable {
    var id: String
    var roleName: String
    var object: String?
    var application: String?
    var group: String?
    var tenant: String?
    var container: String?
    var prefix: String?

    static func table(_ roles: [RoleDocument]) -> String {
        var table = Table(["ID", "ROLE", "ASSIGNEE", "TENANT", "SCOPE"])
        for role in roles {
            let assignee =
                role.object.map { "object \($0)" } ?? role.application.map { "application \($0)" }
                ?? role.group.map { "group \($0)" } ?? ""
            let scope = role.container.map { "\($0)/\(role.prefix.map { "\($0)*" } ?? "")" } ?? "account"
            table.add([role.id, role.roleName, assignee, role.tenant ?? "any", scope])
        }
        return table.text
    }
}

struct RoleList: Decodable { var roles: [RoleDocument] }
