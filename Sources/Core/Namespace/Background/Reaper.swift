import Extents
import Logging
import Metadata
package import StorageModel

/// Takes apart what no name reaches any more: one trash record at a time, in transactions of bounded size. The space of
/// extents is given back after the commit that forgets them; a crash in between leaves them to the sweeper.
extension Namespace {
    /// Works through the trash once; ends early when its task is cancelled.
    /// - Returns: whether something had to stay because somebody still reads it, or a peer is still being sent it.
    @discardableResult
    package func reapTrash() async throws(StorageFailure) -> Bool {
        var position = Keys.all(.trash).lower
        var leftSomething = false
        while !Task.isCancelled {
            let from = position
            let batch = try await metadata.read(.scan) { reader throws(StorageFailure) in
                let cursor = try reader.cursor(in: Keys.all(.trash))
                var entries: [MetadataEntry] = []
                var entry = try cursor.seek(from)
                while let current = entry, entries.count < Self.trashRecordsPerStep {
                    entries.append(current)
                    entry = try cursor.next()
                }
                return entries
            }
            guard let last = batch.last else { break }
            position = last.key + [0]
            // Whoever could have found these contents by name holds them after this.
            await readers.lookupsHaveEnded()
            if try await reap(batch) { leftSomething = true }
        }
        if await extents.finishFreeing() { leftSomething = true }
        return leftSomething
    }

    /// Takes a batch apart: what is small in common transactions, the rest one by one.
    /// - Returns: whether something must wait for a reader.
    private func reap(_ batch: [MetadataEntry]) async throws(StorageFailure) -> Bool {
        var mustWait = false
        var small: [(key: [UInt8], trash: TrashRecord)] = []
        var smallExtents = 0
        for entry in batch where !Task.isCancelled {
            do throws(StorageFailure) {
                let trash = try TrashRecord(decoding: entry.value)
                if case .content(let id, _) = trash, readers.isHeld(id) {
                    mustWait = true
                    continue
                }
                if let extents = trash.extentsOfSmall {
                    small.append((entry.key, trash))
                    smallExtents += extents
                    if smallExtents >= Self.extentsPerStep {
                        try await reapSmall(small)
                        (small, smallExtents) = ([], 0)
                    }
                } else {
                    try await reapLarge(entry.key, trash)
                }
            } catch { try Self.passOver(error, logger) }
        }
        do throws(StorageFailure) { try await reapSmall(small) } catch {
            // One that cannot be taken apart must not hold up its neighbours.
            for (key, trash) in small {
                do throws(StorageFailure) { try await reapSmall([(key, trash)]) } catch {
                    try Self.passOver(error, logger)
                }
            }
        }
        return mustWait
    }

    /// What the store cannot do now ends the pass; what is wrong with one record stays for fsck to name.
    private static func passOver(_ failure: StorageFailure, _ logger: Logger) throws(StorageFailure) {
        switch failure.code {
        case .unavailable, .readOnly, .busy, .outOfSpace: throw failure
        default: logger.error("a trash record cannot be taken apart", metadata: ["cause": "\(failure)"])
        }
    }

    private func reapSmall(_ batch: [(key: [UInt8], trash: TrashRecord)]) async throws(StorageFailure) {
        guard !batch.isEmpty else { return }
        try await forget { transaction throws(StorageFailure) in
            var extents: [Extent] = []
            for (key, trash) in batch where try transaction.get(key) != nil {
                transaction.delete(key)
                switch trash {
                case .extents(let dropped): extents += dropped
                case .content(_, .pieces(let pieces)): extents += pieces.distinctExtents
                case .content(let id, .inline): transaction.delete(Keys.content(id, at: 0))
                case .content, .container: break
                }
            }
            return try transaction.letGo(extents)
        }
    }

    private func reapLarge(_ key: [UInt8], _ trash: TrashRecord) async throws(StorageFailure) {
        switch trash {
        case .content(let id, .pages):
            var isDone = false
            while !isDone, !Task.isCancelled { isDone = try await reapOnePage(id, trashKey: key) }
        case .container(let id, let account): try await reapContainer(id, account: account, trashKey: key)
        case .content, .extents: break
        }
    }

    private static var trashRecordsPerStep: Int { 256 }
    private static var extentsPerStep: Int { 4096 }

