import Testing

/// docs/formats knows every byte that is stored.
@Suite struct FormatTests {
    static func documents() throws -> [String: String] {
        var documents: [String: String] = [:]
        for name in try SourceTree.entries(of: "docs/formats") where name.hasSuffix(".md") {
            documents[name] = try SourceTree.read("docs/formats/\(name)")
        }
        return documents
    }

    /// They share one key space, so no byte may stand for two kinds.
    static let keyFiles = ["Sources/Core/Namespace/Records/Keys.swift", "Sources/Core/Access/Store/AccessKeys.swift"]

    /// The kinds of records: name and letter of each `case name = 0x41` of `Keys.Kind` and `AccessKeys.Kind`.
    static func kinds() throws -> [(name: String, letter: String)] {
        let files = SourceTree.files.filter { keyFiles.contains($0.path) }
        try #require(files.count == keyFiles.count)
        return files.flatMap(\.code).compactMap { line in
            let words = line.split { $0 == " " }
            guard words.count >= 4, words[0] == "case", words[2] == "=", words[3].hasPrefix("0x"),
                let byte = UInt8(words[3].dropFirst(2), radix: 16)
            else { return nil }
            return (String(words[1]), String(UnicodeScalar(byte)))
        }
    }

    @Test func everyKindOfRecordIsDescribed() throws {
        let text = try #require(try Self.documents()["metadata.md"])
        let kinds = try Self.kinds()
        #expect(kinds.count >= 18)
        #expect(Set(kinds.map(\.letter)).count == kinds.count)
        for (name, letter) in kinds {
            #expect(
                text.contains("| `\(letter)` | \(name) |"),
                "docs/formats/metadata.md does not describe \(letter) (\(name))")
        }
    }

    /// Whoever declares a format is a record of some kind, and says which: `/// Kind `x`: …`.
    @Test func everyFormatBelongsToADescribedKind() throws {
        let letters = Set(try Self.kinds().map(\.letter))
        var declared = 0
        for file in SourceTree.files where file.path.hasPrefix("Sources/Core/") {
            for (index, line) in file.code.enumerated() where line.contains("static let format: UInt8") {
                declared += 1
                // The nearest comment above the type.
                let above = file.lines[..<index].reversed()
                let comment = above.first { $0.contains("Kind `") }
                let letter =
                    comment?.split(separator: "`", omittingEmptySubsequences: false).dropFirst().first.map(String.init)
                    ?? comment?.split(separator: "Kind `").last.map { String($0.prefix(1)) }
                #expect(letter.map { letters.contains($0) } == true, "\(file.path):\(index + 1) does not name its kind")
            }
        }
        #expect(declared >= 16)
    }

    /// Every operation of the change log has its number in the document.
    @Test func everyChangeIsDescribed() throws {
        let text = try #require(try Self.documents()["metadata.md"])
        let file = try #require(
            SourceTree.files.first { $0.path == "Sources/Core/Namespace/Records/ChangeRecord.swift" })
        let start = try #require(file.code.firstIndex { $0.contains("enum Operation") })
        var number = 0
        for line in file.code[(start + 1)...] {
            if line.trimming.hasPrefix("}") { break }
            guard line.contains("case") else { continue }
            let names = line.split { !($0.isLetter || $0.isNumber) }.filter { $0 != "case" && Int($0) == nil }
            for name in names {
                number += 1
                #expect(
                    text.contains("\(number) \(name)"),
                    "docs/formats/metadata.md does not know change \(number), \(name)")
            }
        }
        #expect(number >= 15)
    }
}
