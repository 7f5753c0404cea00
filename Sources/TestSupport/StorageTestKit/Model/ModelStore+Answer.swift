import Namespace
import StorageModel

extension ModelStore {
    /// Does what a request must do and says what it must answer. What only the store can know (versions, invented lease ids)
    /// is taken from what it did answer, as far as that is possible at all.
    package mutating func answer(_ operation: ModelOperation, _ found: ModelReceipt) -> ModelAnswer {
        settle()
        switch operation {
        case .read(let read): return observe(read)
        case .batch(let parts):
            return .parts(
                parts.enumerated().map { index, part in
                    answer(part, index < found.parts.count ? found.parts[index].receipt : ModelReceipt())
                })
        default:
            let before = containers
            if let problem = apply(operation, found) {
                containers = before
                return .refused(problem)
            }
            return .done(receipt(of: operation, found))
        }
    }

    /// What a write that has been applied answers.
    private mutating func receipt(of operation: ModelOperation, _ found: ModelReceipt) -> ModelReceipt {
        switch operation {
        case .createContainer, .setContainerMetadata, .putBlob, .commit, .setProperties, .setMetadata, .copy:
            var expected = ModelReceipt()
            // A version that is not newer than all others is wrong, whatever it is.
            let version = found.version ?? Version(0)
            expected.version = version > newest ? version : Version(newest.rawValue + 1)
            expected.modified = now.seconds
            newest = max(newest, version)
            return expected
        case .setTier(let at, _, _):
            var expected = ModelReceipt()
            expected.isPending = containers[at.container]?.blobs[at.blob]?.rehydration != nil
            return expected
        case .leaseBlob(let at, let action, _):
            guard let blob = containers[at.container]?.blobs[at.blob] else { return ModelReceipt() }
            return leaseReceipt(action, blob.lease, blob.version, blob.lastModified, found)
        case .leaseContainer(let name, let action, _):
            guard let container = containers[name] else { return ModelReceipt() }
            return leaseReceipt(action, container.lease, container.version, container.lastModified, found)
        case .deleteContainer, .putBlock, .slice, .setTags, .delete, .advance, .reap, .expire, .read, .batch:
            return ModelReceipt()
        }
    }

    private func leaseReceipt(
        _ action: LeaseAction, _ lease: ModelLease?, _ version: Version, _ modified: Timestamp, _ found: ModelReceipt
    ) -> ModelReceipt {
        var expected = ModelReceipt(version: version)
        expected.modified = modified.seconds
        switch action {
        case .acquire(_, let proposed):
            expected.lease = proposed ?? (found.lease.flatMap { ModelGenerator.leases.contains($0) ? nil : $0 })
        case .renew(let id): expected.lease = id
        case .change(_, let proposed): expected.lease = proposed
        case .release: break
        case .breakAfter:
            let left = (lease?.end ?? now).nanoseconds - now.nanoseconds
            expected.remaining = left > 0 ? Int((left + 999_999_999) / 1_000_000_000) : 0
        }
        return expected
    }

    // MARK: - Reads

    private func observe(_ read: ModelRead) -> ModelAnswer {
        switch read {
        case .get(let at, let range, let held): get(at, range, held)
        case .head(let at, let held):
            switch find(at, held) {
            case .failure(let refusal): .refused(refusal.code)
            case .success(let blob): .seen(.blob(sight(blob).shown(.head), range: nil, bytes: nil))
            }
        case .tags(let at, let held):
            switch find(at, held) {
            case .failure(let refusal):
                .refused(refusal.code == .notModified ? .preconditionFailed : refusal.code)
            case .success(let blob): .seen(.tags(BlobSight.lines(blob.tags)))
            }
        case .blocks(let at, let kind, let held): blocks(at, kind, held)
        case .container(let name, let lease): container(name, lease)
        case .containers(let prefix, let limit, let position): listContainers(prefix, limit, position)
        case .list(let name, let listing): list(name, listing).answer
        case .find(let name, let filter, _): find(name, filter)
        }
    }

    private struct Refusal: Error { var code: StorageFailure.Code }

    /// A blob for reading: existence, then the lease id that was given, then conditions.
    private func find(_ at: ModelAddress, _ held: Guard) -> Result<Blob, Refusal> {
        guard let container = containers[at.container] else { return .failure(Refusal(code: .containerNotFound)) }
        guard let blob = container.blobs[at.blob] else { return .failure(Refusal(code: .blobNotFound)) }
        let problem =
            ModelLease.useProblem(blob.lease, held.lease, .blob, at: now)
            ?? Self.readProblem(held.conditions, blob, in: at.container)
        return problem.map { .failure(Refusal(code: $0)) } ?? .success(blob)
    }

