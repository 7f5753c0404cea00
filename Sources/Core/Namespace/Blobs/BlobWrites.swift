import Extents
import Metadata
package import StorageModel

extension Namespace {
    /// Put Blob: stores the bytes, then names them. A crash in between leaves unnamed extents for the sweeper.
    ///
    /// - Throws: everything that the conditions, the lease, the names and the body's digests can refuse; then nothing
    ///   of the body stays.
    package func putBlob(
        _ address: BlobAddress, body: IncomingBody, attributes: BlobAttributes, guard held: Guard
    ) async throws(StorageFailure) -> PutBlobReceipt {
        if body.length.map({ $0 > Int64(configuration.inlineLimit) }) ?? true {
            try await refuseEarly(address, guard: held, length: body.length, metadata: attributes.metadata)
        }
        let (stored, digests) = try await takeIn(body, inlineLimit: configuration.inlineLimit)
        var attributes = attributes
        if attributes.headers.contentMD5 == nil { attributes.headers.contentMD5 = digests.md5 }
        let final = attributes
        let now = world.now()
        let committed = try await naming(stored) { transaction throws(StorageFailure) in
            let target = try self.checkContentWrite(address, guard: held, at: now, transaction)
            let content: NewContent
            switch stored {
            case .empty: content = .empty
            case .inline(let buffer): content = .inline(buffer)
            case .extents(let extents):
                transaction.introduce(extents)
                content = .pieces(
                    extents.map { ManifestPiece(extent: $0, offset: 0, length: $0.length, block: nil) })
            }
            try self.install(
                content, length: digests.length, attributes: final, copy: nil, on: target, operation: .putBlob,
                at: now, transaction)
        }
        return PutBlobReceipt(write: try committed.receipt(now), digests: digests)
    }

    /// Says no before the body crosses the wire, where the answer is already known.
    private func refuseEarly(
        _ address: BlobAddress, guard held: Guard, length: Int64?, metadata userMetadata: UserMetadata
    ) async throws(StorageFailure) {
        let now = world.now()
        try await metadata.read(.point) { reader throws(StorageFailure) in
            let target = try self.checkContentWrite(address, guard: held, at: now, reader)
            try DirectoryRules.check(
                // A body of unknown length may turn out to be empty.
                address.blob, in: target.container.id, length: length ?? 0, metadata: userMetadata,
                existing: target.existing, reader)
        }
    }

    /// Commits a transaction that names stored bytes; when it is refused the bytes are given back. When the outcome of
    /// the commit is unknown they stay: the sweeper of the next start decides.
    func naming<Result: Sendable>(
        _ stored: StoredBody,
        _ body: @escaping @Sendable (any MetadataTransaction) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Committed<Result> {
        do {
            let committed = try await metadata.transact(body)
            trashSignal.raise()
            return committed
        } catch {
            if error.code != .unavailable { await giveBack(stored) }
            throw error
        }
    }
}
