import Testing

/// What the style forbids, found by its text.
@Suite struct BanTests {
    struct Ban: Sendable, CustomStringConvertible {
        var description: String
        /// The places where it is allowed, as beginnings of paths.
        var exceptions: [String] = []
        var isFound: @Sendable (_ line: String) -> Bool
    }

    static let world = "Sources/Model/StorageModel/World.swift"

    static let bans: [Ban] = [
        Ban(description: "a clock or chance outside of World", exceptions: [world]) { line in
            contains(
                line,
                [
                    "Date()", "Date.now", "UUID()", "SystemRandomNumberGenerator", "clock_gettime", "ContinuousClock",
                    "SuspendingClock",
                    "Task.sleep", "DispatchTime.now", "gettimeofday", "arc4random", "getrandom", "randomElement()",
                    ".shuffled()",
                ])
                || (line.contains(".random(in:") && !line.contains("using:"))
        },
        Ban(description: "try!") { contains($0, ["try!"]) },
        Ban(description: "fatalError") { contains($0, ["fatalError("]) },
        Ban(
            description: "try? on I/O",
            // Where nothing does I/O, `try?` turns a refused text into nil.
            exceptions: ["Sources/Model/", "Sources/Protocols/", "Sources/Assembly/", "Sources/Programs/"]
        ) { contains($0, ["try?"]) },
        Ban(description: "try? on something that waits") { line in
            line.contains("try?")
                && contains(line, ["try? await", "try? FileManager", "try? String(contentsOf", "try? Data(contentsOf"])
        },
        Ban(description: "a loose task", exceptions: ["Sources/Edge/", "Sources/Assembly/", "Sources/TestSupport/"]) {
            isLooseTask($0)
        },
        Ban(description: "all of Foundation", exceptions: ["Sources/Programs/"]) {
            $0.hasSuffix("import Foundation")
        },
        Ban(description: "print", exceptions: ["Sources/Programs/"]) { line in
            line.contains("print(") && words(line).contains("print")
        },
    ]

    private static func contains(_ line: String, _ tokens: [String]) -> Bool {
        tokens.contains { token in
            guard line.contains(token) else { return false }
            guard let first = token.first, first.isLetter else { return true }
            return line.split(separator: token, omittingEmptySubsequences: false).dropLast().contains { before in
                guard let last = before.last else { return true }
                return !(last.isLetter || last.isNumber || last == "_")
            }
        }
    }

    private static func words(_ line: String) -> [Substring] {
        line.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == ".") }
    }

    /// `Task {`, `Task(…` and `Task.detached`.
    static func isLooseTask(_ line: String) -> Bool { contains(line, ["Task {", "Task(", "Task.detached", "Task{"]) }

    @Test(arguments: bans) func nothingBanned(ban: Ban) {
        let found = SourceTree.files.flatMap { file -> [String] in
            guard !ban.exceptions.contains(where: { file.path.hasPrefix($0) }) else { return [] }
            return file.code.enumerated().filter { ban.isFound($0.element) }.map { "\(file.path):\($0.offset + 1)" }
        }
        #expect(found == [], "\(ban)")
    }

    @Test func bansBite() {
        let rows: [(String, String)] = [
            ("a clock or chance outside of World", "let now = Date()"),
            ("a clock or chance outside of World", "Int.random(in: 0..<3)"), ("try!", "try! open()"),
            ("fatalError", "fatalError(\"\")"), ("try? on I/O", "let x = try? read()"),
            ("try? on something that waits", "try? await close()"), ("a loose task", "Task { await run() }"),
            ("a loose task", "let task = Task(priority: .low) {"), ("a loose task", "Task.detached {"),
            ("all of Foundation", "import Foundation"), ("print", "    print(x)"),
        ]
        for (name, line) in rows {
            #expect(Self.bans.contains { $0.description == name && $0.isFound(line) }, "\(line)")
        }
        let fine = [
            "HTTPDate()", "group.addTask { await run() }", "Int.random(in: 0..<3, using: &numbers)", "withTaskGroup {",
            "import FoundationEssentials", "try await retry?()", "let MyTask = 1", "fingerprint(x)",
        ]
        for line in fine { #expect(!Self.bans.contains { $0.isFound(line) }, "\(line)") }
    }

    /// What switches the compiler's checks off says which invariant stands in for them.
    @Test func uncheckedSaysWhy() {
        var found: [String] = []
        for file in SourceTree.files {
            for (index, line) in file.code.enumerated() {
                guard line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") else { continue }
                let above = index > 0 ? file.lines[index - 1].trimming : ""
                if !above.hasPrefix("//") && !file.lines[index].contains("//") {
                    found.append("\(file.path):\(index + 1)")
                }
            }
        }
        #expect(found == [])
    }

    @Test func namesThatSayNothing() {
        let banned = ["Utils", "Util", "Common", "Helper", "Helpers", "Manager", "V2", "Misc"]
        let found = SourceTree.files.filter { file in
            file.path.split(separator: "/").contains { part in
                let name = part.hasSuffix(".swift") ? part.dropLast(6) : part
                return banned.contains { name == $0 || name.hasSuffix($0) || name.hasPrefix("\($0)+") }
            }
        }
        #expect(found.map(\.path) == [])
        let keywords = ["struct", "class", "enum", "actor", "protocol"]
        let types = SourceTree.files.flatMap { file in
            file.code.compactMap { line -> String? in
                let words = line.split { !($0.isLetter || $0.isNumber || $0 == "_") }
                guard let at = words.firstIndex(where: { keywords.contains(String($0)) }), at + 1 < words.count else {
                    return nil
                }
                let name = words[at + 1]
                return banned.contains { name == $0 || name.hasSuffix($0) } ? "\(file.path): \(name)" : nil
            }
        }
        #expect(types == [])
    }

    /// Around 100 to 300 lines is the feel; behind 450 a file does two things.
    @Test func filesStayShort() {
        #expect(SourceTree.files.filter { $0.lines.count > 450 }.map(\.path) == [])
    }

    @Test func linesStayShort() {
        let found = SourceTree.files.flatMap { file in
            file.lines.enumerated().filter { $0.element.count > 140 }.map { "\(file.path):\($0.offset + 1)" }
        }
        #expect(found == [])
    }
}

extension String {
    var trimming: Substring {
        var text = self[...]
        while let first = text.first, first == " " { text.removeFirst() }
        return text
    }
}
