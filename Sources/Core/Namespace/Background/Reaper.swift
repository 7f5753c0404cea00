import Extents
import Logging
import Metadata
package import StorageModel

/// Takes apart what no name reaches any more: one trash record at a time, in transactions of bounded size. The space of
/// extents is given back after the commit that forgets them; a crash in between leaves them to the sweeper.
extension Namespace {
    /// Works through the trash once.
    /// - Returns: whether something had to stay because somebody still reads it.
    @discardableResult
    package func reapTrash() async throws(StorageFailure) -> Bool {
        var position = Keys.all(.trash).lower
        var leftSomething = false
        while true {
            let from = position
            let batch = try await metadata.read(.scan) { reader throws(StorageFailure) in
                let cursor = try reader.cursor(in: Keys.all(.trash))
                var entries: [MetadataEntry] = []
                var entry = try cursor.seek(from)
                while let current = entry, entries.count < 16 {
                    entries.append(current)
                    entry = try cursor.next()
                }
                return entries
            }
            guard let last = batch.last else { return leftSomething }
            position = last.key + [0]
            // Whoever could have found these contents by name holds them after this.
            await readers.lookupsHaveEnded()
            for entry in batch {
                do throws(StorageFailure) {
                    if try await !reap(entry.key, try TrashRecord(decoding: entry.value)) { leftSomething = true }
                } catch {
                    // What cannot be read stays for fsck to name; the rest of the trash must not wait for it.
                    guard error.code == .damaged else { throw error }
                    logger.error("a trash record cannot be taken apart", metadata: ["cause": "\(error)"])
                }
            }
        }
    }

    /// - Returns: false when it must wait for a reader.
    private func reap(_ key: [UInt8], _ trash: TrashRecord) async throws(StorageFailure) -> Bool {
        switch trash {
        case .content(let id, let content):
            guard !readers.isHeld(id) else { return false }
            return try await reapContent(id, content, trashKey: key)
        case .extents(let extents):
            try await forget { transaction throws(StorageFailure) in
                guard try transaction.get(key) != nil else { return [] }
                transaction.delete(key)
                return try transaction.letGo(extents)
            }
            return true
        case .container(let id, let account):
            return try await reapContainer(id, account: account, trashKey: key)
        }
    }

    private func reapContent(
        _ id: ContentID, _ content: BlobRecord.Content, trashKey: [UInt8]
    ) async throws(StorageFailure) -> Bool {
        switch content {
        case .empty, .inline, .pieces:
            try await forget { transaction throws(StorageFailure) in
                guard try transaction.get(trashKey) != nil else { return [] }
                transaction.delete(trashKey)
                if case .pieces(let pieces) = content { return try transaction.letGo(pieces.distinctExtents) }
                transaction.delete(Keys.content(id, at: 0))
                return []
            }
        case .pages:
            var isDone = false
            while !isDone { isDone = try await reapOnePage(id, trashKey: trashKey) }
        }
        return true
    }

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
    ) async throws(StorageFailure) -> Bool {
        while true {
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
            if isEmpty { return true }
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
        var extents: [Extent] = []
        var count = 0
        while count < Self.blobsPerReapingStep {
            guard let entry = try cursor.next() else { break }
            transaction.delete(entry.key)
            extents += try StagedBlockRecord(decoding: entry.value).pieces.distinctExtents
            count += 1
        }
        guard count > 0 else { return true }
        transaction.throwAway(.extents(extents))
        return false
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
