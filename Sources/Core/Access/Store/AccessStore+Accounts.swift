import Metadata
package import StorageModel

/// A key of an account, readable: for the answer to an operator who asked for it, and nothing else.
package struct RevealedKey: Sendable, CustomStringConvertible {
    /// 1 or 2.
    package let number: Int
    package let bytes: [UInt8]
    package let createdAt: Timestamp

    package var description: String { "RevealedKey(\(number), …)" }
}

extension AccessStore {
    /// - Parameter keys: one or two, each within `givenKeyByteCounts`; without them two are drawn.
    package func createAccount(
        _ name: AccountName, keys given: [[UInt8]]? = nil, _ settings: AccountChange = AccountChange()
    ) async throws(AccessFailure) -> Account {
        precondition(given.map { (1...2).contains($0.count) } ?? true, "an account has one or two keys")
        guard !isConfigured(name) else { throw .refused(.accountExists) }
        guard names.count < Self.maximumAccounts else { throw .refused(.tooManyAccounts) }
        let now = world.now()
        let secrets = given ?? (1...2).map { _ in world.randomBytes(Self.keyByteCount) }
        var sealed: [AccountRecord.SealedKey] = []
        for (index, secret) in secrets.enumerated() {
            do { sealed.append(try seal(secret, number: index + 1, of: name, at: now)) } catch { throw .store(error) }
        }
        // Not 0: user delegation keys of an earlier account of this name shall not come to life again. 48 bits, so that
        // every JSON reader knows the number.
        let epoch = world.randomBytes(6).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        var record = AccountRecord(createdAt: now.nanoseconds, delegationEpoch: epoch, keys: sealed)
        record.apply(settings)
        let account = try await change(name) { [record, self] stored, transaction throws(StorageFailure) in
            guard !exists(name, stored) else { return .accountExists }
            stored = Stored(record: record)
            transaction.set(AccessKeys.account(name), try record.encode())
            // What was assigned while a configured account had this name.
            transaction.delete(KeyRange(prefix: AccessKeys.assignments(of: name)))
            return nil
        }
        guard let account else { preconditionFailure("an account with keys exists") }
        return account
    }

    /// Sets switches and limits.
    package func changeAccount(_ name: AccountName, _ settings: AccountChange) async throws(AccessFailure) -> Account {
        try await edit(name) { record in record.apply(settings) }
    }

    /// Makes all user delegation keys of the account void, and with them the signatures made with them.
    package func revokeDelegationKeys(_ name: AccountName) async throws(AccessFailure) -> Account {
        try await edit(name) { record in record.delegationEpoch &+= 1 }
    }

    /// Puts a new key in the place of key 1 or 2; the other one goes on working.
    package func rotateKey(_ number: Int, of name: AccountName) async throws(AccessFailure) -> RevealedKey {
        guard (1...2).contains(number) else { throw .refused(.noSuchKey) }
        guard !isConfigured(name) else { throw .refused(.accountIsConfigured) }
        let fresh = RevealedKey(
            number: number, bytes: world.randomBytes(Self.keyByteCount), createdAt: world.now())
        let sealed: AccountRecord.SealedKey
        do { sealed = try seal(fresh.bytes, number: number, of: name, at: fresh.createdAt) } catch {
            throw .store(error)
        }
        _ = try await edit(name) { record in
            record.keys = (record.keys.filter { $0.number != number } + [sealed]).sorted { $0.number < $1.number }
        }
        return fresh
    }

    /// Key 1 and key 2, as far as the account has them.
    package func revealKeys(of name: AccountName) async throws(AccessFailure) -> [RevealedKey] {
        guard !isConfigured(name) else { throw .refused(.accountIsConfigured) }
        let keys: [RevealedKey]
        do {
            keys = try await metadata.read(.point) { [self] reader throws(StorageFailure) in
                var keys: [RevealedKey] = []
                for key in try StoredAccess.record(name, in: reader)?.keys ?? [] {
                    keys.append(
                        RevealedKey(
                            number: key.number, bytes: try open(key, of: name),
                            createdAt: Timestamp(nanoseconds: key.createdAt)))
                }
                return keys
            }
        } catch { throw .store(error) }
        guard !keys.isEmpty else { throw .refused(.noSuchAccount) }
        return keys
    }

    private func edit(
        _ name: AccountName, _ edit: @escaping @Sendable (inout AccountRecord) -> Void
    ) async throws(AccessFailure) -> Account {
        let now = world.now()
        let account = try await change(name) { [self] stored, transaction throws(StorageFailure) in
            guard exists(name, stored) else { return .noSuchAccount }
            var record = stored.record ?? AccountRecord(createdAt: now.nanoseconds)
            edit(&record)
            stored.record = record
            transaction.set(AccessKeys.account(name), try record.encode())
            return nil
        }
        guard let account else { preconditionFailure("the account was there") }
        return account
    }

    // MARK: - Roles

    /// Gives a role. The assignment gets an id here.
    /// - Parameter prefix: and the other parts of the assignment: ids in lower case.
    package func assignRole(
        _ role: Role, to assignee: RoleAssignment.Assignee, tenant: String?, scope: RoleAssignment.Scope,
        in name: AccountName
    ) async throws(AccessFailure) -> RoleAssignment {
        let new = RoleAssignment(id: world.uuid(), role: role, assignee: assignee, tenant: tenant, scope: scope)
        _ = try await change(name) { [self] stored, transaction throws(StorageFailure) in
            guard exists(name, stored) else { return .noSuchAccount }
            for known in stored.assignments {
                var known = known
                let id = known.id
                known.id = new.id
                if known == new { return .assignmentExists(id: id) }
            }
            guard stored.assignments.count < Self.maximumAssignments else { return .tooManyAssignments }
            stored.assignments.append(new)
            transaction.set(AccessKeys.assignment(of: name, id: new.id), try RoleAssignmentRecord(new).encode())
            return nil
        }
        return new
    }

    /// Takes a role away.
    /// - Parameter id: of the assignment.
    package func removeRole(_ id: String, in name: AccountName) async throws(AccessFailure) {
        _ = try await change(name) { [self] stored, transaction throws(StorageFailure) in
            guard exists(name, stored) else { return .noSuchAccount }
            guard let index = stored.assignments.firstIndex(where: { $0.id == id }) else { return .noSuchAssignment }
            stored.assignments.remove(at: index)
            transaction.delete(AccessKeys.assignment(of: name, id: id))
            return nil
        }
    }
}
