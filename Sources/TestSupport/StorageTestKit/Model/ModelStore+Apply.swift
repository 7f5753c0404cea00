import Namespace
package import StorageModel

extension ModelStore {
    /// Does what a request must do and answers how it must be refused, if it must. A refused request changes nothing.
    package mutating func apply(_ operation: ModelOperation, _ receipt: ModelReceipt) -> StorageFailure.Code? {
        settle()
        switch operation {
        case .createContainer, .deleteContainer, .setContainerMetadata, .leaseContainer:
            return applyToContainer(operation, receipt)
        case .putBlob(let at, let bytes, let attributes, let held):
            if let problem = contentProblem(at, held) { return problem }
            return install(bytes, [], attributes, showsCopy: false, at, receipt)
        case .commit(let at, let list, let attributes, let held):
            if let problem = contentProblem(at, held) { return problem }
            guard let blocks = resolve(list, at: at) else { return .invalidBlockList }
            return install(blocks.flatMap(\.bytes), blocks, attributes, showsCopy: false, at, receipt)
        case .copy(let at, let request, let held): return copy(at, request, held, receipt)
        case .putBlock(let at, let id, let bytes, let lease): return stage(bytes, id, at, lease)
        case .slice(let at, let id, let from, let range, let lease): return slice(at, id, from, range, lease)
        case .setProperties(let at, let headers, let held):
            return change(at, held, receipt) { $0.headers = headers }
        case .setMetadata(let at, let metadata, let held):
            guard let blob = containers[at.container]?.blobs[at.blob] else { return change(at, held, receipt) { _ in } }
            var trial = self
            if let problem = trial.change(at, held, receipt, { _ in }) { return problem }
            if let problem = nameProblem(at, isEmpty: blob.bytes.isEmpty, metadata: metadata) { return problem }
            return change(at, held, receipt) { $0.metadata = metadata }
        case .setTags(let at, let tags, let held):
            if let problem = attributeProblem(at, held, leaseIsOptional: true) { return problem }
            containers[at.container]?.blobs[at.blob]?.tags = tags
        case .setTier(let at, let tier, let held): return setTier(at, tier, held)
        case .delete(let at, let held): return delete(at, held)
        case .leaseBlob(let at, let action, let conditions):
            guard containers[at.container] != nil else { return .containerNotFound }
            guard var blob = containers[at.container]?.blobs[at.blob] else { return .blobNotFound }
            if let problem = Self.writeProblem(conditions, blob, in: at.container) { return problem }
            if let problem = ModelLease.apply(action, to: &blob.lease, made: receipt.lease, at: now) { return problem }
            containers[at.container]?.blobs[at.blob] = blob
        case .advance(let seconds):
            now = now.adding(seconds: seconds)
            settle()
        case .reap: break
        case .expire: expire()
        case .read, .batch: preconditionFailure("reads and batches are answered, not applied")
        }
        return nil
    }

    private mutating func applyToContainer(
        _ operation: ModelOperation, _ receipt: ModelReceipt
    ) -> StorageFailure.Code? {
        switch operation {
        case .createContainer(let name, let metadata):
            guard containers[name] == nil else { return .containerAlreadyExists }
            containers[name] = Container(
                version: receipt.version ?? Version(0), lastModified: now, metadata: metadata)
        case .deleteContainer(let name, let held):
            guard let container = containers[name] else { return .containerNotFound }
            if let problem = ModelLease.writeProblem(container.lease, held.lease, .container, at: now) {
                return problem
            }
            if let problem = Self.containerProblem(held.conditions, container, name) { return problem }
            containers[name] = nil
        case .setContainerMetadata(let name, let metadata, let held):
            guard var container = containers[name] else { return .containerNotFound }
            if let problem = ModelLease.useProblem(container.lease, held.lease, .container, at: now) { return problem }
            if let problem = Self.containerProblem(held.conditions, container, name) { return problem }
            (container.metadata, container.lastModified) = (metadata, now)
            container.version = receipt.version ?? container.version
            containers[name] = container
        case .leaseContainer(let name, let action, let conditions):
            guard var container = containers[name] else { return .containerNotFound }
            if let problem = Self.containerProblem(conditions, container, name) { return problem }
            if let problem = ModelLease.apply(action, to: &container.lease, made: receipt.lease, at: now) {
                return problem
            }
            containers[name] = container
        default: preconditionFailure("not an operation on a container")
        }
        return nil
    }

