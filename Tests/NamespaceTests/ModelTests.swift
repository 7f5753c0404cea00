import Extents
import FoundationEssentials
import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// The namespace driven by random requests next to a model made of dictionaries: a short run of what `modelcheck` does at
/// length. What once failed is kept in Seeds.
@Suite struct ModelTests {
    typealias Fixture = NamespaceFixture

    static let steps = 1_500

    static let kept: [KeptSeed] = {
        let folder = String(#filePath.dropLast("ModelTests.swift".count)) + "Seeds"
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0 != "README" }.sorted().map {
                let data = try Data(contentsOf: URL(filePath: "\(folder)/\($0)"))
                return try KeptSeed(text: String(decoding: data, as: UTF8.self))
            }
        } catch {
            preconditionFailure("the folder of seeds cannot be read: \(error)")
        }
    }()

    /// Whatever a seed was found with: its steps mean the same to the namespace.
    @Test(arguments: kept) func keptSeeds(kept: KeptSeed) async throws {
        let fixture = Fixture(world: TestWorld(seed: kept.seed))
        func subject() -> NamespaceSubject { NamespaceSubject(fixture.namespace, clock: fixture.world) }
        guard kept.clients > 1 else {
            let sequence = ModelSequence(seed: kept.seed, steps: kept.steps)
            let (_, failure) = await sequence.run(on: subject(), clock: fixture.world)
            #expect(failure == nil, "repeat: \(kept.command)")
            return
        }
        // Threads do not meet in the same way twice: some rounds from this seed on.
        for seed in kept.seed..<(kept.seed + 20) {
            let clients = (0..<kept.clients).map { _ in subject() }
            let result = await ModelRound(seed: seed, judge: Linearizability(clients[0])).run(
                clients, clock: fixture.world)
            #expect(result.findings.isEmpty, "repeat: \(kept.command)")
        }
    }

    /// Two sequences in the words of the model check, answers included, and some rounds of several clients.
    @Test(arguments: [21, 22] as [UInt64]) func shortSequence(seed: UInt64) async throws {
        let fixture = Fixture(world: TestWorld(seed: seed))
        let subject = NamespaceSubject(fixture.namespace, clock: fixture.world)
        let (tally, failure) = await ModelSequence(seed: seed, length: 1_000).run(on: subject, clock: fixture.world)
        #expect(
            failure == nil, "repeat: modelcheck --subject namespace --sequences-of 1000 --operations 1 --seed \(seed)")
        #expect(tally.operations > 1_000)
        #expect(tally.refused < tally.operations * 3 / 5)
        try await fixture.expectNothingLeft()
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64]) func shortRound(seed: UInt64) async throws {
        let fixture = Fixture(world: TestWorld(seed: seed))
        let clients = (0..<6).map { _ in NamespaceSubject(fixture.namespace, clock: fixture.world) }
        let result = await ModelRound(seed: seed, judge: Linearizability(clients[0])).run(clients, clock: fixture.world)
        for finding in result.findings { Issue.record("\(finding)\n\(finding.history.joined(separator: "\n"))") }
        #expect(
            result.findings.isEmpty,
            "repeat: modelcheck --subject namespace --clients 6 --operations 20000 --seed \(seed)")
        #expect(result.overlaps > 0)
        try await fixture.expectNothingLeft()
    }

    @Test func seedsAsText() throws {
        let kept = KeptSeed(subject: .http, seed: 7, steps: [1, 2, 3, 9, 11, 12])
        #expect(kept.stepsText == "1-3,9,11-12")
        #expect(kept.command == "modelcheck --subject http --seed 7 --steps 1-3,9,11-12")
        #expect(try KeptSeed(text: kept.text + "\nwhat went wrong\n") == kept)
        let round = KeptSeed(subject: .namespace, seed: 8, clients: 6)
        #expect(try KeptSeed(text: round.text) == round)
        for text in ["", "subject http\n", "subject ftp\nseed 1\nsteps 1\n", "subject http\nseed 1\nsteps 5-3\n"] {
            #expect(throws: KeptSeed.Malformed.self) { try KeptSeed(text: text) }
        }
    }

    /// A store that lies is found out, and the steps that matter are few.
    @Test func shrinking() async throws {
        let forgetful: @Sendable (ModelSequence) async -> Int? = { sequence in
            let fixture = Fixture(world: TestWorld(seed: 5))
            let subject = ForgetfulSubject(NamespaceSubject(fixture.namespace, clock: fixture.world))
            return await sequence.run(on: subject, clock: fixture.world).failure?.after
        }
        let whole = ModelSequence(seed: 5, length: 120)
        #expect(await forgetful(whole) != nil)
        let smallest = await whole.shrunk(attempts: 150, forgetful)
        #expect(smallest.steps.count <= 8)
        #expect(await forgetful(smallest) != nil)
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func randomRequests(seed: UInt64) async throws {
        var fixture = Fixture(world: TestWorld(seed: seed))
        var driver = ModelDriver(fixture)
        var model = ModelStore(now: fixture.world.now)
        var generator = ModelGenerator(seed: seed)
        for step in 1...Self.steps {
            let operation = generator.next(model)
            do {
                try await driver.step(operation, &model)
                try await driver.compare(model, reads: step % 20 == 0)
                if step % 100 == 0 {
                    #expect(try await fixture.check().findings == [])
                    try await fixture.namespace.trimChangeLog()
                }
                if step % 500 == 0 {
                    // As after a crash: everything that was acknowledged is there.
                    fixture = fixture.reopened()
                    driver = ModelDriver(fixture)
                    try await fixture.namespace.sweepUnnamedExtents()
                    try await driver.compare(model, reads: true)
                }
            } catch {
                Issue.record("seed \(seed), step \(step): \(error)")
                return
            }
        }
        try await Self.expectExactUsage(fixture)
        for (name, container) in model.containers {
            try await fixture.namespace.deleteContainer(
                ContainerAddress(account: Fixture.account, container: name),
                guard: Guard(lease: Self.key(container.lease, model)))
        }
        try await fixture.expectNothingLeft()
    }

    private static func key(_ lease: ModelLease?, _ model: ModelStore) -> LeaseID? {
        ModelLease.view(lease, at: model.now).isLocked ? lease?.id : nil
    }

    /// What is stored is what is named, and the account of space agrees.
    static func expectExactUsage(_ fixture: NamespaceFixture) async throws {
        while try await fixture.reap() {}
        #expect(try await fixture.check().findings == [])
        let records = fixture.metadata.contents.filter { $0.key[0] == Keys.Kind.extent.rawValue }
        let named = try records.map { try ExtentRecord.extent(key: $0.key, value: $0.value).0 }
        let sorted = named.sorted { $0.id < $1.id }
        #expect(fixture.extents.stored == sorted)
        let block = InMemoryExtentStore.blockBytes
        let padded = named.map { Int64(($0.length + block - 1) / block * block) }
        #expect(fixture.extents.usage().usedBytes == padded.reduce(0, +))
        #expect(fixture.extents.usage().reservedBytes == 0)
    }

    // MARK: - At the same time

    /// Tasks on few names at once. Versions are the order of commits: replayed in that order, every request that
    /// succeeded must be allowed by the model and the end must be the same.
    @Test(arguments: [11, 12, 13, 14] as [UInt64]) func concurrentRequests(seed: UInt64) async throws {
        let fixture = Fixture(world: TestWorld(seed: seed))
        let driver = ModelDriver(fixture)
        let name = ModelGenerator.containers[0]
        var model = ModelStore(now: fixture.world.now)
        try await driver.step(.createContainer(name, .empty), &model)
        let (initial, history) = (model, Locked<[(Version?, ModelOperation)]>([]))
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<6 {
                group.addTask {
                    var generator = ConcurrentGenerator(seed: seed &* 100 &+ UInt64(task), task: task, container: name)
                    for _ in 0..<60 {
                        for operation in generator.next() {
                            do throws(StorageFailure) {
                                let receipt = try await driver.perform(operation)
                                history.withLock { $0.append((receipt.version, operation)) }
                            } catch { break }
                        }
                    }
                }
            }
            group.addTask {
                for _ in 0..<50 {
                    do { try await fixture.reap() } catch { Issue.record(error, "seed \(seed)") }
                    await Task.yield()
                }
            }
        }
        // Deletes answer no version: the change log knows it.
        let log = try await fixture.namespace.changes(after: Version(1), limit: 100_000)
        var byVersion: [Version: ModelOperation] = [:]
        // A delete that found only staged blocks succeeds and is no change that anybody could see.
        var deletes: [BlobName: Int] = [:]
        for (version, operation) in history.withLock({ $0 }) {
            if let version { byVersion[version] = operation }
            if case .delete(let at, _) = operation { deletes[at.blob, default: 0] += 1 }
        }
        model = initial
        for (version, change) in log {
            var operation = byVersion[version]
            if change.operation == .deleteBlob, let text = change.blob {
                operation = .delete(ModelAddress(container: name, blob: Fixture.blob(text).blob), .none)
                deletes[Fixture.blob(text).blob, default: 0] -= 1
            }
            guard let operation else {
                Issue.record("seed \(seed): the log has \(change) that no request made")
                return
            }
            if case .commit(let at, let list, _, _) = operation {
                // Staged at any time before: ids are used once, so their bytes are known.
                for entry in list {
                    let bytes = ConcurrentGenerator.bytes(ofBlock: entry.id.text)
                    _ = model.apply(.putBlock(at, id: entry.id.text, bytes, nil), ModelReceipt())
                }
            }
            let problem = model.apply(operation, ModelReceipt(version: version))
            #expect(problem == nil, "seed \(seed): \(version) \(operation)")
        }
        let invented = deletes.filter { $0.value < 0 }
        #expect(invented.isEmpty, "seed \(seed): the log has deletes that nobody made")
        // Blocks that nobody committed are the requests' leftovers.
        try await driver.expireAll(&model)
        do { try await driver.compare(model, reads: true) } catch { Issue.record("seed \(seed): \(error)") }
        try await Self.expectExactUsage(fixture)
        try await fixture.namespace.deleteContainer(
            ContainerAddress(account: Fixture.account, container: name), guard: .none)
        try await fixture.expectNothingLeft()
    }
}

