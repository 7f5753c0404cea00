import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import MetadataRocks

@Suite("A log that power loss tore")
struct LogTailTests {
    private static let sectorBytes = 512

    /// A store's files before and after its last commit, which power loss is to tear.
    private struct Torn {
        var files: [String: [UInt8]]
        var log: String
        var whole: [UInt8]
        /// Where the last commit lies in the log.
        var last: Range<Int>

        /// The files as they are when these bytes of the log never reached the medium.
        func losing(_ lost: [Range<Int>]) -> [String: [UInt8]] {
            var bytes = whole
            for range in lost { for position in range { bytes[position] = 0 } }
            var files = files
            files[log] = bytes
            return files
        }

        /// The last commit's part of each sector.
        var sectors: [Range<Int>] {
            (last.lowerBound / sectorBytes...(last.upperBound - 1) / sectorBytes).map {
                ($0 * sectorBytes..<($0 + 1) * sectorBytes).clamped(to: last)
            }
        }
    }

    private static func tornStore(in directory: String, commits: Int, padding: Int) async throws -> Torn {
        let original = directory + "/original"
        let store = try RocksMetadataStore.open(directory: original)
        for number in 1..<commits { _ = try await StoreHistory.commit(store, writer: 0, number: number) }
        let before = try #require(try RawFiles.readCrashState(original))
        _ = try await StoreHistory.commit(store, writer: 0, number: commits, padding: padding)
        let files = try #require(try RawFiles.readCrashState(original))
        await store.close()
        let log = try #require(RawFiles.logs(in: files).last)
        let (start, whole) = (try #require(before[log]).count, try #require(files[log]))
        return Torn(files: files, log: log, whole: whole, last: start..<whole.count)
    }

    @Test(
        "whichever of its sectors the last commit lost, the store opens without it and goes on",
        arguments: [3_000, 100_000])
    func lostSectors(padding: Int) async throws {
        try await withTemporaryDirectory { directory in
            let torn = try await Self.tornStore(in: directory, commits: 12, padding: padding)
            let sectors = torn.sectors
            let step = max(1, sectors.count / 12)
            var losses: [[Range<Int>]] = stride(from: 0, to: sectors.count, by: step).map { [sectors[$0]] }
            losses += [sectors, Array(sectors.dropFirst()), Array(sectors.dropLast())]
            for (index, lost) in losses.enumerated() {
                let copy = directory + "/torn-\(index)"
                try RawFiles.writeAll(torn.losing(lost), to: copy)
                let reader = try RocksMetadataStore.openReadOnly(directory: copy)
                #expect(try await StoreHistory.check(reader) == 11)
                await reader.close()
                let store = try RocksMetadataStore.open(directory: copy)
                #expect(try await StoreHistory.check(store) == 11)
                #expect(try await StoreHistory.commit(store, writer: 1, number: 0) == Version(12))
                await store.close()
                let again = try RocksMetadataStore.open(directory: copy)
                #expect(try await StoreHistory.check(again) == 12)
                await again.close()
            }
        }
    }

    @Test("a lost sector with a record behind it is damage: what was behind it proves that it was synced")
    func lostBeforeTheLast() async throws {
        try await withTemporaryDirectory { directory in
            var torn = try await Self.tornStore(in: directory, commits: 12, padding: 3_000)
            let sector = torn.sectors[2]
            // The same log with one more commit behind the torn one: its record is taken over from the log's beginning.
            let first = Int(torn.whole[4]) | Int(torn.whole[5]) << 8
            torn.whole += torn.whole[0..<7 + first]
            try RawFiles.writeAll(torn.losing([sector]), to: directory + "/damaged")
            let found = try await failure { _ = try RocksMetadataStore.open(directory: directory + "/damaged") }
            #expect(found.code == .damaged, "\(found)")
        }
    }

    @Test("flipped bits in the last commit are damage: no sector of it is missing")
    func flippedBits() async throws {
        try await withTemporaryDirectory { directory in
            let torn = try await Self.tornStore(in: directory, commits: 12, padding: 3_000)
            for position in stride(from: torn.last.lowerBound + 7, to: torn.last.upperBound, by: 431) {
                var files = torn.files
                files[torn.log]?[position] ^= 0x10
                let copy = directory + "/flipped-\(position)"
                try RawFiles.writeAll(files, to: copy)
                let found = try await failure { _ = try RocksMetadataStore.open(directory: copy) }
                #expect(found.code == .damaged, "\(found)")
            }
        }
    }

    @Test("a whole log has no bad place, and one that is cut short neither")
    func wholeLog() async throws {
        try await withTemporaryDirectory { directory in
            let torn = try await Self.tornStore(in: directory, commits: 5, padding: 100_000)
            #expect(LogTail.firstBad(torn.whole) == nil)
            #expect(LogTail.firstBad(Array(torn.whole.dropLast(1_000))) == nil)
            #expect(LogTail.firstBad([]) == nil)
            #expect(LogTail.firstBad(torn.whole + [UInt8](repeating: 0, count: 70_000)) == nil)
        }
    }
}
