import FoundationEssentials
import Testing

/// The Swift files under Sources, as text and as code without comments and string literals.
struct SourceFile: Sendable {
    /// From the repository's root, as in `Sources/Core/Namespace/Namespace.swift`.
    var path: String
    var lines: [String]
    /// The same lines with comments and the contents of string literals blanked.
    var code: [String]

    private var parts: [Substring] { path.split(separator: "/") }
    /// `Core` of `Sources/Core/Namespace/…`.
    var layer: String { String(parts[1]) }
    var module: String { String(parts[2]) }
    var name: String { String(parts[parts.count - 1]) }

    /// The modules that the file imports.
    var imports: [String] {
        code.compactMap { line in
            var words = line.split(separator: " ")[...]
            while let first = words.first,
                first.hasPrefix("@") || ["package", "public", "internal", "private"].contains(first)
            {
                words.removeFirst()
            }
            guard words.popFirst() == "import" else { return nil }
            if let kind = words.first,
                ["struct", "class", "enum", "func", "protocol", "typealias", "var", "let"].contains(kind)
            {
                words.removeFirst()
            }
            return words.first.map { String($0.prefix { $0 != "." }) }
        }
    }
}

enum SourceTree {
    /// The repository's root: this file is in Tests/LayeringTests.
    static let root: String = {
        let folders = #filePath.split(separator: "/").dropLast(3)
        return "/" + folders.joined(separator: "/")
    }()

    static let files: [SourceFile] = {
        do {
            return try swiftFiles(beneath: "Sources").sorted().map { path in
                let text = try read(path)
                return SourceFile(
                    path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init),
                    code: CodeText.strip(text).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
                )
            }
        } catch { preconditionFailure("the sources cannot be read: \(error)") }
    }()

    static func read(_ path: String) throws -> String {
        let data = try Data(contentsOf: URL(filePath: "\(root)/\(path)"))
        guard let text = String(validating: data, as: UTF8.self) else {
            throw CocoaError(.fileReadUnknownStringEncoding)
        }
        return text
    }

    static func entries(of folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(root)/\(folder)").filter { !$0.hasPrefix(".") }
    }

    private static func swiftFiles(beneath folder: String) throws -> [String] {
        var found: [String] = []
        for entry in try entries(of: folder) {
            let path = "\(folder)/\(entry)"
            if entry.hasSuffix(".swift") {
                found.append(path)
            } else if isFolder(path) {
                found += try swiftFiles(beneath: path)
            }
        }
        return found
    }

    static func isFolder(_ path: String) -> Bool {
        var isFolder = false
        return FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isFolder) && isFolder
    }

    /// Modules by name, with their layer; those of C alone have no Swift file.
    static let modules: [String: (layer: String, hasSwift: Bool)] = {
        var modules: [String: (layer: String, hasSwift: Bool)] = [:]
        do {
            for layer in try entries(of: "Sources") {
                for module in try entries(of: "Sources/\(layer)") where isFolder("Sources/\(layer)/\(module)") {
                    modules[module] = (layer, files.contains { $0.layer == layer && $0.module == module })
                }
            }
        } catch { preconditionFailure("the sources cannot be listed: \(error)") }
        return modules
    }()
}

/// Blanks what is no code, line for line.
enum CodeText {
    static func strip(_ text: String) -> String {
        var out: [UInt8] = []
        let bytes = Array(text.utf8)
        var index = 0
        /// The quotes that would end the literal: none, one or three.
        var quotes = 0
        var commentDepth = 0
        func follows(_ token: String) -> Bool { bytes[index...].starts(with: token.utf8) }
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\n") {
                out.append(byte)
                if quotes == 1 { quotes = 0 }
                index += 1
            } else if commentDepth > 0 {
                if follows("*/") { commentDepth -= 1 } else if follows("/*") { commentDepth += 1 }
                index += follows("*/") || follows("/*") ? 2 : 1
            } else if quotes > 0 {
                if byte == UInt8(ascii: "\\") {
                    index += 2
                } else if follows(quotes == 3 ? "\"\"\"" : "\"") {
                    out.append(UInt8(ascii: "\""))
                    index += quotes
                    quotes = 0
                } else {
                    index += 1
                }
            } else if follows("//") {
                while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { index += 1 }
            } else if follows("/*") {
                commentDepth = 1
                index += 2
            } else if follows("\"\"\"") || byte == UInt8(ascii: "\"") {
                quotes = follows("\"\"\"") ? 3 : 1
                out.append(UInt8(ascii: "\""))
                index += quotes
            } else {
                out.append(byte)
                index += 1
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}

@Suite struct SourceTreeTests {
    @Test func findsTheSources() {
        #expect(SourceTree.files.contains { $0.path == "Sources/Core/Namespace/Namespace.swift" })
        #expect(SourceTree.modules["Namespace"]?.layer == "Core")
        #expect(SourceTree.modules["CChecksums"]?.hasSwift == false)
    }

    @Test func stripsWhatIsNoCode() {
        let text = "a // b\n/* c\n/* d */ e */ f\n\"g \\\" h\" + i\n\"\"\"\nj \"k\"\n\"\"\" + l\n/// m"
        #expect(CodeText.strip(text) == "a \n\n f\n\"\" + i\n\"\n\n\" + l\n")
    }

    @Test func readsImports() {
        let lines = [
            "import A", "package import B", "@testable import C", "import struct D.E", "// import F", "let import1 = 2",
        ]
        let text = lines.joined(separator: "\n")
        let code = CodeText.strip(text).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(SourceFile(path: "Sources/X/Y/Z.swift", lines: lines, code: code).imports == ["A", "B", "C", "D"])
    }
}
