import NIOCore
import Namespace
import StorageModel

/// Sends requests one after another and shows every answer to the oracle.
struct SimulatedClient: Sendable {
    let node: SimulatedNode
    let oracle: SimulationOracle
    let workload: SimulatedWorkload
    /// Requests of the whole run so far: their numbers.
    let requests: Locked<Int>

    private var executor: SeededExecutor { node.life.executor }

    func run(requests count: Int) async {
        for _ in 0..<count {
            if node.life.isDead || Task.isCancelled { return }
            do { try await think() } catch { return }
            switch executor.below(100) {
            case 0..<62: await write(workload.write(oracle.model))
            case 62..<90: await read(workload.address(), workload.range())
            case 90..<95: await list(executor.pick(SimulatedWorkload.containers))
            default: await listBlocks(workload.address())
            }
        }
    }

    private func think() async throws {
        let draw = executor.draw()
        let milliseconds: UInt64 =
            switch draw & 63 {
            case 0..<40: 0
            case 40..<56: (draw >> 8) % 50
            case 56..<61: (draw >> 8) % 5_000
            case 61..<63: 15_000 + (draw >> 8) % 60_000
            default: (draw >> 8) % 400_000
            }
        if milliseconds > 0 { try await executor.sleep(nanoseconds: Int64(milliseconds) * 1_000_000) }
    }

    private func begin(_ operation: ModelOperation?) -> SimulatedRequest {
        let number = requests.withLock { number in
            number += 1
            return number
        }
        return SimulatedRequest(number: number, operation: operation, firstState: oracle.commits)
    }

    // MARK: Writes

    func write(_ operation: ModelOperation) async {
        let request = begin(operation)
        executor.note("request", UInt64(request.number), "\(operation)")
        await SimulatedRequest.$current.withValue(request) {
            do throws(StorageFailure) {
                let version = try await perform(operation)
                executor.note("answer", UInt64(request.number), "version \(version?.description ?? "-")")
                oracle.answered(request, operation, version)
            } catch {
                executor.note("refusal", UInt64(request.number), "\(error)")
                oracle.refused(request, operation, error)
            }
        }
    }

    private func address(_ at: ModelAddress) -> BlobAddress {
        BlobAddress(account: NamespaceFixture.account, container: at.container, blob: at.blob)
    }
    private func address(_ name: ContainerName) -> ContainerAddress {
        ContainerAddress(account: NamespaceFixture.account, container: name)
    }

    /// - Returns: the version, where the answer has one.
    private func perform(_ operation: ModelOperation) async throws(StorageFailure) -> Version? {
        let namespace = node.namespace
        switch operation {
        case .createContainer(let name, let metadata):
            return try await namespace.createContainer(address(name), metadata: metadata, publicAccess: nil).version
        case .deleteContainer(let name, let held): try await namespace.deleteContainer(address(name), guard: held)
        case .leaseContainer(let name, let action, let conditions):
            _ = try await namespace.leaseContainer(address(name), action, conditions: conditions)
        case .putBlob(let at, let bytes, let attributes, let held):
            return try await namespace.putBlob(
                address(at), body: body(bytes), attributes: attributes, guard: held
            ).write.version
        case .putBlock(let at, let id, let bytes, let lease):
            _ = try await namespace.putBlock(address(at), id: BlockID(text: id), body: body(bytes), lease: lease)
        case .commit(let at, let list, let attributes, let held):
            return try await namespace.commitBlocks(address(at), list: list, attributes: attributes, guard: held)
                .version
        case .setMetadata(let at, let metadata, let held):
            return try await namespace.setMetadata(address(at), metadata, guard: held).version
        case .setTags(let at, let tags, let held): try await namespace.setTags(address(at), tags, guard: held)
        case .delete(let at, let held): try await namespace.deleteBlob(address(at), guard: held)
        case .leaseBlob(let at, let action, let conditions):
            _ = try await namespace.leaseBlob(address(at), action, conditions: conditions)
        case .copy(let at, let request, let held):
            return try await namespace.copyBlob(to: address(at), request, guard: held).write.version
        case .slice(let at, let id, let from, let range, let lease):
            _ = try await namespace.putBlockFromBlob(
                address(at), id: BlockID(text: id), source: address(from), range: range, sourceConditions: .none,
                expectedMD5: nil, expectedCRC64: nil, lease: lease)
        default: preconditionFailure("the workload makes no such request")
        }
        return nil
    }

