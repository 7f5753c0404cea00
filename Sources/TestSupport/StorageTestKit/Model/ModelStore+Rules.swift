import Namespace
import StorageModel

/// Conditions, names and block lists as the fact sheets state them.
extension ModelStore {
    static func readProblem(_ conditions: Conditions, _ blob: Blob, in container: ContainerName) -> StorageFailure.Code?
    {
        let modified = blob.lastModified.seconds
        if let match = conditions.ifMatch, !match.matches(blob.version) { return .preconditionFailed }
        if let date = conditions.ifUnmodifiedSince, modified > date.seconds { return .preconditionFailed }
        if let filter = conditions.ifTags, !filter.matches(blob.tags, container: container) {
            return .preconditionFailed
        }
        var votes: [Bool] = []
        if let match = conditions.ifNoneMatch { votes.append(!match.matches(blob.version)) }
        if let date = conditions.ifModifiedSince { votes.append(modified > date.seconds) }
        return votes.isEmpty || votes.contains(true) ? nil : .notModified
    }

    static func writeProblem(
        _ conditions: Conditions, version: Version, lastModified: Timestamp, tags: Tags, in container: ContainerName
    ) -> StorageFailure.Code? {
        var votes: [Bool] = []
        let modified = lastModified.seconds
        if let match = conditions.ifMatch {
            votes.append(match.matches(version))
        } else if let date = conditions.ifUnmodifiedSince {
            votes.append(modified <= date.seconds)
        }
        if let match = conditions.ifNoneMatch {
            votes.append(!match.matches(version))
        } else if let date = conditions.ifModifiedSince {
            votes.append(modified > date.seconds)
        }
        if let filter = conditions.ifTags { votes.append(filter.matches(tags, container: container)) }
        return votes.contains(false) ? .preconditionFailed : nil
    }

    static func writeProblem(_ conditions: Conditions, _ blob: Blob, in container: ContainerName) -> StorageFailure
        .Code?
    {
        writeProblem(
            conditions, version: blob.version, lastModified: blob.lastModified, tags: blob.tags, in: container)
    }

    /// Everything that can refuse a content write before its content is looked at.
    func contentProblem(_ at: ModelAddress, _ held: Guard) -> StorageFailure.Code? {
        guard let container = containers[at.container] else { return .containerNotFound }
        let blob = container.blobs[at.blob]
        if let problem = ModelLease.writeProblem(blob?.lease, held.lease, .blob, at: now) { return problem }
        guard let blob else {
            return held.conditions.ifMatch != nil || held.conditions.ifTags != nil ? .preconditionFailed : nil
        }
        var conditions = held.conditions
        if conditions.ifNoneMatch == .any {
            if held.lease == nil { return .blobAlreadyExists }
            conditions.ifNoneMatch = nil
        }
        if let problem = Self.writeProblem(conditions, blob, in: at.container) { return problem }
        return blob.tier == .archive ? .blobArchived : nil
    }

    /// A file has nothing beneath it and nothing but directories above it.
    func nameProblem(_ at: ModelAddress, isEmpty: Bool, metadata: UserMetadata) -> StorageFailure.Code? {
        guard let container = containers[at.container] else { return .containerNotFound }
        let path = Array(at.blob.value.utf8)
        let slash = UInt8(ascii: "/")
        if path.last == slash, !isEmpty { return .invalidName(.segment) }
        let becomesDirectory = path.last == slash || (isEmpty && metadata.marksDirectory)
        for (name, other) in container.blobs where name != at.blob {
            let otherPath = Array(name.value.utf8)
            if otherPath.starts(with: path + [slash]), !becomesDirectory { return .nameConflict }
            if path.starts(with: otherPath + [slash]), otherPath.last != slash, !other.isDirectory {
                return .nameConflict
            }
        }
        return nil
    }

    /// The blocks that a list names, or nothing when it names one that is not there.
    func resolve(_ list: [BlockListEntry], at: ModelAddress) -> [Block]? {
        let staged = containers[at.container]?.staged[at.blob]?.blocks ?? [:]
        var committed: [String: [UInt8]] = [:]
        for block in containers[at.container]?.blobs[at.blob]?.blocks ?? [] { committed[block.id] = block.bytes }
        var blocks: [Block] = []
        for entry in list {
            let id = entry.id.text
            let found: [UInt8]? =
                switch entry.source {
                case .committed: committed[id]
                case .uncommitted: staged[id]
                case .latest: staged[id] ?? committed[id]
                }
            guard let found else { return nil }
            blocks.append(Block(id: id, bytes: found))
        }
        return blocks
    }
}
