package import StorageModel

/// The accounts of this node with their roles, as they are right now: what is changed here counts for the next request.
package final class AccountDirectory: Sendable {
    private let accounts: Locked<[AccountName: Account]>

    package init(_ accounts: [Account]) {
        self.accounts = Locked(Dictionary(accounts.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }))
    }

    package subscript(name: AccountName) -> Account? { accounts.withLock { $0[name] } }
    package var names: [AccountName] { accounts.withLock { $0.keys.sorted() } }

    package func set(_ account: Account) { accounts.withLock { $0[account.name] = account } }
    package func remove(_ name: AccountName) { accounts.withLock { $0[name] = nil } }
}
