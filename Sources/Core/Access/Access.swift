package import StorageModel

/// An account as the node knows it: its name, its two keys and its switches.
package struct Account: Sendable {
    package var name: AccountName
    /// One or two keys, decoded. Either signs.
    package var keys: [[UInt8]]
    package var allowsSharedKey: Bool
    package var allowsPublicAccess: Bool

    package init(name: AccountName, keys: [[UInt8]], allowsSharedKey: Bool = true, allowsPublicAccess: Bool = false) {
        self.name = name
        self.keys = keys
        self.allowsSharedKey = allowsSharedKey
        self.allowsPublicAccess = allowsPublicAccess
    }
}

/// The accounts of this node.
package final class AccountDirectory: Sendable {
    private let accounts: [AccountName: Account]

    package init(_ accounts: [Account]) {
        self.accounts = Dictionary(accounts.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package subscript(name: AccountName) -> Account? { accounts[name] }
    package var names: [AccountName] { accounts.keys.sorted() }
}

/// Who asks, after authentication.
package enum Principal: Sendable, Hashable {
    /// The holder of key 1 or 2 of the account.
    case accountKey(AccountName, number: Int)
    case anonymous
}

/// What is asked for, coarse enough for every protocol. Finer permissions join with SAS and roles.
package enum Action: Sendable, Hashable {
    /// A blob's bytes, properties, metadata or committed block list.
    case readBlob
    /// A container's properties and listing.
    case readContainer
    /// Everything else.
    case manage
}

/// Leave to do one action on one account, container or blob.
package struct Grant: Sendable, Hashable {
    package let principal: Principal
    package let action: Action
}

/// The one decision function. Default is refusal.
package enum Access {
    package enum Refusal: Error, Hashable, Sendable {
        /// The credential is for another account.
        case wrongAccount
        /// No credential, and the resource is not public: the caller may come back with one.
        case credentialRequired
        /// No credential, and this account permits no public access at all.
        case publicAccessDisabled
    }

    /// - Parameter publicAccess: the level of the container in question; `nil` when private, absent or not applicable.
    package static func decide(
        _ principal: Principal, _ action: Action, account: Account, publicAccess: PublicAccess?
    ) throws(Refusal) -> Grant {
        switch principal {
        case .accountKey(let name, _):
            guard name == account.name else { throw .wrongAccount }
            return Grant(principal: principal, action: action)
        case .anonymous:
            guard account.allowsPublicAccess else { throw .publicAccessDisabled }
            switch (action, publicAccess) {
            case (.readBlob, .blob?), (.readBlob, .container?), (.readContainer, .container?):
                return Grant(principal: principal, action: action)
            default:
                throw .credentialRequired
            }
        }
    }
}
