import FoundationEssentials
import Namespace
import StorageModel
import StorageTestKit
import Testing

@testable import modelcheck

/// A short run of what `modelcheck` does at length, over sockets, and every kept seed.
@Suite struct ModelCheckTests {
    static let kept: [KeptSeed] = {
        let tests = #filePath.dropLast("ModelCheckTests/ModelCheckTests.swift".count)
        let folder = "\(tests)NamespaceTests/Seeds"
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0 != "README" }.sorted().map {
                let data = try Data(contentsOf: URL(filePath: "\(folder)/\($0)"))
                return try KeptSeed(text: String(decoding: data, as: UTF8.self))
            }
        } catch {
            preconditionFailure("the folder of seeds cannot be read: \(error)")
        }
    }()

    private func run(_ clients: Int, _ operations: Int, seed: UInt64) -> CheckRun {
        CheckRun(
            subject: .http, store: .memory, clients: clients, operations: operations, firstSeed: seed,
            sequenceLength: 400)
    }

    private func expectGreen(_ run: CheckRun) async throws -> CheckRun.Outcome {
        let outcome = try await run.run(scratch: "", progress: Progress())
        if let red = outcome.red {
            Issue.record("\(red.problem)\n\(red.lines.joined(separator: "\n"))\nrepeat: \(red.seed.command)")
        }
        return outcome
    }

    @Test func sequences() async throws {
        let outcome = try await expectGreen(run(1, 1_000, seed: 61))
        #expect(outcome.tally.operations >= 1_000)
        #expect(outcome.tally.refused < outcome.tally.operations * 3 / 5)
        for wanted in ["put blob: success", "list blobs: success", "batch: success", "put block list: success"] {
            #expect(outcome.tally.counts[wanted, default: 0] > 0, "\(wanted)")
        }
    }

    @Test func rounds() async throws {
        let outcome = try await expectGreen(run(6, 600, seed: 71))
        #expect(outcome.overlaps > 0)
        #expect(outcome.listings > 0)
    }

    @Test(arguments: kept) func keptSeeds(kept: KeptSeed) async throws {
        guard kept.clients == 1 else {
            _ = try await expectGreen(run(kept.clients, 1_000, seed: kept.seed))
            return
        }
        let red = try await run(1, 1, seed: kept.seed).replay(kept.steps, scratch: "")
        #expect(red == nil, "\(red?.problem ?? ""), repeat: \(kept.command)")
    }

    /// A client that reads another ETag than the one that was sent is found out: the check looks at what it compares.
    @Test func aWrongAnswerIsRed() async throws {
        let node = try await ModelNode(.inMemory, seed: 1, serves: true)
        let subject = try #require(try node.subject(account: 0) as? HTTPSubject)
        let at = ModelAddress(container: ModelGenerator.containers[0], blob: ModelGenerator.names[0])
        var model = ModelStore(now: node.clock.now)
        _ = try await subject.step(.createContainer(at.container, .empty), &model)
        _ = try await subject.step(subject.expressed(.putBlob(at, [1, 2], BlobAttributes(), .none)), &model)
        let head = ModelOperation.read(.head(at, .none))
        _ = try await subject.step(head, &model)
        var wrong = model
        wrong.containers[at.container]?.blobs[at.blob]?.version = Version(1)
        await #expect(throws: ModelMismatch.self) { _ = try await subject.step(head, &wrong) }
        wrong = model
        wrong.containers[at.container]?.blobs[at.blob]?.bytes = [1, 3]
        let get = ModelOperation.read(.get(at, nil, .none))
        await #expect(throws: ModelMismatch.self) { _ = try await subject.step(get, &wrong) }
        wrong = model
        wrong.containers[at.container]?.blobs[at.blob] = nil
        let list = ModelOperation.read(.list(at.container, ModelListing()))
        await #expect(throws: ModelMismatch.self) { _ = try await subject.step(list, &wrong) }
        let refused = ModelOperation.putBlob(
            at, [], BlobAttributes(), Guard(conditions: Conditions(ifNoneMatch: .any)))
        await #expect(throws: ModelMismatch.self) { _ = try await subject.step(subject.expressed(refused), &wrong) }
        await node.close()
    }
}