extension ModelDriver {
    /// A week later nothing is staged any more.
    func expireAll(_ model: inout ModelStore) async throws {
        for operation in [ModelOperation.advance(seconds: Limits.uncommittedBlockLifetimeSeconds + 1), .expire] {
            try await step(operation, &model)
        }
    }
}

/// Says that it has set tags and does not do it.
private final class ForgetfulSubject: ModelSubject {
    private let honest: NamespaceSubject
    init(_ honest: NamespaceSubject) { self.honest = honest }
    func expressed(_ operation: ModelOperation) -> ModelOperation { honest.expressed(operation) }
    func refusal(ofShape operation: ModelOperation) -> ModelRefusal? { nil }
    func refusal(_ code: StorageFailure.Code, of operation: ModelOperation) -> ModelRefusal {
        honest.refusal(code, of: operation)
    }
    func perform(_ operation: ModelOperation) async throws -> ModelOutcome {
        guard case .setTags(let at, _, let held) = operation else { return try await honest.perform(operation) }
        return try await honest.perform(.setTags(at, .empty, held))
    }
}

/// Requests of one of several tasks; block ids are used once and tell their bytes.
struct ConcurrentGenerator {
    private var numbers: SeededNumbers
    private let task: Int
    private let container: ContainerName
    private var count = 0

