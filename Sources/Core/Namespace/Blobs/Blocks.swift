import Extents
import Metadata
package import StorageModel

extension Namespace {
    /// Put Block: the block is durable, counted and invisible until a commit names it.
    package func putBlock(
        _ address: BlobAddress, id: BlockID, body: IncomingBody, lease: LeaseID?
    ) async throws(StorageFailure) -> BodyDigests {
        let early = world.now()
        try await metadata.read(.point) { reader throws(StorageFailure) in
            _ = try self.checkStaging(address, id: id, lease: lease, at: early, reader)
        }
        let (stored, digests) = try await takeIn(body, inlineLimit: 0)
        guard case .extents(let extents) = stored else {
            throw StorageFailure(.invalidInput, detail: "A block holds at least one byte.")
        }
        let pieces = extents.map { ManifestPiece(extent: $0, offset: 0, length: $0.length, block: nil) }
        let now = world.now()
        _ = try await naming(stored) { transaction throws(StorageFailure) in
            transaction.introduce(extents)
            try self.stage(
                StagedBlockRecord(length: digests.length, pieces: pieces), as: id, at: address, lease: lease, now,
                transaction)
        }
        return digests
    }

    /// Puts a staged block's record in place of an older one with the same id.
    func stage(
        _ block: StagedBlockRecord, as id: BlockID, at address: BlobAddress, lease: LeaseID?, _ now: Timestamp,
        _ transaction: any MetadataTransaction
    ) throws(StorageFailure) {
        let target = try checkStaging(address, id: id, lease: lease, at: now, transaction)
        let container = target.container
        let name = address.blob.value
        let key = Keys.stagedBlock(container, name, id)
        if let old = try transaction.get(key) {
            var dropped = DroppedExtents()
            dropped.add(try StagedBlockRecord(decoding: old).pieces.distinctExtents, transaction)
            dropped.finish(transaction)
        } else {
            transaction.add(Keys.uncommittedCount(container, name), 1)
        }
        transaction.set(key, block.encode())
        if target.isFirst {
            transaction.set(
                Keys.uncommittedBlob(container, name),
                UncommittedBlobRecord(createdOn: now, blockIDLength: id.text.utf8.count).encode())
        }
        transaction.set(Keys.lastBlockWrite(container, name), LastBlockWriteRecord.encode(now))
    }

    /// Whether a block with this id may be staged now. Blocks of one name read the same records and write none of them
    /// but their own, so that parallel uploads do not conflict.
    private func checkStaging(
        _ address: BlobAddress, id: BlockID, lease: LeaseID?, at now: Timestamp, _ reader: any MetadataReader
    ) throws(StorageFailure) -> (container: ContainerID, isFirst: Bool) {
        let container = try reader.container(address.container).id
        let existing = try reader.blobIfPresent(container, address.blob)
        try LeaseRules.checkWrite(existing?.lease, given: lease, subject: .blob, at: now)
        if address.blob.isDirectoryMarker {
            throw StorageFailure(
                .invalidName(.segment), detail: "A name that ends in '/' is a directory marker and holds no bytes.")
        }
        guard let value = try reader.get(Keys.uncommittedBlob(container, address.blob.value)) else {
            return (container, true)
        }
        guard try UncommittedBlobRecord(decoding: value).blockIDLength == id.text.utf8.count else {
            throw StorageFailure(.blockIDLengthMismatch)
        }
        let countKey = Keys.uncommittedCount(container, address.blob.value)
        // Peeked at, not read: the count changes with every block. Parallel uploads may pass the limit by their number.
        let counter: [UInt8]?
        if let transaction = reader as? any MetadataTransaction {
            counter = try transaction.peek(countKey)
        } else {
            counter = try reader.get(countKey)
        }
        let count = CounterValue.decode(counter)
        if count >= Int64(Limits.uncommittedBlocksPerBlob),
            try reader.get(Keys.stagedBlock(container, address.blob.value, id)) == nil
        {
            throw StorageFailure(.tooManyUncommittedBlocks)
        }
        return (container, false)
    }

    /// Put Block List: the named blocks become the blob, in one commit; staged blocks that it does not name are dropped.
    package func commitBlocks(
        _ address: BlobAddress, list: [BlockListEntry], attributes: BlobAttributes, guard held: Guard
    ) async throws(StorageFailure) -> WriteReceipt {
        guard list.count <= Limits.blocksPerBlob else {
            throw StorageFailure(.blockListTooLong(limit: Limits.blocksPerBlob))
        }
        let now = world.now()
        let committed = try await naming(.empty) { transaction throws(StorageFailure) in
            let target = try self.checkContentWrite(address, guard: held, at: now, transaction)
            let resolved = try BlockResolution(list: list, target: target, transaction)
            let length = resolved.pieces.reduce(Int64(0)) { $0 + Int64($1.length) }
            try resolved.adjustHolders(transaction)
            try self.dropStagedBlocks(
                target.container.id, address.blob, consumed: resolved.consumed, firstPart: 1, transaction)
            try self.install(
                resolved.pieces.isEmpty ? .empty : .pieces(resolved.pieces), length: length, attributes: attributes,
                copy: nil, on: target, operation: .commitBlocks, at: now, dropsStaged: false, transaction)
        }
        return try committed.receipt(now)
    }

    /// Get Block List.
    /// - Parameter seesUncommitted: without it a name that has only staged blocks is none.
    /// - Throws: `.blobNotFound` when the name has neither a committed blob nor staged blocks.
    package func blockList(
        _ address: BlobAddress, kind: BlockListKind, guard held: Guard, seesUncommitted: Bool = true
    ) async throws(StorageFailure) -> BlockListing {
        let now = world.now()
        return try await metadata.read(.scan) { reader throws(StorageFailure) in
            let container = try reader.container(address.container).id
            let record = try reader.blobIfPresent(container, address.blob)
            if record == nil {
                guard seesUncommitted,
                    try reader.get(Keys.uncommittedBlob(container, address.blob.value)) != nil
                else { throw StorageFailure(.blobNotFound) }
            }
            if let record {
                try LeaseRules.checkGiven(record.lease, given: held.lease, subject: .blob, at: now)
                try ConditionRules.checkWrite(held.conditions, record.subject(in: address.container.container))
            } else if held.conditions.ifTags != nil {
                throw StorageFailure(.preconditionFailed)
            }
            var listing = BlockListing(committedBlob: record?.properties(at: now), committed: [], uncommitted: [])
            if kind != .uncommitted, let record {
                for block in try CommittedBlocks(of: record, keepsPieces: false, reader).blocks {
                    listing.committed.append(.init(id: block.id, size: block.size))
                }
            }
            if kind != .committed {
                let prefix = Keys.stagedBlocks(container, address.blob.value)
                let cursor = try reader.cursor(in: KeyRange(prefix: prefix))
                while let entry = try cursor.next() {
                    let id = try storedName(entry.key[prefix.count...]) { text throws(StorageFailure) in
                        BlockID(text: text)
                    }
                    listing.uncommitted.append(.init(id: id, size: try StagedBlockRecord(decoding: entry.value).length))
                }
            }
            return listing
        }
    }
}
