import NIOCore
package import Namespace
package import StorageModel

/// The namespace itself under the model check, called in process.
package final class NamespaceSubject: ModelSubject {
    private let namespace: Namespace
    private let clock: TestWorld
    private let account: AccountName

    package init(_ namespace: Namespace, clock: TestWorld, account: AccountName = NamespaceFixture.account) {
        self.namespace = namespace
        self.clock = clock
        self.account = account
    }

    /// The same namespace as another account.
    package convenience init(_ other: NamespaceSubject, as account: AccountName) {
        self.init(other.namespace, clock: other.clock, account: account)
    }

    private func address(_ at: ModelAddress) -> BlobAddress {
        BlobAddress(account: account, container: at.container, blob: at.blob)
    }
    private func address(_ name: ContainerName) -> ContainerAddress {
        ContainerAddress(account: account, container: name)
    }

    package func expressed(_ operation: ModelOperation) -> ModelOperation {
        guard case .copy(let at, var request, let held) = operation else { return operation }
        request.source.container.account = account
        return .copy(at, request, held)
    }

    package func refusal(ofShape operation: ModelOperation) -> ModelRefusal? { nil }

    package func refusal(_ code: StorageFailure.Code, of operation: ModelOperation) -> ModelRefusal {
        ModelRefusal("\(code)")
    }

    package func perform(_ operation: ModelOperation) async throws -> ModelOutcome {
        do throws(StorageFailure) {
            switch operation {
            case .read(let read): return .done(try await look(read))
            case .batch(let parts):
                var receipt = ModelReceipt()
                for part in parts { receipt.parts.append(await attempt(part)) }
                return .done(receipt)
            default: return .done(try await write(operation))
            }
        } catch { return .refused(ModelRefusal("\(error.code)")) }
    }

    private func attempt(_ operation: ModelOperation) async -> ModelOutcome {
        do throws(StorageFailure) { return .done(try await write(operation)) } catch {
            return .refused(ModelRefusal("\(error.code)"))
        }
    }

    // MARK: - Writes

    /// Performs a write. What the core refuses is thrown as it is.
    package func write(_ operation: ModelOperation) async throws(StorageFailure) -> ModelReceipt {
        switch operation {
        case .createContainer(let name, let metadata):
            return .init(try await namespace.createContainer(address(name), metadata: metadata, publicAccess: nil))
        case .deleteContainer(let name, let held): try await namespace.deleteContainer(address(name), guard: held)
        case .setContainerMetadata(let name, let metadata, let held):
            return .init(try await namespace.setContainerMetadata(address(name), metadata, guard: held))
        case .leaseContainer(let name, let action, let conditions):
            return .init(try await namespace.leaseContainer(address(name), action, conditions: conditions))
        case .leaseBlob(let at, let action, let conditions):
            return .init(try await namespace.leaseBlob(address(at), action, conditions: conditions))
        case .putBlob, .putBlock, .commit, .copy, .slice: return try await writeContent(operation)
        case .setProperties(let at, let headers, let held):
            return .init(try await namespace.setProperties(address(at), headers, guard: held))
        case .setMetadata(let at, let metadata, let held):
            return .init(try await namespace.setMetadata(address(at), metadata, guard: held))
        case .setTags(let at, let tags, let held): try await namespace.setTags(address(at), tags, guard: held)
        case .setTier(let at, let tier, let held):
            var receipt = ModelReceipt()
            receipt.isPending = try await namespace.setTier(address(at), tier, priority: nil, guard: held).isPending
            return receipt
        case .delete(let at, let held): try await namespace.deleteBlob(address(at), guard: held)
        case .advance(let seconds): clock.advance(seconds: seconds)
        case .reap: try await namespace.reapTrash()
        case .expire: try await namespace.expireStagedBlocks()
        case .read, .batch: preconditionFailure("not a write of its own")
        }
        return .init()
    }

    private func writeContent(_ operation: ModelOperation) async throws(StorageFailure) -> ModelReceipt {
        switch operation {
        case .putBlob(let at, let bytes, let attributes, let held):
            let receipt = try await namespace.putBlob(
                address(at), body: NamespaceFixture.body(bytes), attributes: attributes, guard: held)
            return .init(receipt.write)
        case .commit(let at, let list, let attributes, let held):
            return .init(
                try await namespace.commitBlocks(address(at), list: list, attributes: attributes, guard: held))
        case .copy(let at, let request, let held):
            return .init(try await namespace.copyBlob(to: address(at), request, guard: held).write)
        case .putBlock(let at, let id, let bytes, let lease):
            _ = try await namespace.putBlock(
                address(at), id: BlockID(text: id), body: NamespaceFixture.body(bytes), lease: lease)
        case .slice(let at, let id, let from, let range, let lease):
            _ = try await namespace.putBlockFromBlob(
                address(at), id: BlockID(text: id), source: address(from), range: range, sourceConditions: .none,
                expectedMD5: nil, expectedCRC64: nil, lease: lease)
        default: preconditionFailure("not a write of content")
        }
        return .init()
    }

    // MARK: - Reads

    private func look(_ read: ModelRead) async throws(StorageFailure) -> ModelReceipt {
        switch read {
        case .get(let at, let range, let held):
            let reading = try await namespace.openBlob(address(at), range: range, ifRange: nil, guard: held)
            let bytes = Array(try await reading.body.collect(limit: 1 << 20).readableBytesView)
            return .init(seeing: .blob(BlobSight(reading.properties).shown(.get), range: reading.range, bytes: bytes))
        case .head(let at, let held):
            let found = try await namespace.blobProperties(address(at), guard: held)
            return .init(seeing: .blob(BlobSight(found).shown(.head), range: nil, bytes: nil))
        case .tags(let at, let held):
            return .init(seeing: .tags(BlobSight.lines(try await namespace.tags(address(at), guard: held))))
        case .blocks(let at, let kind, let held):
            let listing = try await namespace.blockList(address(at), kind: kind, guard: held)
            let line = { (block: BlockListing.Block) in "\(block.id.text) \(block.size)" }
            return .init(
                seeing: .blocks(
                    version: listing.committedBlob?.version, length: Int(listing.committedBlob?.length ?? 0),
                    committed: kind == .uncommitted ? nil : listing.committed.map(line),
                    uncommitted: kind == .committed ? nil : listing.uncommitted.map(line)))
        case .container(let name, let lease):
            let found = try await namespace.containerProperties(address(name), lease: lease)
            return .init(seeing: .container(ContainerSight(found)))
        case .containers(let prefix, let limit, let position):
            let page = try await namespace.listContainers(
                of: account, prefix: prefix, position: position.flatMap { ListPosition(text: $0.token) }, limit: limit)
            let sights = page.containers.map { ContainerSight($0) }
            var receipt = ModelReceipt(seeing: .containers(sights, hasMore: page.next != nil))
            receipt.token = page.next?.text
            return receipt
        case .list(let name, let listing): return try await list(name, listing)
        case .find(let name, let filter, let limit): return try await find(name, filter, limit)
        }
    }

    private func list(_ name: ContainerName, _ listing: ModelListing) async throws(StorageFailure) -> ModelReceipt {
        let query = BlobListQuery(
            prefix: listing.prefix, delimiter: listing.delimiter,
            position: listing.position.flatMap { ListPosition(text: $0.token) }, startFrom: listing.startFrom,
            limit: listing.limit, includesUncommitted: listing.showsUncommitted)
        let page = try await namespace.listBlobs(address(name), query)
        let entries = page.entries.map { entry -> ModelSight.PageEntry in
            switch entry {
            case .blob(let name, let found):
                .blob(name: Array(name.utf8), BlobSight(found).shown(.list(listing)))
            case .uncommitted(let name, _): .uncommitted(name: Array(name.utf8))
            case .prefix(let name): .prefix(Array(name.utf8))
            }
        }
        var receipt = ModelReceipt(seeing: .page(entries, hasMore: page.next != nil))
        receipt.token = page.next?.text
        return receipt
    }

    private func find(
        _ name: ContainerName?, _ filter: TagFilter, _ limit: Int
    ) async throws(StorageFailure) -> ModelReceipt {
        var found: [String] = []
        var position: ListPosition?
        repeat {
            let page = try await namespace.findBlobs(
                of: account, in: name, filter: filter, position: position, limit: limit)
            for match in page.matches {
                let tags = match.tags.entries.filter { filter.keys.contains($0.key) }.map { "\($0.key)=\($0.value)" }
                found.append("\(match.container)/\(match.name) \(tags.joined(separator: ","))")
            }
            position = page.next
        } while position != nil
        return .init(seeing: .found(found.sorted { Array($0.utf8).lexicographicallyPrecedes($1.utf8) }))
    }
}

extension ModelReceipt {
    package init(seeing sight: ModelSight) {
        self.init()
        seen = sight
    }

    fileprivate init(_ receipt: WriteReceipt) {
        self.init(version: receipt.version)
        modified = receipt.lastModified.seconds
    }

    fileprivate init(_ receipt: LeaseReceipt) {
        self.init(receipt.write)
        lease = receipt.id
        remaining = receipt.remainingSeconds
    }
}

extension BlobSight {
    fileprivate init(_ found: BlobProperties) {
        self.init(
            version: found.version, createdOn: found.createdOn.seconds, modified: found.lastModified.seconds,
            length: found.length, headers: found.headers, lease: Self.lease(found.lease))
        metadata = Self.lines(found.metadata)
        tagCount = found.tags.count
        tags = Self.lines(found.tags)
        tier = Self.tier(found.tier, to: found.rehydration?.target)
        showsCopy = found.copy != nil
    }
}

extension ContainerSight {
    fileprivate init(_ found: ContainerProperties) {
        self.init(
            name: found.name.value, version: found.version, modified: found.lastModified.seconds,
            metadata: BlobSight.lines(found.metadata), lease: BlobSight.lease(found.lease))
    }
}