    private func get(_ at: ModelAddress, _ range: RangeRequest?, _ held: Guard) -> ModelAnswer {
        switch find(at, held) {
        case .failure(let refusal): return .refused(refusal.code)
        case .success(let blob):
            let length = Int64(blob.bytes.count)
            if let range, range.first >= length { return .refused(.rangeNotSatisfiable(length: length)) }
            if blob.tier == .archive { return .refused(.blobArchived) }
            let shown = sight(blob).shown(.get)
            guard let range else { return .seen(.blob(shown, range: nil, bytes: blob.bytes)) }
            let end = min(range.last.map { $0 + 1 } ?? length, length)
            let bytes = Array(blob.bytes[Int(range.first)..<Int(end)])
            return .seen(.blob(shown, range: range.first..<end, bytes: bytes))
        }
    }

    private func blocks(_ at: ModelAddress, _ kind: BlockListKind, _ held: Guard) -> ModelAnswer {
        guard let container = containers[at.container] else { return .refused(.containerNotFound) }
        let (blob, staged) = (container.blobs[at.blob], container.staged[at.blob])
        guard blob != nil || staged != nil else { return .refused(.blobNotFound) }
        if let blob {
            let problem =
                ModelLease.useProblem(blob.lease, held.lease, .blob, at: now)
                ?? Self.writeProblem(held.conditions, blob, in: at.container)
            if let problem { return .refused(problem) }
        } else if held.conditions.ifTags != nil {
            return .refused(.preconditionFailed)
        }
        let committed = (blob?.blocks ?? []).map { "\($0.id) \($0.bytes.count)" }
        let uncommitted = (staged?.blocks ?? [:]).sorted { Array($0.key.utf8).lexicographicallyPrecedes($1.key.utf8) }
            .map { "\($0.key) \($0.value.count)" }
        return .seen(
            .blocks(
                version: blob?.version, length: blob?.bytes.count ?? 0,
                committed: kind == .uncommitted ? nil : committed, uncommitted: kind == .committed ? nil : uncommitted))
    }

    private func container(_ name: ContainerName, _ lease: LeaseID?) -> ModelAnswer {
        guard let container = containers[name] else { return .refused(.containerNotFound) }
        if let problem = ModelLease.useProblem(container.lease, lease, .container, at: now) { return .refused(problem) }
        return .seen(.container(sight(container, name)))
    }

    private func find(_ name: ContainerName?, _ filter: TagFilter) -> ModelAnswer {
        if let name, containers[name] == nil { return .refused(.containerNotFound) }
        var found: [String] = []
        for (container, content) in containers where name == nil || name == container {
            for (blob, record) in content.blobs where filter.matches(record.tags, container: container) {
                let tags = record.tags.entries.filter { filter.keys.contains($0.key) }.map { "\($0.key)=\($0.value)" }
                found.append("\(container)/\(blob) \(tags.joined(separator: ","))")
            }
        }
        return .seen(.found(found.sorted { Array($0.utf8).lexicographicallyPrecedes($1.utf8) }))
    }

    func sight(_ blob: Blob) -> BlobSight {
        var sight = BlobSight(
            version: blob.version, createdOn: blob.createdOn.seconds, modified: blob.lastModified.seconds,
            length: Int64(blob.bytes.count), headers: blob.headers,
            lease: BlobSight.lease(ModelLease.view(blob.lease, at: now)))
        sight.metadata = BlobSight.lines(blob.metadata)
        sight.tagCount = blob.tags.count
        sight.tags = BlobSight.lines(blob.tags)
        sight.tier = BlobSight.tier(blob.tier, to: blob.rehydration?.target)
        sight.showsCopy = blob.showsCopy
        return sight
    }

    func sight(_ container: Container, _ name: ContainerName) -> ContainerSight {
        ContainerSight(
            name: name.value, version: container.version, modified: container.lastModified.seconds,
            metadata: BlobSight.lines(container.metadata),
            lease: BlobSight.lease(ModelLease.view(container.lease, at: now)))
    }
}

extension ModelAnswer {
    static func seen(_ sight: ModelSight) -> ModelAnswer {
        var receipt = ModelReceipt()
        receipt.seen = sight
        return .done(receipt)
    }
}