    private func body(_ bytes: [UInt8]) -> IncomingBody {
        IncomingBody(
            source: SlowSource(bytes, executor: executor), length: Int64(bytes.count), maximumLength: 1 << 20)
    }

    // MARK: Reads

    func read(_ at: ModelAddress, _ range: RangeRequest?) async {
        let request = begin(nil)
        executor.note("read", UInt64(request.number), "\(at.container)/\(at.blob)")
        let opened = await SimulatedRequest.$current.withValue(request) {
            () async -> Result<BlobReading, StorageFailure> in
            do throws(StorageFailure) {
                return .success(
                    try await node.namespace.openBlob(address(at), range: range, ifRange: nil, guard: .none))
            } catch { return .failure(error) }
        }
        let reading: BlobReading
        switch opened {
        case .failure(let failure): return oracle.notOpened(request, at, range, failure)
        case .success(let success): reading = success
        }
        defer { reading.body.close() }
        let found = SimulatedReading(
            version: reading.properties.version, length: reading.properties.length,
            metadata: reading.properties.metadata, tags: reading.properties.tags)
        guard let expected = oracle.opened(request, at, range, found) else { return }
        var bytes: [UInt8] = []
        do throws(StorageFailure) {
            while let piece = try await next(reading.body) {
                bytes += piece
                if executor.happens(2) { return }
            }
        } catch {
            if SimulatedLife.isSimulated(error) { return }
            return executor.fail("request \(request.number): the body of \(at.blob) breaks off with \(error)")
        }
        executor.note("body", UInt64(request.number), "\(bytes.count) bytes")
        if bytes != expected, !node.life.isDead {
            executor.fail(
                "request \(request.number) reads \(bytes), \(at.blob) in version \(found.version) is \(expected)")
        }
    }

    /// A piece of a body by one of the two ways, at the pace of a client that takes its time.
    private func next(_ body: any BodyProducer) async throws(StorageFailure) -> [UInt8]? {
        if executor.happens(40) {
            guard let bytes = try await body.nextBytes(atMost: 1 + executor.below(12)) else { return nil }
            return Array(bytes.readableBytesView)
        }
        guard let piece = try await body.next() else { return nil }
        if executor.happens(20) { await executor.wait(nanoseconds: Int64(executor.below(2_000)) * 1_000_000) }
        await executor.pause()
        switch piece {
        case .bytes(let bytes): return Array(bytes.readableBytesView)
        case .file(let span): return node.extents.send(span)
        }
    }

    func list(_ name: ContainerName) async {
        let request = begin(nil)
        do throws(StorageFailure) {
            let page = try await node.namespace.listBlobs(address(name), BlobListQuery(includesUncommitted: true))
            let found = page.entries.map { entry in
                switch entry {
                case .blob(let name, let properties): "\(name) \(properties.version.etagText)"
                case .uncommitted(let name, _): "\(name) staged"
                case .prefix(let prefix): "prefix \(prefix)"
                }
            }
            oracle.listed(request, name, found, nil)
        } catch { oracle.listed(request, name, nil, error) }
    }

    func listBlocks(_ at: ModelAddress) async {
        let request = begin(nil)
        do throws(StorageFailure) {
            let listing = try await node.namespace.blockList(address(at), kind: .all, guard: .none)
            let (committed, staged) = (listing.committed, listing.uncommitted)
            let found =
                committed.map { "\($0.id.text) \($0.size)" } + ["and"] + staged.map { "\($0.id.text) \($0.size)" }
            oracle.blocksListed(request, at, found, nil)
        } catch { oracle.blocksListed(request, at, nil, error) }
    }

    /// Reads everything there is.
    func readAll() async {
        for name in SimulatedWorkload.containers {
            await list(name)
            for blob in SimulatedWorkload.names {
                let at = ModelAddress(container: name, blob: blob)
                await read(at, nil)
                await listBlocks(at)
            }
        }
    }
}

/// A body that comes in pieces, with pauses in between.
private final class SlowSource: BodySource {
    private let rest: Locked<ArraySlice<UInt8>>
    private let executor: SeededExecutor

    init(_ bytes: [UInt8], executor: SeededExecutor) {
        rest = Locked(bytes[...])
        self.executor = executor
    }

    func next() async throws(StorageFailure) -> ByteBuffer? {
        await executor.pause()
        let count = executor.happens(50) ? 4_096 : 1 + executor.below(40)
        return rest.withLock { rest in
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(count) }
            return ByteBuffer(bytes: rest.prefix(count))
        }
    }
}
