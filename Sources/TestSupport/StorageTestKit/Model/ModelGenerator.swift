import Namespace
package import StorageModel

/// Random requests that mean something in the state that the model is in.
package struct ModelGenerator: Sendable {
    private let seed: UInt64
    private var numbers: SeededNumbers
    private var salt = 0
    private var steps = 0
    /// A listing that was begun and can be gone on with.
    private var open: (container: ContainerName, listing: ModelListing)?
    private var openContainers: ModelPosition?

    package static let containers = ["one", "two"].map { NamespaceFixture.container($0).container }
    package static let names = [
        "a", "a/b", "a/b/c", "b", "dir", "dir/", "dir/x", "dir/y/z", "\u{E9}", "e\u{301}", "z0", "top", "s p",
        "p%2f+q&r=?#",
    ].map { NamespaceFixture.blob($0).blob }
    static let leases = [
        LeaseID(stored: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"),
        LeaseID(stored: "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"),
    ]
    static let blockIDs = ["AA==", "AQ==", "Ag==", "AAAAAA=="]

    package init(seed: UInt64) {
        self.seed = seed
        numbers = SeededNumbers(seed: seed)
    }

    private mutating func pick<Element>(_ from: [Element]) -> Element { from[below(from.count)] }
    private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &numbers) }
    private mutating func happens(_ percent: Int) -> Bool { below(100) < percent }

    /// The operation of a step in this state. Each step has numbers of its own, so that steps before it can be left out.
    package mutating func operation(at step: Int, _ model: ModelStore) -> ModelOperation {
        numbers = SeededNumbers(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(step) &* 0xD1B5_4A32_D192_ED03)
        salt = step &* 7
        return anything(model)
    }

    package mutating func next(_ model: ModelStore) -> ModelOperation {
        steps += 1
        return operation(at: steps, model)
    }

    /// Remembers where a listing that was answered goes on.
    package mutating func note(_ operation: ModelOperation, _ outcome: ModelOutcome, _ model: ModelStore) {
        switch operation {
        case .read(.list(let name, var listing)):
            open = nil
            guard let token = outcome.receipt.token, let next = model.list(name, listing).next else { return }
            listing.position = ModelPosition(name: next, token: token)
            open = (name, listing)
        case .read(.containers(let prefix, let limit, let position)):
            openContainers = nil
            guard let token = outcome.receipt.token, let next = model.containerPage(prefix, limit, position).next else {
                return
            }
            openContainers = ModelPosition(name: next, token: token)
        default: return
        }
    }

    private mutating func anything(_ model: ModelStore) -> ModelOperation {
        // Without containers there is nothing to be seen.
        if model.containers.count < Self.containers.count, happens(model.containers.isEmpty ? 80 : 10) {
            let missing = Self.containers.filter { model.containers[$0] == nil }
            return .createContainer(pick(missing), metadata())
        }
        switch below(100) {
        case 0..<64: return write(model)
        case 64..<94: return .read(read(model))
        case 94..<96: return batch(model)
        case 96..<98: return .advance(seconds: seconds(model))
        case 98..<99: return .expire
        default: return .reap
        }
    }

    /// Often to the very second at which something ends, or one beside it.
    private mutating func seconds(_ model: ModelStore) -> Int64 {
        var ends: [Timestamp] = []
        for container in model.containers.values {
            ends += [container.lease?.end].compactMap { $0 }
            for blob in container.blobs.values { ends += [blob.lease?.end, blob.rehydration?.due].compactMap { $0 } }
            for staged in container.staged.values {
                ends.append(staged.lastWrite.adding(seconds: Limits.uncommittedBlockLifetimeSeconds))
            }
        }
        let left = ends.filter { $0 > model.now }.map { $0.seconds - model.now.seconds }.sorted()
        guard !left.isEmpty, happens(60) else { return pick([0, 1, 5, 20, 70, 3_600, 4 * 86_400]) }
        return max(0, pick(Array(left.prefix(3))) + pick([0, 0, 0, -1, 1]))
    }

    private mutating func write(_ model: ModelStore) -> ModelOperation {
        let at = address(model)
        let blob = model.containers[at.container]?.blobs[at.blob]
        switch below(95) {
        case 0..<18: return .putBlob(at, bytes(), attributes(), held(blob, model))
        case 18..<36: return .putBlock(at, id: pick(Self.blockIDs), bytes(), leaseID(blob?.lease, model))
        case 36..<48: return .commit(at, blockList(at, model), attributes(), held(blob, model))
        case 48..<54: return copy(at, blob, model)
        case 54..<59:
            let from = address(model)
            let length = model.containers[from.container]?.blobs[from.blob]?.bytes.count
            return .slice(at, id: pick(Self.blockIDs), from: from, range(70, of: length), leaseID(blob?.lease, model))
        case 59..<64: return .setMetadata(at, metadata(), held(blob, model))
        case 64..<66: return .setProperties(at, headers(), held(blob, model))
        case 66..<69: return .setTags(at, tags(), held(blob, model))
        case 69..<72: return .setTier(at, pick([.hot, .cool, .cold, .cold, .hot, .archive]), held(blob, model))
        case 72..<80: return .delete(at, held(blob, model))
        case 80..<88: return .leaseBlob(at, leaseAction(blob?.lease), happens(20) ? conditions(blob) : .none)
        case 88..<91:
            let container = model.containers[at.container]
            return .leaseContainer(at.container, leaseAction(container?.lease), dates(container, 15))
        case 91..<92: return .setContainerMetadata(at.container, metadata(), containerHeld(at.container, model))
        case 92..<93:
            let held = containerHeld(at.container, model)
            return happens(40)
                ? .deleteContainer(at.container, held) : .setContainerMetadata(at.container, metadata(), held)
        default: return .createContainer(at.container, metadata())
        }
    }

    private mutating func read(_ model: ModelStore) -> ModelRead {
        let at = address(model)
        let blob = model.containers[at.container]?.blobs[at.blob]
        switch below(30) {
        case 0..<9: return .get(at, range(40, of: blob?.bytes.count), held(blob, model))
        case 9..<13: return .head(at, held(blob, model))
        case 13..<15: return .tags(at, held(blob, model))
        case 15..<18: return .blocks(at, pick([.committed, .uncommitted, .all]), held(blob, model))
        case 18..<20:
            return .container(at.container, leaseID(model.containers[at.container]?.lease, model))
        case 20..<22:
            if let openContainers, happens(50) { return .containers(prefix: "", limit: 1, openContainers) }
            return .containers(prefix: pick(["", "", "t", "on", "x"]), limit: pick([1, 2, 100]), nil)
        case 22..<24: return find(at.container)
        default:
            if let open, happens(40) { return .list(open.container, open.listing) }
            return .list(at.container, listing())
        }
    }

    private mutating func listing() -> ModelListing {
        var listing = ModelListing()
        listing.prefix = pick(["", "", "a", "a/", "d", "dir/", "\u{E9}", "x"])
        listing.delimiter = pick([nil, "/", "/", "/y", "b"])
        if happens(15) { listing.startFrom = pick(["a/b", "dir", "dir/a", "e"]) }
        listing.limit = pick([1, 2, 3, 100])
        listing.showsUncommitted = happens(50)
        listing.showsMetadata = happens(40)
        listing.showsTags = happens(40)
        listing.showsCopies = happens(40)
        return listing
    }

    private mutating func find(_ container: ContainerName) -> ModelRead {
        let comparison = pick([TagFilter.Comparison.equal, .equal, .less, .greaterOrEqual, .greater, .lessOrEqual])
        var filter = TagFilter.compare(key: "colour", comparison, value: pick(["red", "green", "blue"]))
        if happens(30) { filter = .and(filter, .compare(key: "n", .greaterOrEqual, value: "\(below(4))")) }
        if happens(20) { filter = .and(.container(pick(Self.containers).value), filter) }
        return .find(happens(50) ? container : nil, filter, limit: pick([1, 2, 100]))
    }

    private mutating func batch(_ model: ModelStore) -> ModelOperation {
        let deletes = happens(50)
        var parts: [ModelOperation] = []
        var used: Set<ModelAddress> = []
        for _ in 0..<(1 + below(4)) {
            let at = address(model)
            guard used.insert(at).inserted else { continue }
            let held = held(model.containers[at.container]?.blobs[at.blob], model)
            parts.append(deletes ? .delete(at, held) : .setTier(at, pick([.hot, .cool, .cold]), held))
        }
        return .batch(parts)
    }

    /// Often at the end of what is there, or one beside it.
    private mutating func range(_ percent: Int, of length: Int?) -> RangeRequest? {
        guard happens(percent) else { return nil }
        let end = Int64(length ?? 40)
        let first = happens(80) ? Int64(below(Int(min(end, 40)) + 1)) : max(0, end + Int64(below(3)) - 1)
        switch below(4) {
        case 0: return RangeRequest(first: first, last: nil)
        case 1: return RangeRequest(first: first, last: first + Int64(below(30)))
        default: return RangeRequest(first: first, last: max(first, end + Int64(below(4)) - 3))
        }
    }

    private mutating func address(_ model: ModelStore) -> ModelAddress {
        let standing = Self.containers.filter { model.containers[$0] != nil }
        let container = standing.isEmpty || happens(4) ? pick(Self.containers) : pick(standing)
        // Mostly something that is there.
        let known = (model.containers[container]?.blobs.keys).map { $0.sorted() } ?? []
        return ModelAddress(container: container, blob: known.isEmpty || happens(35) ? pick(Self.names) : pick(known))
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
            contentType: pick(["x/y", ContentHeaders.defaultContentType]), contentEncoding: happens(10) ? "gzip" : nil,
            contentLanguage: happens(10) ? "de" : nil, contentDisposition: happens(10) ? "inline" : nil,
            cacheControl: happens(30) ? "c" : nil, contentMD5: happens(10) ? [UInt8](repeating: 7, count: 16) : nil)
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
        return Guard(conditions: dates(container, 20), lease: leaseID(container?.lease, model))
    }

    /// Operations on containers know conditions on dates and no others.
    private mutating func dates(_ container: ModelStore.Container?, _ percent: Int) -> Conditions {
        var conditions = Conditions()
        guard happens(percent), let date = container?.lastModified.adding(seconds: Int64(below(3)) - 1) else {
            return conditions
        }
        if happens(50) { conditions.ifModifiedSince = date } else { conditions.ifUnmodifiedSince = date }
        return conditions
    }

    private mutating func conditions(_ blob: ModelStore.Blob?) -> Conditions {
        var conditions = Conditions()
        let version = blob?.version ?? Version(1)
        let date = (blob?.lastModified ?? TestWorld.start).adding(seconds: Int64(below(3)) - 1)
        let etag = pick([
            ETagCondition.any, .versions([version]), .versions([Version(version.rawValue &- 1)]), .versions([]),
        ])
        switch below(9) {
        case 0: conditions.ifMatch = etag
        case 1: conditions.ifNoneMatch = etag
        case 2: conditions.ifNoneMatch = .any
        case 3: conditions.ifModifiedSince = date
        case 4: conditions.ifUnmodifiedSince = date
        case 5: conditions.ifTags = .compare(key: "colour", pick([.equal, .notEqual, .less]), value: "green")
        case 6:
            conditions.ifTags = .or(
                .compare(key: "n", pick([.greaterOrEqual, .greater, .lessOrEqual]), value: "2"),
                .and(.compare(key: "colour", .equal, value: "red"), .compare(key: "n", .less, value: "1")))
        case 7: (conditions.ifNoneMatch, conditions.ifModifiedSince) = (etag, date)
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
