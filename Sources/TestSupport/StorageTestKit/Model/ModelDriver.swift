import NIOCore
import Namespace
package import StorageModel

/// Sends the model's requests to a namespace and holds what is visible there against the model.
package struct ModelDriver: Sendable {
    package let fixture: NamespaceFixture
    package let subject: NamespaceSubject

    package init(_ fixture: NamespaceFixture) {
        self.fixture = fixture
        subject = NamespaceSubject(fixture.namespace, clock: fixture.world)
    }

    private func address(_ at: ModelAddress) -> BlobAddress {
        BlobAddress(account: NamespaceFixture.account, container: at.container, blob: at.blob)
    }
    private func address(_ name: ContainerName) -> ContainerAddress {
        ContainerAddress(account: NamespaceFixture.account, container: name)
    }

    /// Performs a write.
    package func perform(_ operation: ModelOperation) async throws(StorageFailure) -> ModelReceipt {
        try await subject.write(operation)
    }

    /// Performs a request on both and compares the answers.
    package func step(_ operation: ModelOperation, _ model: inout ModelStore) async throws {
        _ = try await subject.step(operation, &model)
    }

    /// Compares the listings of all containers, properties included; with `reads`, also bytes, blocks and searches.
    package func compare(_ model: ModelStore, reads: Bool) async throws {
        let listed = try await fixture.namespace.listContainers(
            of: NamespaceFixture.account, prefix: "", position: nil, limit: 100)
        try require(listed.containers.map(\.name.value), model.containers.keys.map(\.value).sorted(), "containers")
        for found in listed.containers {
            guard let container = model.containers[found.name] else { continue }
            try require(found.version, container.version, "version of \(found.name)")
            try require(found.lastModified, container.lastModified, "date of \(found.name)")
            try require(found.metadata, container.metadata, "metadata of \(found.name)")
            try require(found.lease, ModelLease.view(container.lease, at: model.now), "lease of \(found.name)")
            try await compareBlobs(of: found.name, container, model.now)
            guard reads else { continue }
            try await comparePrefixes(of: found.name, container)
            for (name, blob) in container.blobs {
                try await compareContent(ModelAddress(container: found.name, blob: name), blob, container.staged[name])
            }
        }
        if reads { try await compareTags(model) }
    }

    private func compareBlobs(
        of name: ContainerName, _ container: ModelStore.Container, _ now: Timestamp
    ) async throws {
        let page = try await fixture.namespace.listBlobs(address(name), BlobListQuery(includesUncommitted: true))
        let names = Set(container.blobs.keys).union(container.staged.keys).sorted()
        try require(page.entries.count, names.count, "entries of \(name)")
        for (entry, expected) in zip(page.entries, names) {
            switch entry {
            case .blob(let found, let properties):
                try require(Array(found.utf8), Array(expected.value.utf8), "name in \(name)")
                guard let blob = container.blobs[expected] else {
                    throw ModelMismatch("\(expected) is not committed")
                }
                let lines = Self.lines(properties)
                try require(lines, Self.lines(blob, now), "properties of \(name)/\(expected)")
            case .uncommitted(let found, let createdOn):
                try require(Array(found.utf8), Array(expected.value.utf8), "name in \(name)")
                try require(createdOn, container.staged[expected]?.createdOn ?? now, "staging of \(name)/\(expected)")
                try require(container.blobs[expected] == nil, true, "\(expected) is only staged")
            case .prefix(let prefix):
                throw ModelMismatch("a listing without delimiter holds the prefix \(prefix)")
            }
        }
    }

    private static func lines(_ blob: BlobProperties) -> [String] {
        [
            "\(blob.version) \(blob.createdOn) \(blob.lastModified) \(blob.length)", "\(blob.headers)",
            "\(blob.metadata.entries) \(blob.tags.entries)",
            "\(String(describing: blob.tier)) \(String(describing: blob.rehydration?.target)) \(blob.lease) \(blob.copy != nil)",
        ]
    }
    private static func lines(_ blob: ModelStore.Blob, _ now: Timestamp) -> [String] {
        [
            "\(blob.version) \(blob.createdOn) \(blob.lastModified) \(blob.bytes.count)", "\(blob.headers)",
            "\(blob.metadata.entries) \(blob.tags.entries)",
            "\(String(describing: blob.tier)) \(String(describing: blob.rehydration?.target)) "
                + "\(ModelLease.view(blob.lease, at: now)) \(blob.showsCopy)",
        ]
    }

    private func comparePrefixes(of name: ContainerName, _ container: ModelStore.Container) async throws {
        var expected: [String] = []
        for name in Set(container.blobs.keys).union(container.staged.keys).sorted() {
            let path = name.value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            let entry = path.count > 1 ? "\(path[0])/" : name.value
            if expected.last.map({ Array($0.utf8) }) != Array(entry.utf8) { expected.append(entry) }
        }
        for size in [1, 2, 100] {
            var found: [String] = []
            var query = BlobListQuery(delimiter: "/", limit: size, includesUncommitted: true)
            repeat {
                let page = try await fixture.namespace.listBlobs(address(name), query)
                found += page.entries.map { entry in
                    switch entry {
                    case .blob(let name, _), .uncommitted(let name, _), .prefix(let name): name
                    }
                }
                query.position = page.next
            } while query.position != nil
            try require(found.map { Array($0.utf8) }, expected.map { Array($0.utf8) }, "prefixes of \(name) by \(size)")
        }
    }

    private func compareContent(
        _ at: ModelAddress, _ blob: ModelStore.Blob, _ staged: ModelStore.Staged?
    ) async throws {
        let subject = "\(at.container)/\(at.blob)"
        let listing = try await fixture.namespace.blockList(address(at), kind: .all, guard: .none)
        // An empty block leaves no trace in a blob, and none can be staged.
        try require(listing.committed.map(\.id.text), blob.blocks.map(\.id), "blocks of \(subject)")
        try require(listing.committed.map { Int($0.size) }, blob.blocks.map(\.bytes.count), "block sizes of \(subject)")
        try require(
            listing.uncommitted.map(\.id.text), (staged?.blocks.keys).map { $0.sorted() } ?? [], "staged of \(subject)")
        guard blob.tier != .archive else { return }
        let reading = try await fixture.namespace.openBlob(address(at), range: nil, ifRange: nil, guard: .none)
        let bytes = Array(try await reading.body.collect(limit: 1 << 20).readableBytesView)
        try require(bytes == blob.bytes, true, "bytes of \(subject)")
        guard blob.bytes.count > 2 else { return }
        let (first, last) = (blob.bytes.count / 3, blob.bytes.count * 3 / 4)
        let part = try await fixture.namespace.openBlob(
            address(at), range: RangeRequest(first: Int64(first), last: Int64(last)), ifRange: nil, guard: .none)
        let partBytes = Array(try await part.body.collect(limit: 1 << 20).readableBytesView)
        try require(partBytes == Array(blob.bytes[first...last]), true, "range of \(subject)")
    }

    private func compareTags(_ model: ModelStore) async throws {
        for value in ["red", "green", "blue"] {
            let filter = TagFilter.compare(key: "colour", .equal, value: value)
            var expected: [String] = []
            for (container, content) in model.containers {
                for (name, blob) in content.blobs where blob.tags["colour"] == value {
                    expected.append("\(container)/\(name)")
                }
            }
            let found = try await fixture.namespace.findBlobs(
                of: NamespaceFixture.account, in: nil, filter: filter, position: nil, limit: 1_000)
            let names = found.matches.map { "\($0.container)/\($0.name)" }
            try require(names.sorted(), expected.sorted(), "blobs that are \(value)")
        }
    }

    private func require<Value: Equatable>(_ found: Value, _ expected: Value, _ what: String) throws {
        if found != expected { throw ModelMismatch("\(what): found \(found), expected \(expected)") }
    }
}
