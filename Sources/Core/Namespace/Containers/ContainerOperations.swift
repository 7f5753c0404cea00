import Metadata
package import StorageModel

extension Namespace {
    /// - Throws: `.containerAlreadyExists`, `.publicAccessNotPermitted`, `.invalidName` for the service's own names,
    ///   `.accountNotFound` when the account was removed since the request was let in.
    package func createContainer(
        _ address: ContainerAddress, metadata userMetadata: UserMetadata, publicAccess: PublicAccess?
    ) async throws(StorageFailure) -> WriteReceipt {
        guard address.container.isCreatable else {
            throw StorageFailure(.invalidName(.characters), detail: "The container name is reserved.")
        }
        try checkPublicAccess(publicAccess, account: address.account)
        let now = world.now()
        let committed = try await metadata.transact { [self] transaction throws(StorageFailure) in
            try requireAccount(address.account, in: transaction)
            guard try transaction.get(Keys.container(address)) == nil else {
                throw StorageFailure(.containerAlreadyExists)
            }
            let record = ContainerRecord(
                id: ContainerID(0), version: Version(0), lastModified: now, metadata: userMetadata,
                publicAccess: publicAccess, policies: [], lease: nil)
            transaction.set(
                Keys.container(address), record.encode(),
                versionAt: [ContainerRecord.idOffset, ContainerRecord.versionOffset])
            transaction.setVersioned(
                prefix: [Keys.Kind.containerByID.rawValue], suffix: [],
                ContainerOwnerRecord(address: address).encode(), versionAt: [])
            transaction.log(
                ChangeRecord(.createContainer, time: now, account: address.account, container: address.container))
        }
        return try committed.receipt(now)
    }

    /// The name is free at once; what was in the container is taken apart in the background.
    package func deleteContainer(_ address: ContainerAddress, guard held: Guard) async throws(StorageFailure) {
        let now = world.now()
        _ = try await metadata.transact { transaction throws(StorageFailure) in
            let record = try transaction.container(address)
            try LeaseRules.checkWrite(record.lease, given: held.lease, subject: .container, at: now)
            try ConditionRules.checkWrite(held.conditions, record.subject(address.container))
            transaction.delete(Keys.container(address))
            transaction.throwAway(.container(record.id, account: address.account))
            transaction.log(
                ChangeRecord(.deleteContainer, time: now, account: address.account, container: address.container))
        }
        trashSignal.raise()
    }

    package func containerProperties(
        _ address: ContainerAddress, lease: LeaseID?
    ) async throws(StorageFailure) -> ContainerProperties {
        let now = world.now()
        return try await metadata.read(.point) { reader throws(StorageFailure) in
            let record = try reader.container(address)
            try LeaseRules.checkGiven(record.lease, given: lease, subject: .container, at: now)
            return record.properties(name: address.container, at: now)
        }
    }

    package func setContainerMetadata(
        _ address: ContainerAddress, _ userMetadata: UserMetadata, guard held: Guard
    ) async throws(StorageFailure) -> WriteReceipt {
        try await changeContainer(address, .setContainerMetadata, guard: held) { $0.metadata = userMetadata }
    }

    /// Replaces the public access level and all stored access policies.
    package func setContainerAccess(
        _ address: ContainerAddress, publicAccess: PublicAccess?, policies: [AccessPolicy], guard held: Guard
    ) async throws(StorageFailure) -> WriteReceipt {
        try checkPublicAccess(publicAccess, account: address.account)
        return try await changeContainer(address, .setContainerAccess, guard: held) {
            $0.publicAccess = publicAccess
            $0.policies = policies
        }
    }

    /// Leases change neither ETag nor Last-Modified.
    package func leaseContainer(
        _ address: ContainerAddress, _ action: LeaseAction, conditions: Conditions
    ) async throws(StorageFailure) -> LeaseReceipt {
        let now = world.now()
        let fresh = LeaseID(stored: world.uuid())
        return try await metadata.transact { transaction throws(StorageFailure) in
            var record = try transaction.container(address)
            try ConditionRules.checkWrite(conditions, record.subject(address.container))
            let outcome = try LeaseRules.apply(action, to: record.lease, fresh: fresh, at: now)
            record.lease = outcome.lease
            transaction.set(Keys.container(address), record.encode())
            transaction.log(
                ChangeRecord(.leaseContainer, time: now, account: address.account, container: address.container))
            return LeaseReceipt(
                write: WriteReceipt(version: record.version, lastModified: record.lastModified), id: outcome.id,
                remainingSeconds: outcome.remainingSeconds)
        }.result
    }

    package func listContainers(
        of account: AccountName, prefix: String, position: ListPosition?, limit: Int
    ) async throws(StorageFailure) -> ContainerListResult {
        let now = world.now()
        let base = Keys.containers(of: account)
        return try await metadata.read(.scan) { reader throws(StorageFailure) in
            let cursor = try reader.cursor(in: KeyRange(prefix: base + prefix.utf8))
            var result = ContainerListResult(containers: [], next: nil)
            var entry = try cursor.seek(base + (position?.from ?? []))
            while let current = entry {
                let name = Array(current.key[base.count...])
                guard result.containers.count < limit else {
                    result.next = ListPosition(from: name)
                    break
                }
                let container = try storedName(name) { text throws(StorageFailure) in
                    try ContainerName(validating: text)
                }
                result.containers.append(
                    try ContainerRecord(decoding: current.value).properties(name: container, at: now))
                entry = try cursor.next()
            }
            return result
        }
    }

    private func checkPublicAccess(_ level: PublicAccess?, account: AccountName) throws(StorageFailure) {
        if level != nil, !configuration.allowsPublicAccess(account) { throw StorageFailure(.publicAccessNotPermitted) }
    }

    private func changeContainer(
        _ address: ContainerAddress, _ operation: ChangeRecord.Operation, guard held: Guard,
        _ change: @escaping @Sendable (inout ContainerRecord) -> Void
    ) async throws(StorageFailure) -> WriteReceipt {
        let now = world.now()
        let committed = try await metadata.transact { transaction throws(StorageFailure) in
            var record = try transaction.container(address)
            try LeaseRules.checkGiven(record.lease, given: held.lease, subject: .container, at: now)
            try ConditionRules.checkWrite(held.conditions, record.subject(address.container))
            change(&record)
            record.lastModified = now
            transaction.set(
                Keys.container(address), record.encode(), versionAt: [ContainerRecord.versionOffset])
            transaction.log(
                ChangeRecord(operation, time: now, account: address.account, container: address.container))
        }
        return try committed.receipt(now)
    }
}

extension ContainerRecord {
    func subject(_ name: ContainerName) -> ConditionRules.Subject {
        ConditionRules.Subject(version: version, lastModified: lastModified, tags: .empty, container: name)
    }
}

extension Committed {
    func receipt(_ time: Timestamp) throws(StorageFailure) -> WriteReceipt {
        guard let version else { throw StorageFailure(.internal, cause: "a write committed without a version") }
        return WriteReceipt(version: version, lastModified: time)
    }
}

/// A name out of a key: what we wrote, so anything else is damage.
func storedName<Name>(
    _ bytes: some Collection<UInt8>, _ make: (String) throws(StorageFailure) -> Name
) throws(StorageFailure) -> Name {
    guard let text = String(validating: bytes, as: UTF8.self) else {
        throw StorageFailure(.damaged, cause: "a stored name is not UTF-8")
    }
    do { return try make(text) } catch { throw StorageFailure(.damaged, cause: "a stored name: \(error)") }
}
