import Namespace
package import StorageModel

/// Random requests that mean something in the state that the model is in.
package struct ModelGenerator: Sendable {
    private var numbers: SeededNumbers
    private var salt = 0

    package static let containers = ["one", "two"].map { NamespaceFixture.container($0).container }
    package static let names = [
        "a", "a/b", "a/b/c", "b", "dir", "dir/", "dir/x", "dir/y/z", "\u{E9}", "e\u{301}", "z0", "top",
    ].map { NamespaceFixture.blob($0).blob }
    static let leases = [
        LeaseID(stored: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"),
        LeaseID(stored: "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"),
    ]
    static let blockIDs = ["AA==", "AQ==", "Ag==", "AAAAAA=="]

    package init(seed: UInt64) { numbers = SeededNumbers(seed: seed) }

    private mutating func pick<Element>(_ from: [Element]) -> Element { from[below(from.count)] }
    private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &numbers) }
    private mutating func happens(_ percent: Int) -> Bool { below(100) < percent }

    package mutating func next(_ model: ModelStore) -> ModelOperation {
        let at = address(model)
        let blob = model.containers[at.container]?.blobs[at.blob]
        switch below(100) {
        case 0..<18: return .putBlob(at, bytes(), attributes(), held(blob, model))
        case 18..<36: return .putBlock(at, id: pick(Self.blockIDs), bytes(), leaseID(blob?.lease, model))
        case 36..<48: return .commit(at, blockList(at, model), attributes(), held(blob, model))
        case 48..<54: return copy(at, blob, model)
        case 54..<59:
            let source = address(model)
            let first = Int64(below(40))
            let range =
                happens(30) ? nil : RangeRequest(first: first, last: happens(50) ? first + Int64(below(30)) : nil)
            return .slice(at, id: pick(Self.blockIDs), from: source, range, leaseID(blob?.lease, model))
        case 59..<64: return .setMetadata(at, metadata(), held(blob, model))
        case 64..<66: return .setProperties(at, headers(), held(blob, model))
        case 66..<69: return .setTags(at, tags(), held(blob, model))
        case 69..<72: return .setTier(at, pick([.hot, .cool, .cold, .cold, .hot, .archive]), held(blob, model))
        case 72..<83: return .delete(at, held(blob, model))
        case 83..<88: return .leaseBlob(at, leaseAction(blob?.lease), happens(20) ? conditions(blob) : .none)
        case 88..<90: return .leaseContainer(at.container, leaseAction(model.containers[at.container]?.lease))
        case 90..<91: return .setContainerMetadata(at.container, metadata(), containerHeld(at.container, model))
        case 91..<92: return .deleteContainer(at.container, containerHeld(at.container, model))
        case 92..<95: return .createContainer(at.container, metadata())
        case 95..<98: return .advance(seconds: pick([0, 1, 5, 20, 70, 3_600, 4 * 86_400]))
        case 98..<99: return .expire
        default: return .reap
        }
    }

    private mutating func address(_ model: ModelStore) -> ModelAddress {
        let container = pick(Self.containers)
        // Half of the time something that is there.
        let known = (model.containers[container]?.blobs.keys).map { $0.sorted() } ?? []
        return ModelAddress(container: container, blob: known.isEmpty || happens(50) ? pick(Self.names) : pick(known))
    }

    private mutating func bytes() -> [UInt8] {
        salt += 1
        let count: Int =
            switch below(20) {
            case 0..<4: 0
            case 4..<9: 1 + below(16)
            case 9..<15: 17 + below(16)
            case 15..<19: 33 + below(60)
            default: happens(20) ? 8_200 + below(900) : 100 + below(200)
            }
        return NamespaceFixture.bytes(count, salt: salt)
    }

    private mutating func metadata() -> UserMetadata {
        switch below(4) {
        case 0: NamespaceFixture.directoryMark
        case 1: NamespaceFixture.metadata(("k", "\(below(3))"), ("other", "x"))
        default: .empty
        }
    }

    private mutating func headers() -> ContentHeaders {
        ContentHeaders(
            contentType: pick(["x/y", ContentHeaders.defaultContentType]), cacheControl: happens(30) ? "c" : nil)
    }

    private mutating func tags() -> Tags {
        switch below(3) {
        case 0: NamespaceFixture.tags(("colour", pick(["red", "green", "blue"])), ("n", "\(below(4))"))
        case 1: NamespaceFixture.tags(("colour", pick(["red", "green"])))
        default: .empty
        }
    }

    private mutating func attributes() -> BlobAttributes {
        BlobAttributes(
            headers: headers(), metadata: metadata(), tags: tags(), tier: happens(10) ? pick(AccessTier.allCases) : nil)
    }

    private mutating func leaseID(_ lease: ModelLease?, _ model: ModelStore) -> LeaseID? {
        if let lease, lease.state(at: model.now) != .available {
            return happens(75) ? lease.id : happens(50) ? nil : pick(Self.leases)
        }
        return happens(5) ? pick(Self.leases) : nil
    }

    private mutating func held(_ blob: ModelStore.Blob?, _ model: ModelStore) -> Guard {
        Guard(conditions: happens(20) ? conditions(blob) : .none, lease: leaseID(blob?.lease, model))
    }

    private mutating func containerHeld(_ name: ContainerName, _ model: ModelStore) -> Guard {
        let container = model.containers[name]
        var held = Guard(lease: leaseID(container?.lease, model))
        if happens(20), let date = container?.lastModified.adding(seconds: Int64(below(3)) - 1) {
            if happens(50) { held.conditions.ifModifiedSince = date } else { held.conditions.ifUnmodifiedSince = date }
        }
        return held
    }

    private mutating func conditions(_ blob: ModelStore.Blob?) -> Conditions {
        var conditions = Conditions()
        let version = blob?.version ?? Version(1)
        let date = (blob?.lastModified ?? TestWorld.start).adding(seconds: Int64(below(3)) - 1)
        let etag = pick([
            ETagCondition.any, .versions([version]), .versions([Version(version.rawValue &- 1)]), .versions([]),
        ])
        switch below(7) {
        case 0: conditions.ifMatch = etag
        case 1: conditions.ifNoneMatch = etag
        case 2: conditions.ifNoneMatch = .any
        case 3: conditions.ifModifiedSince = date
        case 4: conditions.ifUnmodifiedSince = date
        case 5: conditions.ifTags = .compare(key: "colour", pick([.equal, .notEqual, .less]), value: "green")
        default: (conditions.ifMatch, conditions.ifUnmodifiedSince) = (etag, date)
        }
        return conditions
    }

    private mutating func leaseAction(_ lease: ModelLease?) -> LeaseAction {
        let id = lease.map { happens(70) ? $0.id : pick(Self.leases) } ?? pick(Self.leases)
        switch below(9) {
        case 0..<4:
            return .acquire(
                duration: happens(30) ? .infinite : .seconds(15 + below(46)),
                proposed: happens(60) ? pick(Self.leases) : nil)
        case 4: return .renew(id)
        case 5: return .change(id, proposed: pick(Self.leases))
        case 6: return .release(id)
        default: return .breakAfter(seconds: pick([nil, 0, 10, 60]))
        }
    }

    private mutating func blockList(_ at: ModelAddress, _ model: ModelStore) -> [BlockListEntry] {
        let container = model.containers[at.container]
        let staged = (container?.staged[at.blob]?.blocks.keys).map { $0.sorted() } ?? []
        let committed = (container?.blobs[at.blob]?.blocks ?? []).map(\.id)
        let known = staged + committed
        var list: [BlockListEntry] = []
        for _ in 0..<below(5) {
            if known.isEmpty || happens(4) {
                list.append(
                    BlockListEntry(
                        source: pick([.committed, .uncommitted, .latest]), id: BlockID(text: pick(Self.blockIDs))))
            } else {
                let id = pick(known)
                let sources: [BlockListEntry.Source] = [.latest, staged.contains(id) ? .uncommitted : .committed]
                list.append(BlockListEntry(source: pick(sources), id: BlockID(text: id)))
            }
        }
        return list
    }

    private mutating func copy(
        _ at: ModelAddress, _ blob: ModelStore.Blob?, _ model: ModelStore
    ) -> ModelOperation {
        let source = address(model)
        let found = model.containers[source.container]?.blobs[source.blob]
        let request = CopyRequest(
            source: BlobAddress(account: NamespaceFixture.account, container: source.container, blob: source.blob),
            sourceConditions: happens(15) ? conditions(found) : .none, sourceURL: "http://node/source",
            headers: happens(20) ? headers() : nil, metadata: happens(20) ? metadata() : nil,
            tags: happens(50) ? .copy : .replace(tags()), tier: happens(10) ? .cool : nil, recordsCopy: happens(50))
        return .copy(at, request, held(blob, model))
    }
}
