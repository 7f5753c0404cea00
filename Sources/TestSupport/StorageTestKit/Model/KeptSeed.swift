/// A seed that once failed, as a file in `Tests/NamespaceTests/Seeds` keeps it: `name value` lines, then an empty line and,
/// for people, what went wrong.
package struct KeptSeed: Sendable, Hashable {
    package enum Subject: String, Sendable, Hashable, CaseIterable { case namespace, http }

    package var subject: Subject
    package var seed: UInt64
    /// 1 for a sequence, else the clients of a round.
    package var clients = 1
    /// Of a sequence: the steps that shrinking left.
    package var steps: [Int] = []

    package init(subject: Subject, seed: UInt64, clients: Int = 1, steps: [Int] = []) {
        self.subject = subject
        self.seed = seed
        self.clients = clients
        self.steps = steps
    }

    package struct Malformed: Error, CustomStringConvertible {
        package var description: String
    }

    package init(text: String) throws(Malformed) {
        var values: [Substring: Substring] = [:]
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { break }
            guard let blank = line.firstIndex(of: " ") else { throw Malformed(description: "no value in: \(line)") }
            values[line[..<blank]] = line[line.index(after: blank)...]
        }
        guard let subject = values["subject"].flatMap({ Subject(rawValue: String($0)) }) else {
            throw Malformed(description: "no subject")
        }
        guard let seed = values["seed"].flatMap({ UInt64($0) }) else { throw Malformed(description: "no seed") }
        guard let clients = Int(values["clients"] ?? "1"), clients > 0 else { throw Malformed(description: "clients") }
        guard let steps = Self.steps(values["steps"] ?? "") else { throw Malformed(description: "steps") }
        guard clients > 1 || !steps.isEmpty else { throw Malformed(description: "neither steps nor clients") }
        self.init(subject: subject, seed: seed, clients: clients, steps: steps)
    }

    package var text: String {
        var lines = ["subject \(subject.rawValue)", "seed \(seed)"]
        if clients > 1 { lines.append("clients \(clients)") }
        if !steps.isEmpty { lines.append("steps \(stepsText)") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// `3,5-9,40`
    package var stepsText: String {
        var runs: [ClosedRange<Int>] = []
        for step in steps {
            if let last = runs.last, last.upperBound + 1 == step {
                runs[runs.count - 1] = last.lowerBound...step
            } else {
                runs.append(step...step)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(
            separator: ",")
    }

    /// `nil` for a text that `stepsText` does not make.
    package static func steps(_ text: some StringProtocol) -> [Int]? {
        var steps: [Int] = []
        for part in text.split(separator: ",") {
            let bounds = part.split(separator: "-").map { Int($0) }
            guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, bounds.count <= 2, first >= 1,
                last >= first, last <= 10_000_000
            else { return nil }
            steps += first...last
        }
        return steps
    }

    package var fileName: String { "\(subject.rawValue)-\(clients > 1 ? "clients\(clients)-" : "")\(seed)" }

    /// The command that repeats it.
    package var command: String {
        var words = ["modelcheck", "--subject", subject.rawValue, "--seed", "\(seed)"]
        if clients > 1 {
            words += ["--clients", "\(clients)", "--operations", "100000"]
        } else {
            words += ["--steps", stepsText]
        }
        return words.joined(separator: " ")
    }
}
