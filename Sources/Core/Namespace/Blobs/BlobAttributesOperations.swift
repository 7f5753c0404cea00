import Metadata
package import StorageModel

extension Namespace {
    package func setProperties(
        _ address: BlobAddress, _ headers: ContentHeaders, guard held: Guard
    ) async throws(StorageFailure) -> WriteReceipt {
        try await change(address, .setProperties, guard: held) { record, _, _ in record.headers = headers }
    }

    package func setMetadata(
        _ address: BlobAddress, _ userMetadata: UserMetadata, guard held: Guard
    ) async throws(StorageFailure) -> WriteReceipt {
        try await change(address, .setMetadata, guard: held) { record, container, reader throws(StorageFailure) in
            try DirectoryRules.check(
                address.blob, in: container, length: record.length, metadata: userMetadata, existing: record, reader)
            record.metadata = userMetadata
        }
    }

    /// Set Properties and Set Metadata: a new ETag, content untouched.
    private func change(
        _ address: BlobAddress, _ operation: ChangeRecord.Operation, guard held: Guard,
        _ body: @escaping @Sendable (inout BlobRecord, ContainerID, any MetadataReader) throws(StorageFailure) -> Void
    ) async throws(StorageFailure) -> WriteReceipt {
        let now = world.now()
        let committed = try await metadata.transact { transaction throws(StorageFailure) in
            var (container, record) = try self.findForWrite(address, guard: held, at: now, transaction)
            if record.tier == .archive, !self.configuration.servesArchived { throw StorageFailure(.blobArchived) }
            try body(&record, container, transaction)
            record.lastModified = now
            record.lease = LeaseRules.afterWrite(record.lease, at: now)
            record.copy = nil
            transaction.set(
                Keys.blob(container, address.blob.value), record.encode(), versionAt: [BlobRecord.versionOffset])
            transaction.log(self.changed(address, operation, record, at: now))
        }
        return try committed.receipt(now)
    }

    /// Replaces all tags; neither ETag nor Last-Modified change.
    package func setTags(_ address: BlobAddress, _ tags: Tags, guard held: Guard) async throws(StorageFailure) {
        let now = world.now()
        _ = try await metadata.transact { transaction throws(StorageFailure) in
            var (container, record) = try self.findForWrite(
                address, guard: held, at: now, leaseIsOptional: true, transaction)
            transaction.reindex(
                from: record.tags, to: tags, of: address.blob.value, in: container,
                account: address.container.account)
            record.tags = tags
            transaction.set(Keys.blob(container, address.blob.value), record.encode())
            transaction.log(self.changed(address, .setTags, record, at: now))
        }
    }

    /// Set Tier; neither ETag nor Last-Modified change.
    /// - Throws: `.blobBeingRehydrated` when the blob is on its way to another tier.
    package func setTier(
        _ address: BlobAddress, _ tier: AccessTier, priority: Rehydration.Priority?, guard held: Guard
    ) async throws(StorageFailure) -> TierReceipt {
        let now = world.now()
        let due = now.adding(seconds: configuration.rehydrationSeconds)
        return try await metadata.transact { transaction throws(StorageFailure) in
            var (container, record) = try self.findForWrite(
                address, guard: held, at: now, leaseIsOptional: true, transaction)
            let isPending = record.tier == .archive && tier != .archive
            if let pending = record.rehydration {
                guard pending.rehydration.target == tier else { throw StorageFailure(.blobBeingRehydrated) }
                // The same target again may raise the priority, never lower it.
                if priority == .high { record.rehydration?.rehydration.priority = .high }
            } else if isPending {
                record.rehydration = BlobRecord.PendingRehydration(
                    rehydration: Rehydration(target: tier, priority: priority ?? .standard), dueOn: due)
            } else {
                if record.tier != tier { record.tierChangedOn = now }
                record.tier = tier
            }
            transaction.set(Keys.blob(container, address.blob.value), record.encode())
            transaction.log(self.changed(address, .setTier, record, at: now))
            return TierReceipt(isPending: isPending)
        }.result
    }

