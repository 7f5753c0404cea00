import Namespace
import StorageModel

/// Requests that mean something in the state that the store is in, on few names, so that they meet.
struct SimulatedWorkload: Sendable {
    let executor: SeededExecutor

    /// The first one is never deleted.
    static let containers = ["hot", "brief"].map { NamespaceFixture.container($0).container }
    static let names = ["a", "b", "c", "d/e"].map { NamespaceFixture.blob($0).blob }
    static let leases = [
        LeaseID(stored: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"),
        LeaseID(stored: "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"),
    ]
    static let blockIDs = ["AA==", "AQ==", "Ag=="]

    private func happens(_ percent: Int) -> Bool { executor.happens(percent) }

    func address() -> ModelAddress {
        ModelAddress(container: Self.containers[happens(85) ? 0 : 1], blob: executor.pick(Self.names))
    }

    func range() -> RangeRequest? {
        guard happens(50) else { return nil }
        let first = Int64(executor.below(40))
        return RangeRequest(first: first, last: happens(50) ? first + Int64(executor.below(40)) : nil)
    }

    func write(_ model: ModelStore) -> ModelOperation {
        let at = address()
        if model.containers[at.container] == nil, happens(40) { return .createContainer(at.container, .empty) }
        let blob = model.containers[at.container]?.blobs[at.blob]
        let lease = leaseID(blob?.lease, executor.now)
        switch executor.below(100) {
        case 0..<20: return .putBlob(at, bytes(), attributes(), held(blob, lease))
        case 20..<38: return .putBlock(at, id: executor.pick(Self.blockIDs), bytes() + [1], lease)
        case 38..<52: return .commit(at, blockList(at, model), attributes(), held(blob, lease))
        case 52..<62: return copy(at, held(blob, lease))
        case 62..<68:
            return .slice(at, id: executor.pick(Self.blockIDs), from: address(), range(), lease)
        case 68..<72: return .setMetadata(at, attributes().metadata, held(blob, lease))
        case 72..<74: return .setTags(at, attributes().tags, Guard(lease: lease))
        case 74..<86: return .delete(at, held(blob, lease))
        case 86..<97: return .leaseBlob(at, leaseAction(blob?.lease), .none)
        case 97:
            let container = model.containers[Self.containers[1]]
            return .leaseContainer(Self.containers[1], leaseAction(container?.lease), .none)
        case 98:
            let container = model.containers[Self.containers[1]]
            return .deleteContainer(Self.containers[1], Guard(lease: leaseID(container?.lease, executor.now)))
        default: return .createContainer(Self.containers[1], .empty)
        }
    }

    /// Lengths around what is inline (16), one extent (8), one record (4 extents) and, seldom, one page (1,024).
    private func bytes() -> [UInt8] {
        let count: Int =
            switch executor.below(40) {
            case 0..<3: 0
            case 3..<11: 1 + executor.below(16)
            case 11..<27: 17 + executor.below(16)
            case 27..<39: 33 + executor.below(60)
            default: happens(3) ? 8_193 + executor.below(100) : 100 + executor.below(100)
            }
        let salt = UInt8(truncatingIfNeeded: executor.draw() >> 20)
        return (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) ^ salt }
    }

    private func attributes() -> BlobAttributes {
        BlobAttributes(
            metadata: NamespaceFixture.metadata(("by", "\(executor.below(1_000))")),
            tags: happens(30) ? NamespaceFixture.tags(("colour", executor.pick(["red", "green"]))) : .empty)
    }

    private func leaseID(_ lease: ModelLease?, _ now: Timestamp) -> LeaseID? {
        guard let lease else { return happens(3) ? executor.pick(Self.leases) : nil }
        return happens(70) && ModelLease.view(lease, at: now).isLocked
            ? lease.id : happens(60) ? nil : executor.pick(Self.leases)
    }

    private func held(_ blob: ModelStore.Blob?, _ lease: LeaseID?) -> Guard {
        guard happens(25) else { return Guard(lease: lease) }
        // The version that is there now: whoever comes first makes it wrong for the others.
        let version = blob?.version ?? Version(1)
        let conditions: Conditions =
            switch executor.below(3) {
            case 0: Conditions(ifNoneMatch: .any)
            case 1: Conditions(ifMatch: .versions([version]))
            default: Conditions(ifNoneMatch: .versions([version]))
            }
        return Guard(conditions: conditions, lease: lease)
    }

    private func leaseAction(_ lease: ModelLease?) -> LeaseAction {
        let id = lease.map { happens(70) ? $0.id : executor.pick(Self.leases) } ?? executor.pick(Self.leases)
        switch executor.below(10) {
        case 0..<5:
            return .acquire(
                duration: happens(15) ? .infinite : .seconds(15 + executor.below(46)),
                proposed: executor.pick(Self.leases))
        case 5: return .renew(id)
        case 6: return .change(id, proposed: executor.pick(Self.leases))
        case 7: return .release(id)
        default: return .breakAfter(seconds: executor.pick([nil, 0, 5, 20]))
        }
    }

    private func blockList(_ at: ModelAddress, _ model: ModelStore) -> [BlockListEntry] {
        let container = model.containers[at.container]
        let staged = (container?.staged[at.blob]?.blocks.keys).map { $0.sorted() } ?? []
        let known = staged + (container?.blobs[at.blob]?.blocks ?? []).map(\.id)
        return (0..<executor.below(4)).map { _ in
            let id = known.isEmpty || happens(4) ? executor.pick(Self.blockIDs) : executor.pick(known)
            let source: BlockListEntry.Source = staged.contains(id) ? executor.pick([.latest, .uncommitted]) : .latest
            return BlockListEntry(source: source, id: BlockID(text: id))
        }
    }

    private func copy(_ at: ModelAddress, _ held: Guard) -> ModelOperation {
        let source = address()
        let request = CopyRequest(
            source: BlobAddress(account: NamespaceFixture.account, container: source.container, blob: source.blob),
            sourceConditions: .none, sourceURL: "http://node/source", headers: nil, metadata: nil, tags: .copy,
            tier: nil, recordsCopy: happens(50))
        return .copy(at, request, held)
    }
}
