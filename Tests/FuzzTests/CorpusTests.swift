import FoundationEssentials
import Testing

/// Gives everything that the fuzzer has kept to the properties once: inputs that reach every branch, and every finding
/// that there ever was.
@Suite struct CorpusTests {
    private static let folder: URL = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return root.appending(path: "fuzz/corpus")
    }()

    private static func inputs(_ target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let folder = folder.appending(path: target.rawValue).path
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
            (name, Array(try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))))
        }
    }

    @Test(arguments: FuzzTarget.allCases)
    func keptInputs(target: FuzzTarget) throws {
        let inputs = try Self.inputs(target)
        #expect(inputs.count >= 5, "the corpus of \(target.rawValue) is missing")
        for (name, bytes) in inputs {
            #expect(throws: Never.self, "fuzz/corpus/\(target.rawValue)/\(name)") { try target.check(bytes) }
        }
    }

    /// Each property has something to say: the empty input and all single bytes are no finding either.
    @Test(arguments: FuzzTarget.allCases)
    func smallestInputs(target: FuzzTarget) throws {
        try target.check([])
        for byte in UInt8.min...UInt8.max { try target.check([byte]) }
    }
}
