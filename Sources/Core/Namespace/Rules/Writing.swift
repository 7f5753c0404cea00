import Extents
import Metadata
import StorageModel

/// Typed writes of single records.
extension MetadataTransaction {
    func log(_ change: ChangeRecord) {
        setVersioned(prefix: [Keys.Kind.change.rawValue], suffix: [], change.encode(), versionAt: [])
    }

    /// - Parameter part: tells the trash records of one commit apart.
    func throwAway(_ trash: TrashRecord, part: UInt16 = 0) {
        setVersioned(
            prefix: [Keys.Kind.trash.rawValue], suffix: [UInt8(part >> 8), UInt8(part & 255)], trash.encode(),
            versionAt: [])
    }

    /// One more record names these extents.
    func hold(_ extents: [Extent], times: [Int]? = nil) throws(StorageFailure) {
        for (index, extent) in extents.enumerated() {
            var record = try self.extent(extent)
            record.holders += times?[index] ?? 1
            set(ExtentRecord.key(extent), record.encode())
        }
    }

    /// The record of an extent that nothing named before.
    func introduce(_ extents: [Extent]) {
        for extent in extents {
            let record = ExtentRecord(length: extent.length, crc64: extent.crc64, holders: 1)
            set(ExtentRecord.key(extent), record.encode())
        }
    }

    /// Moves the index entries of a blob from one set of tags to another.
    func reindex(
        from old: Tags, to new: Tags, of name: String, in container: ContainerID, account: AccountName
    ) {
        for tag in old.entries where new[tag.key] != tag.value {
            delete(Keys.tagIndex(account, key: tag.key, value: tag.value, container: container, name: name))
        }
        for tag in new.entries where old[tag.key] != tag.value {
            set(Keys.tagIndex(account, key: tag.key, value: tag.value, container: container, name: name), [])
        }
    }
}

extension [ManifestPiece] {
    /// Each extent once, in order of first appearance.
    var distinctExtents: [Extent] {
        var seen: Set<ExtentID> = []
        return compactMap { seen.insert($0.extent.id).inserted ? $0.extent : nil }
    }
}
