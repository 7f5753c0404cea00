import ArgumentParser
import Foundation
import StorageModel
import StorageTestKit

/// Runs the core under simulation: seed after seed, until all are green or one is red.
@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the namespace on a seeded executor with a virtual clock and faulty backends.",
        discussion: "Exit status: 0 green, 1 a seed is red: its command repeats the very same history.")

    @Option(help: ArgumentHelp("First and last seed.", valueName: "FROM..TO")) var seeds: String?
    @Option(help: "One seed alone.") var seed: UInt64?
    @Option(help: "Requests of a seed, about.") var steps = Simulation.defaultSteps
    @Option(help: "Seeds at the same time, each on a thread of its own.") var jobs = 2
    @Flag(help: "Prints the history. Only with --seed.") var trace = false

    private var range: ClosedRange<UInt64>? {
        if let seed { return seed...seed }
        let bounds = (seeds ?? "1..10000").split(separator: ".").compactMap { UInt64($0) }
        guard bounds.count == 2, bounds[0] <= bounds[1] else { return nil }
        return bounds[0]...bounds[1]
    }

    func validate() throws {
        guard range != nil else { throw ValidationError("--seeds is two numbers: --seeds 1..10000") }
        guard steps > 0, (1...64).contains(jobs) else { throw ValidationError("--steps and --jobs are at least 1") }
        guard !trace || seed != nil else { throw ValidationError("--trace goes with --seed") }
    }

    func run() throws {
        guard let range else { return }
        if trace { return try show(Simulation.run(seed: range.lowerBound, steps: steps) { say($0) }) }
        let tally = Tally(range)
        let finished = DispatchSemaphore(value: 0)
        let steps = steps
        for _ in 0..<jobs {
            let thread = Thread {
                while let seed = tally.next() { tally.add(Simulation.run(seed: seed, steps: steps)) }
                finished.signal()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        for _ in 0..<jobs {
            while finished.wait(timeout: .now() + .seconds(2)) == .timedOut { complain(tally.line) }
        }
        if let red = tally.red { return try show(red) }
        say("simulate: \(tally.line): green")
        if let seed { say("simulate: seed \(seed) has the trace \(String(tally.hash, radix: 16))") }
    }

    private func show(_ report: SimulationReport) throws {
        let hash = String(report.traceHash, radix: 16)
        guard let failure = report.failure else {
            return say("simulate: seed \(report.seed): \(report.operations) operations, trace \(hash): green")
        }
        say("simulate: RED: seed \(report.seed), trace \(hash): \(failure)")
        say("simulate: repeat with: make simulate SEED=\(report.seed) STEPS=\(steps)")
        throw ExitCode(1)
    }
}

private func say(_ text: String) { print(text) }
private func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// The seeds to run, and what those that ran did.
private final class Tally: Sendable {
    private struct State {
        var rest: ClosedRange<UInt64>?
        var seeds = 0
        var operations = 0
        var crashes = 0
        var faults = 0
        var hash: UInt64 = 0
        var red: SimulationReport?
    }
    private let state: Locked<State>

    init(_ range: ClosedRange<UInt64>) { state = Locked(State(rest: range)) }

    func next() -> UInt64? {
        state.withLock { state in
            guard state.red == nil, let rest = state.rest else { return nil }
            state.rest = rest.count > 1 ? rest.lowerBound + 1...rest.upperBound : nil
            return rest.lowerBound
        }
    }

    func add(_ report: SimulationReport) {
        state.withLock { state in
            state.seeds += 1
            state.operations += report.operations
            state.crashes += report.crashes
            state.faults += report.faults
            state.hash = report.traceHash
            // Of several that ran at once the first seed is told.
            if report.failure != nil, report.seed < state.red?.seed ?? .max { state.red = report }
        }
    }

    var red: SimulationReport? { state.withLock { $0.red } }
    var hash: UInt64 { state.withLock { $0.hash } }
    var line: String {
        state.withLock { state in
            "\(state.seeds) seeds, \(state.operations) operations, \(state.crashes) crashes, \(state.faults) faults"
        }
    }
}
