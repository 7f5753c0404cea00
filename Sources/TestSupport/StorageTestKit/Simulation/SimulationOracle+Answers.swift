import Namespace
import StorageModel

/// What a read answered, in the model's words.
struct SimulatedReading {
    var version: Version
    var length: Int64
    var metadata: UserMetadata
    var tags: Tags
}

extension SimulationOracle {
    /// A write's answer: success has committed, refusal has not and was right at some moment.
    func answered(_ request: SimulatedRequest, _ operation: ModelOperation, _ version: Version?) {
        guard let committed = request.version else {
            return executor.fail("request \(request.number) succeeds and nothing is committed: \(operation)")
        }
        if let version, version != committed {
            executor.fail("request \(request.number) answers version \(version), its commit is \(committed)")
        }
    }

    func refused(_ request: SimulatedRequest, _ operation: ModelOperation, _ failure: StorageFailure) {
        if SimulatedLife.isSimulated(failure) {
            if failure.code != .unavailable, let version = request.version {
                executor.fail("request \(request.number) fails with \(failure) and is committed as \(version)")
            }
            return
        }
        if let version = request.version {
            return executor.fail("request \(request.number) is refused with \(failure) and committed as \(version)")
        }
        let states = states(from: request.firstState)
        if case .slice = operation, failure.code == .sourceConditionNotMet, states.count > 1 { return }
        let readings = request.readings
        for state in states {
            for now in readings {
                var trial = state
                trial.now = now
                if trial.apply(operation, ModelReceipt()) == failure.code { return }
            }
        }
        executor.fail("request \(request.number): no state explains \(failure) for \(operation)")
    }

    /// - Returns: the bytes that the body must give; `nil` when no state explains the answer, which ends the run.
    func opened(
        _ request: SimulatedRequest, _ at: ModelAddress, _ range: RangeRequest?, _ found: SimulatedReading
    ) -> [UInt8]? {
        for state in states(from: request.firstState) {
            guard let blob = state.containers[at.container]?.blobs[at.blob], blob.version == found.version,
                blob.tags == found.tags, blob.metadata == found.metadata, Int64(blob.bytes.count) == found.length
            else { continue }
            return Self.cut(blob.bytes, range)
        }
        executor.fail("request \(request.number): no state explains \(found) of \(at.blob)")
        return nil
    }

    func notOpened(
        _ request: SimulatedRequest, _ at: ModelAddress, _ range: RangeRequest?, _ failure: StorageFailure
    ) {
        if SimulatedLife.isSimulated(failure) { return }
        let isExplained = states(from: request.firstState).contains { state in
            guard let container = state.containers[at.container] else { return failure.code == .containerNotFound }
            guard let blob = container.blobs[at.blob] else { return failure.code == .blobNotFound }
            let length = Int64(blob.bytes.count)
            guard let range, range.resolve(length: length) == nil else { return false }
            return failure.code == .rangeNotSatisfiable(length: length)
        }
        if !isExplained { executor.fail("request \(request.number): no state explains \(failure) of \(at.blob)") }
    }

    /// A listing with uncommitted names, or why there is none: all of it is one state.
    func listed(_ request: SimulatedRequest, _ name: ContainerName, _ found: [String]?, _ failure: StorageFailure?) {
        if let failure, SimulatedLife.isSimulated(failure) { return }
        let isExplained = states(from: request.firstState).contains { state in
            guard let container = state.containers[name] else { return failure?.code == .containerNotFound }
            let names = Set(container.blobs.keys).union(container.staged.keys).sorted()
            return names.map { "\($0) \(container.blobs[$0]?.version.etagText ?? "staged")" } == found
        }
        guard !isExplained else { return }
        executor.fail(
            "request \(request.number): no state explains the listing \(found ?? []) \(failure?.description ?? "")")
    }

    /// Both block lists of a name.
    func blocksListed(
        _ request: SimulatedRequest, _ at: ModelAddress, _ found: [String]?, _ failure: StorageFailure?
    ) {
        if let failure, SimulatedLife.isSimulated(failure) { return }
        let isExplained = states(from: request.firstState).contains { state in
            guard let container = state.containers[at.container] else { return failure?.code == .containerNotFound }
            let (blob, staged) = (container.blobs[at.blob], container.staged[at.blob])
            if blob == nil, staged == nil { return failure?.code == .blobNotFound }
            let committed = (blob?.blocks ?? []).map { "\($0.id) \($0.bytes.count)" }
            let uncommitted = (staged?.blocks ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.count)" }
            return committed + ["and"] + uncommitted == found
        }
        guard !isExplained else { return }
        executor.fail(
            "request \(request.number): no state explains the blocks \(found ?? []) \(failure?.description ?? "")")
    }
}
