import Namespace
import StorageModel

/// What one of several clients does. It knows what clients have been told so far, not what is stored.
struct ConcurrentOperations {
    private var numbers: SeededNumbers
    private let client: Int
    private let phase: Int
    private var count = 0

    init(seed: UInt64, phase: Int, client: Int) {
        numbers = SeededNumbers(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(phase * 1_000 + client))
        self.client = client
        self.phase = phase
    }

    /// Bytes that no other write has, from 8 bytes on.
    static func bytes(_ count: Int, number: Int) -> [UInt8] {
        (0..<count).map {
            UInt8(truncatingIfNeeded: (number &+ $0 / 8) >> ($0 % 8 * 8)) ^ UInt8(truncatingIfNeeded: $0 / 8)
        }
    }

    private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &numbers) }
    private mutating func happens(_ percent: Int) -> Bool { below(100) < percent }
    private mutating func pick<Element>(_ from: [Element]) -> Element { from[below(from.count)] }

    mutating func next(_ known: HistoryRecorder.Known) -> ModelOperation {
        count += 1
        if happens(6) { return onContainer(known) }
        let at = pick(ModelRound.blobs)
        switch below(100) {
        case 0..<15: return .putBlob(at, bytes(), attributes(), held(at, known))
        case 15..<27: return .putBlock(at, id: pick(Self.blockIDs), bytes() + [UInt8(client)], lease(.blob(at), known))
        case 27..<37: return .commit(at, blockList(), attributes(), held(at, known))
        case 37..<44: return .setMetadata(at, metadata(), held(at, known))
        case 44..<46: return .setProperties(at, ContentHeaders(contentType: "x/\(below(9))"), held(at, known))
        case 46..<50: return .setTags(at, tags(), held(at, known))
        case 50..<53: return .setTier(at, pick([.hot, .cool, .cold]), held(at, known))
        case 53..<61: return .delete(at, held(at, known))
        case 61..<69:
            return .leaseBlob(at, leaseAction(.blob(at), known), happens(20) ? conditions(.blob(at), known) : .none)
        case 69..<72: return .copy(at, copyRequest(), held(at, known))
        case 72..<75:
            let range = happens(50) ? RangeRequest(first: Int64(below(50)), last: nil) : nil
            return .slice(at, id: pick(Self.blockIDs), from: ModelRound.source, range, lease(.blob(at), known))
        case 75..<86:
            let range = happens(30) ? RangeRequest(first: Int64(below(20)), last: Int64(20 + below(20))) : nil
            return .read(.get(at, range, happens(20) ? held(at, known) : .none))
        case 86..<90: return .read(.head(at, .none))
        case 90..<92: return .read(.tags(at, .none))
        case 92..<96: return .read(.blocks(at, pick([.committed, .uncommitted, .all]), .none))
        default: return .read(.list(ModelRound.container, ModelListing()))
        }
    }

    private static let blockIDs = ["AA==", "AQ==", "Ag=="]

    private mutating func onContainer(_ known: HistoryRecorder.Known) -> ModelOperation {
        let name = pick(ModelRound.others)
        let object = ModelHistory.Object.container(name)
        switch below(8) {
        case 0..<3: return .createContainer(name, metadata())
        case 3: return .deleteContainer(name, Guard(lease: lease(object, known)))
        case 4: return .setContainerMetadata(name, metadata(), Guard(lease: lease(object, known)))
        case 5..<7: return .leaseContainer(name, leaseAction(object, known), .none)
        default: return .read(.container(name, lease(object, known)))
        }
    }

    private mutating func bytes() -> [UInt8] {
        Self.bytes(pick([0, 5, 12, 30, 90]), number: (phase * 100 + client + 1) << 20 | count)
    }

    private mutating func metadata() -> UserMetadata {
        NamespaceFixture.metadata(("by", "\(phase)-\(client)-\(count)"))
    }

    private mutating func tags() -> Tags { NamespaceFixture.tags(("colour", pick(["red", "green", "blue"]))) }

    private mutating func attributes() -> BlobAttributes {
        BlobAttributes(
            metadata: happens(50) ? metadata() : .empty, tags: happens(50) ? tags() : .empty,
            tier: happens(10) ? .cool : nil)
    }

    private mutating func blockList() -> [BlockListEntry] {
        (0..<below(4)).map { _ in
            BlockListEntry(
                source: pick([.uncommitted, .latest, .latest, .committed]), id: BlockID(text: pick(Self.blockIDs)))
        }
    }

    private mutating func copyRequest() -> CopyRequest {
        CopyRequest(
            source: BlobAddress(
                account: NamespaceFixture.account, container: ModelRound.container, blob: ModelRound.source.blob),
            sourceConditions: .none, sourceURL: "http://node/source", headers: nil, metadata: nil,
            tags: happens(50) ? .copy : .replace(tags()), tier: nil, recordsCopy: happens(50))
    }

    private mutating func lease(_ object: ModelHistory.Object, _ known: HistoryRecorder.Known) -> LeaseID? {
        guard let lease = known.leases[object] else { return happens(3) ? pick(ModelGenerator.leases) : nil }
        return happens(75) ? lease : happens(50) ? nil : pick(ModelGenerator.leases)
    }

    private mutating func held(_ at: ModelAddress, _ known: HistoryRecorder.Known) -> Guard {
        Guard(conditions: happens(25) ? conditions(.blob(at), known) : .none, lease: lease(.blob(at), known))
    }

    private mutating func conditions(_ object: ModelHistory.Object, _ known: HistoryRecorder.Known) -> Conditions {
        let version = known.versions[object] ?? Version(1)
        switch below(6) {
        case 0..<3: return Conditions(ifMatch: .versions([version]))
        case 3: return Conditions(ifNoneMatch: .versions([version]))
        case 4: return Conditions(ifNoneMatch: .any)
        default: return Conditions(ifTags: .compare(key: "colour", pick([.equal, .notEqual]), value: "green"))
        }
    }

    private mutating func leaseAction(
        _ object: ModelHistory.Object, _ known: HistoryRecorder.Known
    ) -> LeaseAction {
        let id = known.leases[object] ?? pick(ModelGenerator.leases)
        switch below(9) {
        case 0..<3:
            return .acquire(
                duration: happens(40) ? .infinite : .seconds(15 + below(46)),
                proposed: happens(60) ? pick(ModelGenerator.leases) : nil)
        case 3: return .renew(id)
        case 4: return .change(id, proposed: pick(ModelGenerator.leases))
        case 5..<7: return .release(id)
        default: return .breakAfter(seconds: pick([nil, 0, 0, 10]))
        }
    }
}
