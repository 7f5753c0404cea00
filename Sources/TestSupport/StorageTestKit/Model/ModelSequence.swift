import Namespace
import StorageModel

/// One client's operations, drawn from a seed, held against the model one by one.
package struct ModelSequence: Sendable {
    package var seed: UInt64
    /// The steps that are taken, in order: all of them, or what shrinking left of them.
    package var steps: [Int]
    /// After so many steps everything that is stored is read.
    package var readsAllEvery = 250

    package init(seed: UInt64, length: Int) {
        self.seed = seed
        steps = Array(1...max(1, length))
    }

    package init(seed: UInt64, steps: [Int]) {
        self.seed = seed
        self.steps = steps
    }

    package struct Failure: Sendable, CustomStringConvertible {
        /// Counted in steps that were taken.
        package var after: Int
        package var problem: String
        /// What was performed before it, one operation a line.
        package var transcript: [String]
        package var description: String { "after \(after) steps: \(problem)" }
    }

    /// Runs the sequence on a store that is empty, and leaves it empty.
    /// - Returns: what was performed, and the first disagreement.
    package func run(
        on subject: any ModelSubject, clock: TestWorld, keepsTranscript: Bool = false
    ) async -> (tally: ModelTally, failure: Failure?) {
        var model = ModelStore(now: clock.now)
        var generator = ModelGenerator(seed: seed)
        var tally = ModelTally()
        var transcript: [String] = []
        for (index, step) in steps.enumerated() {
            let operation = subject.expressed(generator.operation(at: step, model))
            if keepsTranscript { transcript.append("\(step): \(operation.line)") }
            do {
                let outcome = try await subject.step(operation, &model)
                tally.add(operation, outcome)
                generator.note(operation, outcome, model)
                let isLast = index == steps.count - 1
                if isLast || (index + 1) % readsAllEvery == 0 {
                    for read in model.everything {
                        let operation = subject.expressed(.read(read))
                        tally.add(operation, try await subject.step(operation, &model))
                    }
                }
                if isLast { try await Self.clear(subject, &model) }
            } catch {
                return (tally, Failure(after: index + 1, problem: "\(error)", transcript: transcript))
            }
        }
        return (tally, nil)
    }

    private static func clear(_ subject: any ModelSubject, _ model: inout ModelStore) async throws {
        let containers = model.containers
        for (name, container) in containers {
            let isLocked = ModelLease.view(container.lease, at: model.now).isLocked
            _ = try await subject.step(
                .deleteContainer(name, Guard(lease: isLocked ? container.lease?.id : nil)), &model)
        }
    }

    /// Leaves out steps as long as what is left still fails: halves first, then ever smaller runs.
    ///
    /// - Parameter fails: runs a sequence on a fresh store.
    package func shrunk(attempts limit: Int, _ fails: (ModelSequence) async -> Int?) async -> ModelSequence {
        var smallest = self
        var attempts = 0
        guard let length = await fails(smallest) else { return self }
        smallest.steps = Array(smallest.steps.prefix(length))
        var run = max(1, smallest.steps.count / 2)
        while run >= 1 {
            var start = 0
            var isSmaller = false
            while start < smallest.steps.count, attempts < limit {
                var candidate = smallest
                candidate.steps.removeSubrange(start..<min(start + run, candidate.steps.count))
                attempts += 1
                if !candidate.steps.isEmpty, let length = await fails(candidate) {
                    candidate.steps = Array(candidate.steps.prefix(length))
                    smallest = candidate
                    isSmaller = true
                } else {
                    start += run
                }
            }
            if attempts >= limit { break }
            if run == 1, !isSmaller { break }
            run = max(1, run / 2)
        }
        return smallest
    }
}

extension ModelStore {
    /// Reads that show everything that is stored.
    package var everything: [ModelRead] {
        var reads: [ModelRead] = [.containers(prefix: "", limit: 5_000, nil)]
        for name in containers.keys.sorted() {
            var listing = ModelListing()
            listing.showsUncommitted = true
            listing.showsMetadata = true
            listing.showsTags = true
            listing.showsCopies = true
            reads.append(.list(name, listing))
            let container = containers[name]
            for blob in (container?.blobs.keys).map({ $0.sorted() }) ?? [] {
                let at = ModelAddress(container: name, blob: blob)
                reads += [.head(at, .none), .get(at, nil, .none), .blocks(at, .all, .none)]
            }
            for blob in (container?.staged.keys).map({ $0.sorted() }) ?? [] where container?.blobs[blob] == nil {
                reads.append(.blocks(ModelAddress(container: name, blob: blob), .all, .none))
            }
        }
        return reads
    }
}