    private static func containerProblem(
        _ conditions: Conditions, _ container: Container, _ name: ContainerName
    ) -> StorageFailure.Code? {
        writeProblem(
            conditions, version: container.version, lastModified: container.lastModified, tags: .empty, in: name)
    }

    private mutating func install(
        _ bytes: [UInt8], _ blocks: [Block], _ attributes: BlobAttributes, showsCopy: Bool,
        _ at: ModelAddress, _ receipt: ModelReceipt
    ) -> StorageFailure.Code? {
        if let problem = nameProblem(at, isEmpty: bytes.isEmpty, metadata: attributes.metadata) { return problem }
        let old = containers[at.container]?.blobs[at.blob]
        let lease = ModelLease.view(old?.lease, at: now).isLocked ? old?.lease : nil
        containers[at.container]?.blobs[at.blob] = Blob(
            bytes: bytes, blocks: blocks, version: receipt.version ?? Version(0), createdOn: old?.createdOn ?? now,
            lastModified: now, headers: attributes.headers, metadata: attributes.metadata, tags: attributes.tags,
            tier: attributes.tier ?? old?.tier, lease: lease, showsCopy: showsCopy)
        containers[at.container]?.staged[at.blob] = nil
        return nil
    }

    private mutating func copy(
        _ at: ModelAddress, _ request: CopyRequest, _ held: Guard, _ receipt: ModelReceipt
    ) -> StorageFailure.Code? {
        if let problem = contentProblem(at, held) { return problem }
        let lease = containers[at.container]?.blobs[at.blob]?.lease
        if request.recordsCopy, ModelLease.view(lease, at: now).isInfinite == false { return .infiniteLeaseRequired }
        let name = request.source.container.container
        guard let source = containers[name]?.blobs[request.source.blob] else { return .copySourceNotFound }
        if Self.readProblem(request.sourceConditions, source, in: name) != nil { return .sourceConditionNotMet }
        if source.tier == .archive { return .copySourceArchived }
        let tags = if case .replace(let tags) = request.tags { tags } else { source.tags }
        let attributes = BlobAttributes(
            headers: request.headers ?? source.headers, metadata: request.metadata ?? source.metadata, tags: tags,
            tier: request.tier)
        return install(source.bytes, source.blocks, attributes, showsCopy: request.recordsCopy, at, receipt)
    }

    private mutating func stage(
        _ bytes: [UInt8], _ id: String, _ at: ModelAddress, _ lease: LeaseID?
    ) -> StorageFailure.Code? {
        guard let container = containers[at.container] else { return .containerNotFound }
        if let problem = ModelLease.writeProblem(container.blobs[at.blob]?.lease, lease, .blob, at: now) {
            return problem
        }
        if at.blob.value.hasSuffix("/") { return .invalidName(.segment) }
        var staged = container.staged[at.blob] ?? Staged(createdOn: now, lastWrite: now)
        if let known = staged.blocks.keys.first, known.utf8.count != id.utf8.count { return .blockIDLengthMismatch }
        if bytes.isEmpty { return .invalidInput }
        staged.blocks[id] = bytes
        staged.lastWrite = now
        containers[at.container]?.staged[at.blob] = staged
        return nil
    }

