import Extents
import Metadata
import StorageModel

/// Typed reads of single records.
extension MetadataReader {
    func container(_ address: ContainerAddress) throws(StorageFailure) -> ContainerRecord {
        guard let value = try getShared(Keys.container(address)) else { throw StorageFailure(.containerNotFound) }
        return try ContainerRecord(decoding: value)
    }

    func blobIfPresent(_ container: ContainerID, _ name: BlobName) throws(StorageFailure) -> BlobRecord? {
        guard let value = try get(Keys.blob(container, name.value)) else { return nil }
        return try BlobRecord(decoding: value)
    }

    func blob(_ container: ContainerID, _ name: BlobName) throws(StorageFailure) -> BlobRecord {
        guard let record = try blobIfPresent(container, name) else { throw StorageFailure(.blobNotFound) }
        return record
    }

    func extent(_ extent: Extent) throws(StorageFailure) -> ExtentRecord {
        guard let value = try get(ExtentRecord.key(extent)) else {
            throw StorageFailure(.damaged, cause: "extent \(extent.id) is named and has no record")
        }
        return try ExtentRecord(decoding: value)
    }
}

extension BlobRecord {
    /// The record as of `now`: a rehydration that is due has happened.
    func settled(at now: Timestamp) -> BlobRecord {
        guard let pending = rehydration, pending.dueOn <= now else { return self }
        var record = self
        record.tier = pending.rehydration.target
        record.tierChangedOn = pending.dueOn
        record.rehydration = nil
        return record
    }

    func properties(at now: Timestamp) -> BlobProperties {
        let record = settled(at: now)
        return BlobProperties(
            version: record.version, createdOn: record.createdOn, lastModified: record.lastModified,
            length: record.length, headers: record.headers, metadata: record.metadata, tags: record.tags,
            tier: record.tier, tierChangedOn: record.tierChangedOn, rehydration: record.rehydration?.rehydration,
            lease: LeaseRules.view(of: record.lease, at: now), copy: record.copy)
    }

    func subject(in container: ContainerName) -> ConditionRules.Subject {
        ConditionRules.Subject(version: version, lastModified: lastModified, tags: tags, container: container)
    }

    func isArchived(at now: Timestamp) -> Bool { settled(at: now).tier == .archive }
}