    init(seed: UInt64, task: Int, container: ContainerName) {
        numbers = SeededNumbers(seed: seed)
        self.task = task
        self.container = container
    }

    static func bytes(ofBlock id: String) -> [UInt8] {
        let number = Int(id.dropFirst(1)) ?? 0
        return NamespaceFixture.bytes(1 + number % 60, salt: number)
    }

    mutating func next() -> [ModelOperation] {
        count += 1
        let names = ["a", "a/b", "b", "c"].map { NamespaceFixture.blob($0).blob }
        func address(_ numbers: inout SeededNumbers) -> ModelAddress {
            ModelAddress(container: container, blob: names[Int.random(in: 0..<names.count, using: &numbers)])
        }
        let at = address(&numbers)
        let number = 10_000 + task * 1_000 + count
        let tags = NamespaceFixture.tags(("colour", ["red", "green", "blue"][count % 3]))
        let attributes = BlobAttributes(metadata: NamespaceFixture.metadata(("by", "\(number)")), tags: tags)
        let bytes = NamespaceFixture.bytes([0, 5, 30, 90][count % 4], salt: number)
        switch Int.random(in: 0..<10, using: &numbers) {
        case 0..<3: return [.putBlob(at, bytes, attributes, .none)]
        case 3: return [.putBlob(at, bytes, attributes, Guard(conditions: Conditions(ifNoneMatch: .any)))]
        case 4..<6: return [.delete(at, .none)]
        case 6: return [.setMetadata(at, attributes.metadata, .none)]
        case 7:
            let source = address(&numbers)
            let request = CopyRequest(
                source: BlobAddress(account: NamespaceFixture.account, container: source.container, blob: source.blob),
                sourceConditions: .none, sourceURL: "http://node/", headers: nil, metadata: nil, tags: .copy, tier: nil,
                recordsCopy: true)
            return [.copy(at, request, .none)]
        default:
            let ids = (0..<2).map { "b\(number * 10 + $0)" }
            let staging = ids.map { ModelOperation.putBlock(at, id: $0, Self.bytes(ofBlock: $0), nil) }
            let list = ids.map { BlockListEntry(source: .uncommitted, id: BlockID(text: $0)) }
            return staging + [.commit(at, list, attributes, .none)]
        }
    }
}
