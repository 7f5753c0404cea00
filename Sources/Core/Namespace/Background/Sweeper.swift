import Extents
import Logging
import Metadata
package import StorageModel

/// What a sweep has done, and what is left for another one.
package struct SweepReport: Sendable {
    package var freedBytes: Int64 = 0
    /// Groups that a failure of the disk has kept; they may be swept again.
    package var unswept: [UInt64] = []
}

extension Namespace {
    /// Frees what an earlier run of the node stored and never named, in groups that nothing is appended to any more: in
    /// all of them, or in those that are named.
    ///
    /// Must not run beside `reapTrash`: an extent whose record the reaper has just deleted would not show as live, and its
    /// later freeing would be counted a second time against what does live.
    @discardableResult
    package func sweepUnnamedExtents(in groups: [UInt64]? = nil) async throws(StorageFailure) -> SweepReport {
        var report = SweepReport()
        let all = if let groups { groups } else { try await extents.closedGroups() }
        for group in all {
            if Task.isCancelled { break }
            do throws(StorageFailure) { report.freedBytes += try await sweep(group) } catch {
                // A group that cannot be swept keeps its space; the others must not wait for it.
                logger.error("a group cannot be swept", metadata: ["group": "\(group)", "cause": "\(error)"])
                if error.code != .damaged { report.unswept.append(group) }
            }
        }
        return report
    }

    private func sweep(_ group: UInt64) async throws(StorageFailure) -> Int64 {
        let live = try await metadata.read(.scan) { reader throws(StorageFailure) in
            var live: [Extent] = []
            let cursor = try reader.cursor(in: KeyRange(prefix: Keys.extents(inGroup: group)))
            while let entry = try cursor.next() {
                live.append(try ExtentRecord.extent(key: entry.key, value: entry.value).0)
            }
            return live
        }
        // Records of a closed group only ever disappear: what the snapshot shows is all that can be live.
        return try await extents.keepOnly(live, inGroup: group)
    }

    /// Drops staged blocks of names whose last block is older than the lifetime.
    package func expireStagedBlocks() async throws(StorageFailure) {
        let now = world.now()
        let oldest = now.adding(seconds: -configuration.uncommittedLifetimeSeconds)
        var position = Keys.all(.lastBlockWrite).lower
        while true {
            let from = position
            let page = try await metadata.read(.scan) { reader throws(StorageFailure) -> ([MetadataEntry], Bool) in
                let cursor = try reader.cursor(in: Keys.all(.lastBlockWrite))
                var entries: [MetadataEntry] = []
                var entry = try cursor.seek(from)
                while let current = entry {
                    guard entries.count < 1024 else { return (entries, true) }
                    entries.append(current)
                    entry = try cursor.next()
                }
                return (entries, false)
            }
            for entry in page.0 where !Task.isCancelled {
                do throws(StorageFailure) {
                    guard try LastBlockWriteRecord.decode(entry.value) < oldest else { continue }
                    try await expire(entry.key, olderThan: oldest)
                } catch {
                    // One name's records must not keep the others' blocks.
                    guard error.code == .damaged else { throw error }
                    logger.error("staged blocks cannot be expired", metadata: ["cause": "\(error)"])
                }
            }
            guard page.1, let last = page.0.last else { break }
            position = last.key + [0]
        }
        trashSignal.raise()
    }

    private func expire(_ key: [UInt8], olderThan oldest: Timestamp) async throws(StorageFailure) {
        let container = ContainerID(UInt64(bigEndianBytes: key[1..<9]))
        let name = try storedName(key[9...]) { text throws(StorageFailure) in try BlobName(validating: text) }
        _ = try await metadata.transact { transaction throws(StorageFailure) in
            guard let value = try transaction.get(key), try LastBlockWriteRecord.decode(value) < oldest else { return }
            try self.dropStagedBlocks(container, name, firstPart: 0, transaction)
        }
    }

    /// Drops change log records that are older than the retention.
    package func trimChangeLog() async throws(StorageFailure) {
        let oldest = world.now().adding(seconds: -configuration.changeLogRetentionSeconds)
        let all = Keys.all(.change)
        // The log is in order of time, so the first record to keep is found by halving the span of versions.
        let bound = try await metadata.read(.scan) { reader throws(StorageFailure) -> [UInt8]? in
            let cursor = try reader.cursor(in: all)
            guard let first = try cursor.next(), let last = try cursor.seekBackward(all.upper) else { return nil }
            guard try ChangeRecord(decoding: first.value).time < oldest else { return nil }
            var low = UInt64(bigEndianBytes: first.key[1...])
            var high = UInt64(bigEndianBytes: last.key[1...]) + 1
            while high - low > 1 {
                let middle = low + (high - low) / 2
                guard let entry = try cursor.seek(Keys.change(Version(middle))),
                    try ChangeRecord(decoding: entry.value).time < oldest
                else {
                    high = middle
                    continue
                }
                low = middle
            }
            return Keys.change(Version(high))
        }
        guard let bound else { return }
        _ = try await metadata.transact { transaction throws(StorageFailure) in
            transaction.delete(KeyRange(from: all.lower, to: bound))
        }
    }

    /// The change log behind a version, oldest first.
    package func changes(
        after version: Version, limit: Int
    ) async throws(StorageFailure) -> [(version: Version, change: ChangeRecord)] {
        try await metadata.read(.scan) { reader throws(StorageFailure) in
            let cursor = try reader.cursor(in: Keys.all(.change))
            var changes: [(version: Version, change: ChangeRecord)] = []
            var entry = try cursor.seek(Keys.change(Version(version.rawValue + 1)))
            while let current = entry, changes.count < limit {
                changes.append(
                    (Version(UInt64(bigEndianBytes: current.key[1...])), try ChangeRecord(decoding: current.value)))
                entry = try cursor.next()
            }
            return changes
        }
    }
}