    private mutating func slice(
        _ at: ModelAddress, _ id: String, _ from: ModelAddress, _ range: RangeRequest?, _ lease: LeaseID?
    ) -> StorageFailure.Code? {
        guard let source = containers[from.container]?.blobs[from.blob] else { return .copySourceNotFound }
        let length = Int64(source.bytes.count)
        if let range, range.first >= length { return .rangeNotSatisfiable(length: length) }
        if source.tier == .archive { return .copySourceArchived }
        if let last = range?.last, last >= length { return .rangeNotSatisfiable(length: length) }
        if source.bytes.isEmpty { return .invalidInput }
        let first = Int(range?.first ?? 0)
        let end = range?.last.map { Int($0) + 1 } ?? source.bytes.count
        return stage(Array(source.bytes[first..<end]), id, at, lease)
    }

    /// Why a write onto a blob's attributes must be refused.
    private func attributeProblem(
        _ at: ModelAddress, _ held: Guard, leaseIsOptional: Bool
    ) -> StorageFailure.Code? {
        guard let container = containers[at.container] else { return .containerNotFound }
        guard let blob = container.blobs[at.blob] else {
            return held.conditions.ifMatch == nil ? .blobNotFound : .preconditionFailed
        }
        let problem =
            leaseIsOptional
            ? ModelLease.useProblem(blob.lease, held.lease, .blob, at: now)
            : ModelLease.writeProblem(blob.lease, held.lease, .blob, at: now)
        return problem ?? Self.writeProblem(held.conditions, blob, in: at.container)
    }

    private mutating func change(
        _ at: ModelAddress, _ held: Guard, _ receipt: ModelReceipt, _ body: (inout Blob) -> Void
    ) -> StorageFailure.Code? {
        if let problem = attributeProblem(at, held, leaseIsOptional: false) { return problem }
        guard var blob = containers[at.container]?.blobs[at.blob] else { return .blobNotFound }
        if blob.tier == .archive { return .blobArchived }
        body(&blob)
        blob.lastModified = now
        blob.version = receipt.version ?? blob.version
        blob.showsCopy = false
        if !ModelLease.view(blob.lease, at: now).isLocked { blob.lease = nil }
        containers[at.container]?.blobs[at.blob] = blob
        return nil
    }

    private mutating func setTier(_ at: ModelAddress, _ tier: AccessTier, _ held: Guard) -> StorageFailure.Code? {
        if let problem = attributeProblem(at, held, leaseIsOptional: true) { return problem }
        guard var blob = containers[at.container]?.blobs[at.blob] else { return .blobNotFound }
        if let pending = blob.rehydration {
            if pending.target != tier { return .blobBeingRehydrated }
        } else if blob.tier == .archive, tier != .archive {
            blob.rehydration = PendingTier(target: tier, due: now.adding(seconds: 10))
        } else {
            blob.tier = tier
        }
        containers[at.container]?.blobs[at.blob] = blob
        return nil
    }

    private mutating func delete(_ at: ModelAddress, _ held: Guard) -> StorageFailure.Code? {
        guard let container = containers[at.container] else { return .containerNotFound }
        if container.blobs[at.blob] == nil {
            guard container.staged[at.blob] != nil, held.conditions.isEmpty else {
                return held.conditions.ifMatch == nil ? .blobNotFound : .preconditionFailed
            }
        } else if let problem = attributeProblem(at, held, leaseIsOptional: false) {
            return problem
        }
        containers[at.container]?.blobs[at.blob] = nil
        containers[at.container]?.staged[at.blob] = nil
        return nil
    }

    private mutating func expire() {
        let oldest = now.adding(seconds: -Limits.uncommittedBlockLifetimeSeconds)
        for (name, container) in containers {
            containers[name]?.staged = container.staged.filter { $0.value.lastWrite >= oldest }
        }
    }

    /// Rehydrations that are due have happened.
    mutating func settle() {
        for (name, container) in containers {
            for (key, blob) in container.blobs where blob.rehydration != nil {
                guard let pending = blob.rehydration, pending.due <= now else { continue }
                containers[name]?.blobs[key]?.tier = pending.target
                containers[name]?.blobs[key]?.rehydration = nil
            }
        }
    }
}