    /// Page by page, so that a transaction stays small; the trash record goes last.
    /// - Returns: true when the manifest is gone, or still belongs to another blob.
    private func reapOnePage(_ id: ContentID, trashKey: [UInt8]) async throws(StorageFailure) -> Bool {
        let committed = try await metadata.transact { transaction throws(StorageFailure) -> ([Extent], Bool) in
            guard try transaction.get(trashKey) != nil else { return ([], true) }
            let sharing = Keys.manifestSharing(id)
            let sharers = try ManifestSharingRecord.read(transaction, sharing)
            if sharers > 1 {
                if sharers == 2 {
                    transaction.delete(sharing)
                } else {
                    transaction.set(sharing, ManifestSharingRecord.encode(sharers - 1))
                }
                transaction.delete(trashKey)
                return ([], true)
            }
            // From the back: what remains is always a manifest's beginning.
            let cursor = try transaction.cursor(in: KeyRange(prefix: Keys.contentPages(id)))
            guard let entry = try cursor.previous() else {
                transaction.delete(trashKey)
                return ([], true)
            }
            transaction.delete(entry.key)
            guard case .pieces(let pieces) = try ContentPage(decoding: entry.value) else { return ([], false) }
            return (try transaction.letGo(pieces.distinctExtents), false)
        }
        await giveBack(committed.result.0)
        return committed.result.1
    }

    private func reapContainer(
        _ id: ContainerID, account: AccountName, trashKey: [UInt8]
    ) async throws(StorageFailure) {
        while !Task.isCancelled {
            let isEmpty = try await metadata.transact { transaction throws(StorageFailure) -> Bool in
                var isEmpty = try self.throwAwayBlobs(of: id, account: account, transaction)
                if isEmpty { isEmpty = try self.throwAwayBlocks(of: id, transaction) }
                guard isEmpty else { return false }
                for kind in [Keys.Kind.uncommittedBlob, .uncommittedCount, .lastBlockWrite] {
                    transaction.delete(KeyRange(prefix: Keys.named(kind, id, "")))
                }
                transaction.delete(Keys.containerByID(id))
                transaction.delete(trashKey)
                return true
            }.result
            if isEmpty { return }
        }
    }

    private func throwAwayBlobs(
        of id: ContainerID, account: AccountName, _ transaction: any MetadataTransaction
    ) throws(StorageFailure) -> Bool {
        let cursor = try transaction.cursor(in: KeyRange(prefix: Keys.blobs(in: id)))
        var part: UInt16 = 0
        while part < Self.blobsPerReapingStep {
            guard let entry = try cursor.next() else { return part == 0 }
            let record = try BlobRecord(decoding: entry.value)
            let name = try storedName(entry.key[9...]) { text throws(StorageFailure) in text }
            transaction.delete(entry.key)
            transaction.reindex(from: record.tags, to: .empty, of: name, in: id, account: account)
            if record.content != .empty {
                transaction.throwAway(.content(record.contentID, record.content), part: part)
            }
            part += 1
        }
        return false
    }

    private func throwAwayBlocks(
        of id: ContainerID, _ transaction: any MetadataTransaction
    ) throws(StorageFailure) -> Bool {
        let cursor = try transaction.cursor(in: KeyRange(prefix: Keys.named(.stagedBlock, id, "")))
        var dropped = DroppedExtents()
        var count = 0
        while count < Self.blobsPerReapingStep, dropped.parts < 16 {
            guard let entry = try cursor.next() else { break }
            transaction.delete(entry.key)
            dropped.add(try StagedBlockRecord(decoding: entry.value).pieces.distinctExtents, transaction)
            count += 1
        }
        dropped.finish(transaction)
        return count == 0
    }

    private static var blobsPerReapingStep: Int { 256 }

    /// Commits a transaction that forgets extents, then gives their space back.
    private func forget(
        _ body: @escaping @Sendable (any MetadataTransaction) throws(StorageFailure) -> [Extent]
    ) async throws(StorageFailure) {
        let committed = try await metadata.transact(body)
        await giveBack(committed.result)
    }
}

extension MetadataTransaction {
    /// One holder less for each extent of the list, as often as it stands there.
    /// - Returns: the extents that nothing holds any more; their records are deleted.
    func letGo(_ extents: [Extent]) throws(StorageFailure) -> [Extent] {
        var times: [Extent: Int] = [:]
        for extent in extents { times[extent, default: 0] += 1 }
        var gone: [Extent] = []
        for (extent, count) in times {
            var record = try self.extent(extent)
            record.holders -= count
            // The last guard before bytes are given back: a count that is off must never free what others name.
            guard record.holders >= 0 else {
                throw StorageFailure(.damaged, cause: "extent \(extent.id) has fewer holders than records name it")
            }
            if record.holders > 0 {
                set(ExtentRecord.key(extent), record.encode())
            } else {
                delete(ExtentRecord.key(extent))
                gone.append(extent)
            }
        }
        return gone
    }
}
