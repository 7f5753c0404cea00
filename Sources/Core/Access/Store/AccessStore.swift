import FoundationEssentials
package import Metadata
package import StorageModel

/// Accounts with their keys, switches, limits and roles, kept in the metadata store and shown by the `AccountDirectory`.
///
/// A change is one transaction, and after it the directory is updated: it counts for every request that begins after
/// the call has returned. Changes of one account come into the directory in the order of their commits. When the outcome
/// of a commit is unknown (`.unavailable`), the directory shows what the store has then, if it can be read; the same call
/// again settles it, also when it is refused because it had been done.
package final class AccessStore: Sendable {
    /// Told inside the transaction that removes an account: answers whether the account holds nothing any more, and takes
    /// away what others keep about it.
    package typealias Removal = @Sendable (AccountName, any MetadataTransaction) throws(StorageFailure) -> Bool

    /// So many accounts can be made: all of them are in memory.
    package static let maximumAccounts = 1_000
    /// Of one account. Azure: 4,000 role assignments in a subscription.
    package static let maximumAssignments = 4_000
    /// Azure's keys have 64 bytes; others may be brought along.
    package static let keyByteCount = 64
    package static let givenKeyByteCounts = 16...1_024

    struct State {
        /// The commit that the directory shows an account as of. Stays when the account goes, so that a change that was
        /// committed before that does not bring it back.
        var shown: [AccountName: Version] = [:]
        var delegators = KnownDelegators()
    }

    /// One account's records as a transaction sees them.
    struct Stored: Sendable {
        var record: AccountRecord?
        var assignments: [RoleAssignment] = []
    }

    let metadata: any MetadataStore
    let world: World
    let state: Locked<State>
    private let directory: AccountDirectory
    private let configured: [AccountName: Account]
    private let defaults: AccountSwitches
    private let nodeKey: NodeKey
    private let removal: Removal

    private init(
        metadata: any MetadataStore, directory: AccountDirectory, configured: [AccountName: Account],
        defaults: AccountSwitches, nodeKey: NodeKey, removal: @escaping Removal,
        delegators: KnownDelegators, world: World
    ) {
        self.metadata = metadata
        self.directory = directory
        self.configured = configured
        self.defaults = defaults
        self.nodeKey = nodeKey
        self.removal = removal
        self.world = world
        state = Locked(State(delegators: delegators))
    }

    /// Reads everything and fills the directory.
    /// - Parameters:
    ///   - directory: empty; nobody else changes it from here on.
    ///   - configured: accounts whose keys come with the configuration. Their switches are the defaults.
    ///   - defaults: switches of accounts for which nothing else is said.
    ///   - nodeKey: asked once. `isNeeded` tells that there are sealed keys, so that a new one would be no use.
    ///   - removal: see `Removal`.
    /// - Throws: what `nodeKey` throws; `.damaged` for records that do not read and for a node key that does not open
    ///   them.
    package static func open(
        metadata: any MetadataStore, directory: AccountDirectory, configured: [Account], defaults: AccountSwitches,
        world: World, nodeKey: @Sendable (_ isNeeded: Bool) async throws(StorageFailure) -> NodeKey,
        removal: @escaping Removal
    ) async throws(StorageFailure) -> AccessStore {
        let found = try await metadata.read(.scan) { reader throws(StorageFailure) in try StoredAccess(reader) }
        let configuredNames = Set(configured.map(\.name))
        // What the configuration stands before is not opened: so a node whose key is lost can be run again.
        let isSealed = found.accounts.contains { name, stored in
            stored.record?.keys.isEmpty == false && !configuredNames.contains(name)
        }
        var delegators = found.delegators
        delegators.removeExpired(at: world.now())
        let store = AccessStore(
            metadata: metadata, directory: directory,
            configured: Dictionary(configured.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }),
            defaults: defaults, nodeKey: try await nodeKey(isSealed), removal: removal,
            delegators: delegators, world: world)
        for name in Set(found.accounts.keys).union(store.configured.keys) {
            if let account = try store.account(name, found.accounts[name] ?? Stored()) { directory.set(account) }
        }
        return store
    }

    /// Whether the store holds an account of this name: for transactions of others that must not outlive it. Accounts
    /// that come with the configuration are not in the store.
    package static func holds(
        _ name: AccountName, in reader: any MetadataReader
    ) throws(StorageFailure) -> Bool {
        try StoredAccess.record(name, in: reader)?.keys.isEmpty == false
    }

    package var names: [AccountName] { directory.names }
    package subscript(name: AccountName) -> Account? { directory[name] }

    /// See `NodeKey.userDelegationKey`.
    package func userDelegationKey(
        of identity: Identity, account: AccountName, start: Timestamp, expiry: Timestamp, service: String,
        version: String, epoch: UInt64
    ) -> [UInt8] {
        let id = DelegatorID(identity)
        return nodeKey.userDelegationKey(
            tenant: id.tenant, objectID: id.object, application: id.application, account: account, start: start,
            expiry: expiry, service: service, version: version, epoch: epoch)
    }

    // MARK: - Records and accounts

    /// The account that the records make; `nil` when there is none: no keys here and none in the configuration.
    private func account(_ name: AccountName, _ stored: Stored) throws(StorageFailure) -> Account? {
        var account: Account
        if let configured = configured[name] {
            account = configured
            account.isConfigured = true
        } else {
            guard let keys = stored.record?.keys, !keys.isEmpty else { return nil }
            account = Account(name: name, keys: [SigningKey](), switches: defaults)
            for key in keys {
                account.keys.append(
                    SigningKey(
                        number: key.number, bytes: try open(key, of: name),
                        createdAt: Timestamp(nanoseconds: key.createdAt)))
            }
        }
        if let record = stored.record {
            account.switches = try record.switches.switches(defaults: account.switches)
            account.limits = AccountLimits(
                account: record.accountLimits.limits, principal: record.principalLimits.limits)
            account.delegationEpoch = record.delegationEpoch
        }
        account.roles = RoleTable(stored.assignments)
        return account
    }

    func isConfigured(_ name: AccountName) -> Bool { configured[name] != nil }

    /// Whether there is such an account, in a transaction's eyes.
    func exists(_ name: AccountName, _ stored: Stored) -> Bool {
        isConfigured(name) || stored.record?.keys.isEmpty == false
    }

    func open(_ key: AccountRecord.SealedKey, of name: AccountName) throws(StorageFailure) -> [UInt8] {
        try nodeKey.open(Array(key.sealed), account: name, number: key.number, format: AccountRecord.format)
    }

    /// Draws a nonce: not inside a transaction, which may run twice.
    func seal(
        _ key: [UInt8], number: Int, of name: AccountName, at time: Timestamp
    ) throws(StorageFailure) -> AccountRecord.SealedKey {
        let sealed = try nodeKey.seal(
            key, account: name, number: number, format: AccountRecord.format,
            nonce: world.randomBytes(NodeKey.nonceCount))
        return AccountRecord.SealedKey(number: number, createdAt: time.nanoseconds, sealed: Data(sealed))
    }

    // MARK: - Changes

    /// Runs one change and shows its outcome. A refusal is about what is stored, so that is shown, too: it differs from
    /// the directory after a commit that took effect and was never heard of.
    /// - Parameter body: must write something, or refuse. Answers why it refuses.
    /// - Returns: the account as it is now; `nil` when it is gone.
    func change(
        _ name: AccountName,
        _ body: @escaping @Sendable (inout Stored, any MetadataTransaction) throws(StorageFailure) -> AccessRefusal?
    ) async throws(AccessFailure) -> Account? {
        let committed: Committed<Outcome>
        do {
            committed = try await metadata.transact { [self] transaction throws(StorageFailure) in
                let found = try StoredAccess.account(name, in: transaction)
                var stored = found
                if let refusal = try body(&stored, transaction) {
                    return .refused(refusal, try account(name, found), asOf: transaction.version)
                }
                return .changed(try account(name, stored))
            }
        } catch {
            if error.code == .unavailable { await showStored(name) }
            throw .store(error)
        }
        switch committed.result {
        case .refused(let refusal, let account, let version):
            show(account, name, asOf: version)
            throw .refused(refusal)
        case .changed(let account):
            guard let version = committed.version else { preconditionFailure("a change wrote nothing") }
            show(account, name, asOf: version)
            return account
        }
    }

    private enum Outcome: Sendable {
        case changed(Account?)
        /// With the account as it is stored.
        case refused(AccessRefusal, Account?, asOf: Version)
    }

    /// After a commit of unknown outcome: what a read finds counts. A store that cannot be read either leaves the
    /// directory as it was; the caller hears of the first failure, and the next change of the account shows it.
    private func showStored(_ name: AccountName) async {
        do {
            let found = try await metadata.read(.point) { [self] reader throws(StorageFailure) in
                (account: try account(name, StoredAccess.account(name, in: reader)), version: reader.version)
            }
            show(found.account, name, asOf: found.version)
        } catch { return }
    }

    private func show(_ account: Account?, _ name: AccountName, asOf version: Version) {
        state.withLock { state in
            if let shown = state.shown[name], shown > version { return }
            state.shown[name] = version
            if let account { directory.set(account) } else { directory.remove(name) }
        }
    }

    /// Removes an account and its roles.
    package func deleteAccount(_ name: AccountName) async throws(AccessFailure) {
        _ = try await change(name) { [self] stored, transaction throws(StorageFailure) in
            guard exists(name, stored) else { return .noSuchAccount }
            guard !isConfigured(name) else { return .accountIsConfigured }
            guard try removal(name, transaction) else { return .accountNotEmpty }
            stored = Stored()
            transaction.delete(AccessKeys.account(name))
            transaction.delete(KeyRange(prefix: AccessKeys.assignments(of: name)))
            return nil
        }
    }
}

/// Why a change did not come about.
package enum AccessFailure: Error, Sendable, Equatable {
    /// Nothing has happened: the change is not possible as things are.
    case refused(AccessRefusal)
    /// The store has failed. For `.unavailable` the outcome may be unknown.
    case store(StorageFailure)
}

package enum AccessRefusal: Error, Sendable, Equatable {
    case noSuchAccount
    case accountExists
    /// It still has containers.
    case accountNotEmpty
    /// Its keys come with the configuration: they are changed there.
    case accountIsConfigured
    case noSuchKey
    case noSuchAssignment
    /// The same role, to the same assignee, in the same scope.
    case assignmentExists(id: String)
    case tooManyAccounts
    case tooManyAssignments
}
