package import NIOHTTP1
package import StorageModel

/// Everything that the admin endpoint can be asked for.
package enum AdminOperation: Hashable, Sendable {
    case live
    case ready
    case metrics
    case status
    case listAccounts
    case createAccount
    case showAccount(AccountName)
    case changeAccount(AccountName)
    case deleteAccount(AccountName)
    case showKeys(AccountName)
    /// Key 1 or 2.
    case rotateKey(AccountName, Int)
    case revokeDelegationKeys(AccountName)
    case listRoles(AccountName)
    case assignRole(AccountName)
    case removeRole(AccountName, id: String)

    /// Why a request is none of them.
    package enum Unroutable: Error, Equatable, Sendable {
        case notFound
        case methodNotAllowed(allowed: [HTTPMethod])
    }

    /// By method and path; a query is ignored. HEAD is GET.
    package init(_ method: HTTPMethod, uri: String) throws(Unroutable) {
        let choices = Self.operations(at: uri)
        guard !choices.isEmpty else { throw .notFound }
        let wanted = method == .HEAD ? .GET : method
        guard let choice = choices.first(where: { $0.method == wanted }) else {
            let allowed = choices.flatMap { $0.method == .GET ? [.GET, .HEAD] : [$0.method] }
            throw .methodNotAllowed(allowed: allowed)
        }
        self = choice.operation
    }

    /// What a path can be asked, with which method.
    private static func operations(at uri: String) -> [(method: HTTPMethod, operation: Self)] {
        let path = uri.prefix { $0 != "?" }
        guard path.first == "/" else { return [] }
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        switch parts {
        case ["healthz", "live"]: return [(.GET, .live)]
        case ["healthz", "ready"]: return [(.GET, .ready)]
        case ["metrics"]: return [(.GET, .metrics)]
        case ["status"]: return [(.GET, .status)]
        case ["accounts"]: return [(.GET, .listAccounts), (.POST, .createAccount)]
        default:
            guard parts.count >= 2, parts[0] == "accounts", let name = try? AccountName(validating: parts[1]) else {
                return []
            }
            return operations(on: name, Array(parts.dropFirst(2)))
        }
    }

    private static func operations(on name: AccountName, _ rest: [String]) -> [(method: HTTPMethod, operation: Self)] {
        switch rest {
        case []:
            return [(.GET, .showAccount(name)), (.PATCH, .changeAccount(name)), (.DELETE, .deleteAccount(name))]
        case ["keys"]: return [(.GET, .showKeys(name))]
        case ["keys", "1", "rotate"]: return [(.POST, .rotateKey(name, 1))]
        case ["keys", "2", "rotate"]: return [(.POST, .rotateKey(name, 2))]
        case ["revoke-delegation-keys"]: return [(.POST, .revokeDelegationKeys(name))]
        case ["roles"]: return [(.GET, .listRoles(name)), (.POST, .assignRole(name))]
        default:
            guard rest.count == 2, rest[0] == "roles", let id = UUIDText.parse(rest[1]) else { return [] }
            return [(.DELETE, .removeRole(name, id: id))]
        }
    }

    /// Probes have no credentials: whoever asks may know whether the node lives.
    var isOpen: Bool { self == .live || self == .ready }
    /// What `metrics-open` opens.
    var isForScrapers: Bool { self == .metrics || self == .status }

    /// The account that it is about.
    var account: AccountName? {
        switch self {
        case .live, .ready, .metrics, .status, .listAccounts, .createAccount: nil
        case .showAccount(let name), .changeAccount(let name), .deleteAccount(let name), .showKeys(let name),
            .rotateKey(let name, _), .revokeDelegationKeys(let name), .listRoles(let name), .assignRole(let name),
            .removeRole(let name, _):
            name
        }
    }

    /// Whether an operator should find it in the log: it changes something or shows a secret.
    var isNoteworthy: Bool {
        switch self {
        case .live, .ready, .metrics, .status, .listAccounts, .showAccount, .listRoles: false
        case .createAccount, .changeAccount, .deleteAccount, .showKeys, .rotateKey, .revokeDelegationKeys, .assignRole,
            .removeRole:
            true
        }
    }

    /// As metrics and logs call it.
    var name: String {
        switch self {
        case .live: "AdminLive"
        case .ready: "AdminReady"
        case .metrics: "AdminMetrics"
        case .status: "AdminStatus"
        case .listAccounts: "AdminListAccounts"
        case .createAccount: "AdminCreateAccount"
        case .showAccount: "AdminShowAccount"
        case .changeAccount: "AdminChangeAccount"
        case .deleteAccount: "AdminDeleteAccount"
        case .showKeys: "AdminShowKeys"
        case .rotateKey: "AdminRotateKey"
        case .revokeDelegationKeys: "AdminRevokeDelegationKeys"
        case .listRoles: "AdminListRoles"
        case .assignRole: "AdminAssignRole"
        case .removeRole: "AdminRemoveRole"
        }
    }
}
