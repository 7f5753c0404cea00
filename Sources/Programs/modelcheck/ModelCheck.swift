import ArgumentParser
import Foundation
import StorageTestKit

/// Random operations against the namespace and against the Blob protocol over HTTP, next to a model made of dictionaries.
@main
struct ModelCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "modelcheck",
        abstract: "Holds the namespace and the Blob protocol against a plain model.",
        discussion: """
            One client (--clients 1) is held against the model answer by answer. Several clients work on the same few names \
            at once, and each name's history is judged for linearizability.
            A red seed is shrunk, kept as a file in --seeds, and repeated by the command that is printed.
            Exit status: 0 green, 1 red or undecided, 2 the check could not run.
            """)

    @Flag(help: "One million operations of every kind: what docs/reliability/model-check.md reports.") var all = false
    @Option(help: "namespace or http.") var subject: KeptSeed.Subject = .namespace
    @Option(help: "memory, or disk for RocksDB and segment files.") var store: CheckRun.StoreKind = .memory
    @Option(help: "How many operations to perform at least.") var operations = 100_000
    @Option(help: "Clients at once.") var clients = 1
    @Option(help: "Seed of the first sequence or round; the next has the next number.") var seed: UInt64 = 1
    @Option(name: .customLong("sequences-of"), help: "Steps of a sequence.") var length = 500
    @Option(help: "Repeats one sequence of --seed with these steps, as in 3,5-9,40.") var steps: String?
    @Option(help: "Repeats what a file in the folder of seeds keeps.") var replay: String?
    @Option(help: "Where a red seed is kept.") var seeds = "Tests/NamespaceTests/Seeds"
    @Option(help: "Directory for the stores of the run.") var scratch: String?
    @Flag(help: "Prints how often which operation ended how.") var tally = false

    func validate() throws {
        guard operations > 0, (1...64).contains(clients), length > 0 else {
            throw ValidationError("--operations and --sequences-of are positive, --clients is 1 to 64")
        }
        if let steps, KeptSeed.steps(steps)?.isEmpty ?? true { throw ValidationError("--steps is a list as 3,5-9,40") }
    }

    func run() async throws {
        let scratch =
            self.scratch ?? "\(NSTemporaryDirectory())/modelcheck-\(ProcessInfo.processInfo.processIdentifier)"
        var status: Int32 = 2
        do {
            try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
            status = try await check(scratch) ? 0 : 1
        } catch {
            FileHandle.standardError.write(Data("modelcheck: the check could not run: \(error)\n".utf8))
        }
        do { try FileManager.default.removeItem(atPath: scratch) } catch {
            FileHandle.standardError.write(Data("modelcheck: \(scratch) was not removed: \(error)\n".utf8))
        }
        if status != 0 { throw ExitCode(status) }
    }

    private func check(_ scratch: String) async throws -> Bool {
        let progress = Progress()
        if let replay {
            let kept = try KeptSeed(text: try String(contentsOfFile: replay, encoding: .utf8))
            return try await repeated(kept, scratch, progress)
        }
        if let steps, let list = KeptSeed.steps(steps) {
            return try await repeated(KeptSeed(subject: subject, seed: seed, steps: list), scratch, progress)
        }
        return try await perform(all ? everything : [run(subject, store, clients, operations)], scratch, progress)
    }

    private func run(
        _ subject: KeptSeed.Subject, _ store: CheckRun.StoreKind, _ clients: Int, _ operations: Int, from: UInt64 = 0
    ) -> CheckRun {
        CheckRun(
            subject: subject, store: store, clients: clients, operations: operations, firstSeed: seed &+ from,
            sequenceLength: length)
    }

    private var everything: [CheckRun] {
        [
            run(.namespace, .memory, 1, 250_000),
            run(.namespace, .disk, 1, 200_000, from: 10_000),
            run(.namespace, .disk, 8, 200_000, from: 20_000),
            run(.http, .disk, 1, 250_000, from: 30_000),
            run(.http, .disk, 8, 150_000, from: 40_000),
        ]
    }

    private func repeated(_ kept: KeptSeed, _ scratch: String, _ progress: Progress) async throws -> Bool {
        var run = run(kept.subject, store, kept.clients, operations)
        run.firstSeed = kept.seed
        guard kept.clients == 1 else { return try await perform([run], scratch, progress) }
        guard let red = try await run.replay(kept.steps, scratch: scratch) else {
            progress.say("model check: \(kept.fileName), \(kept.steps.count) steps: green")
            return true
        }
        for line in red.lines { progress.say(line) }
        progress.say("model check: \(kept.fileName) is red: \(red.problem)")
        return false
    }

    private func perform(_ runs: [CheckRun], _ scratch: String, _ progress: Progress) async throws -> Bool {
        var total = ModelTally()
        var bySubject: [KeptSeed.Subject: Int] = [:]
        var parts: [String] = []
        for (index, run) in runs.enumerated() {
            let start = progress.seconds
            let outcome = try await run.run(scratch: "\(scratch)/\(index)", progress: progress)
            let seconds = progress.seconds - start
            total.add(outcome.tally)
            bySubject[run.subject, default: 0] += outcome.tally.operations
            if let red = outcome.red {
                report(red, run, progress)
                return false
            }
            let count = Progress.grouped(outcome.tally.operations)
            var line = "\(run.title): \(count) operations in \(Progress.grouped(outcome.runs)) runs, "
            line += "\(outcome.tally.refused * 100 / max(1, outcome.tally.operations)) % refused, "
            if run.clients > 1 {
                line += "\(Progress.grouped(outcome.overlaps)) overlapping pairs on one name, "
                line += "\(Progress.grouped(outcome.listings)) listings, "
            }
            line += "\(Progress.grouped(Int(Double(outcome.tally.operations) / seconds)))/s, seeds \(run.firstSeed)…"
            progress.say(line + "\(run.firstSeed + UInt64(max(1, outcome.runs)) - 1)")
            parts.append("\(run.firstSeed)…\(run.firstSeed + UInt64(max(1, outcome.runs)) - 1)")
        }
        if tally {
            for entry in total.counts.sorted(by: { $0.key < $1.key }) { progress.say("  \(entry.key)  \(entry.value)") }
        }
        let sum = bySubject.sorted { $0.key.rawValue > $1.key.rawValue }.map { subject, count in
            "\(subject.rawValue) \(Progress.grouped(count))"
        }
        progress.say(
            """
            model check: \(Progress.grouped(total.operations)) operations, \(sum.joined(separator: " + ")), \
            \(Int(progress.seconds)) s, green, seeds \(parts.joined(separator: ", "))
            """)
        return true
    }

    private func report(_ red: CheckRun.Red, _ run: CheckRun, _ progress: Progress) {
        let text = red.seed.text + "\n" + ([red.problem] + red.lines).joined(separator: "\n") + "\n"
        let path = "\(seeds)/\(red.seed.fileName)"
        progress.say(red.problem)
        do {
            try FileManager.default.createDirectory(atPath: seeds, withIntermediateDirectories: true)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            progress.say("kept as \(path)")
        } catch {
            progress.say("not kept as \(path): \(error)\n\(text)")
        }
        progress.say("repeat: \(red.seed.command) --store \(run.store.rawValue)")
        progress.say("model check: \(red.isUndecided ? "undecided" : "red"), \(run.title), seed \(red.seed.seed)")
    }
}

extension KeptSeed.Subject: ExpressibleByArgument {}
extension CheckRun.StoreKind: ExpressibleByArgument {}