    /// Leases change neither ETag nor Last-Modified.
    package func leaseBlob(
        _ address: BlobAddress, _ action: LeaseAction, conditions: Conditions
    ) async throws(StorageFailure) -> LeaseReceipt {
        let now = world.now()
        let fresh = LeaseID(stored: world.uuid())
        return try await metadata.transact { transaction throws(StorageFailure) in
            let container = try transaction.container(address.container).id
            var record = try transaction.blob(container, address.blob)
            try ConditionRules.checkWrite(conditions, record.subject(in: address.container.container))
            let outcome = try LeaseRules.apply(action, to: record.lease, fresh: fresh, at: now)
            record.lease = outcome.lease
            transaction.set(Keys.blob(container, address.blob.value), record.encode())
            transaction.log(self.changed(address, .leaseBlob, record, at: now))
            return LeaseReceipt(
                write: WriteReceipt(version: record.version, lastModified: record.lastModified), id: outcome.id,
                remainingSeconds: outcome.remainingSeconds)
        }.result
    }

    /// Delete Blob. A name that has only staged blocks loses them.
    package func deleteBlob(
        _ address: BlobAddress, guard held: Guard, tierModifiedSince: Timestamp? = nil,
        tierUnmodifiedSince: Timestamp? = nil
    ) async throws(StorageFailure) {
        let now = world.now()
        _ = try await metadata.transact { transaction throws(StorageFailure) in
            let container = try transaction.container(address.container).id
            guard let record = try transaction.blobIfPresent(container, address.blob)?.settled(at: now) else {
                guard try transaction.get(Keys.uncommittedBlob(container, address.blob.value)) != nil,
                    held.conditions.isEmpty
                else { throw StorageFailure(held.conditions.ifMatch == nil ? .blobNotFound : .preconditionFailed) }
                try self.dropStagedBlocks(container, address.blob, firstPart: 1, transaction)
                return
            }
            try LeaseRules.checkWrite(record.lease, given: held.lease, subject: .blob, at: now)
            try ConditionRules.checkWrite(held.conditions, record.subject(in: address.container.container))
            let tierTime = record.tierChangedOn ?? record.createdOn
            if let date = tierModifiedSince, tierTime.seconds <= date.seconds {
                throw StorageFailure(.preconditionFailed)
            }
            if let date = tierUnmodifiedSince, tierTime.seconds > date.seconds {
                throw StorageFailure(.preconditionFailed)
            }
            try self.dropStagedBlocks(container, address.blob, firstPart: 1, transaction)
            transaction.delete(Keys.blob(container, address.blob.value))
            if record.content != .empty { transaction.throwAway(.content(record.contentID, record.content)) }
            transaction.reindex(
                from: record.tags, to: .empty, of: address.blob.value, in: container,
                account: address.container.account)
            transaction.log(self.changed(address, .deleteBlob, record, at: now))
        }
        trashSignal.raise()
    }

    /// A write onto an existing blob: it must be there; conditions and lease hold.
    /// - Parameter leaseIsOptional: the write needs no lease id, but one that is given must be right.
    func findForWrite(
        _ address: BlobAddress, guard held: Guard, at now: Timestamp, leaseIsOptional: Bool = false,
        _ reader: any MetadataReader
    ) throws(StorageFailure) -> (container: ContainerID, record: BlobRecord) {
        let container = try reader.container(address.container).id
        guard let record = try reader.blobIfPresent(container, address.blob)?.settled(at: now) else {
            throw StorageFailure(held.conditions.ifMatch == nil ? .blobNotFound : .preconditionFailed)
        }
        if leaseIsOptional {
            try LeaseRules.checkGiven(record.lease, given: held.lease, subject: .blob, at: now)
        } else {
            try LeaseRules.checkWrite(record.lease, given: held.lease, subject: .blob, at: now)
        }
        try ConditionRules.checkWrite(held.conditions, record.subject(in: address.container.container))
        return (container, record)
    }

    func changed(
        _ address: BlobAddress, _ operation: ChangeRecord.Operation, _ record: BlobRecord, at now: Timestamp
    ) -> ChangeRecord {
        ChangeRecord(
            operation, time: now, account: address.container.account, container: address.container.container,
            blob: address.blob, length: record.length)
    }
}
