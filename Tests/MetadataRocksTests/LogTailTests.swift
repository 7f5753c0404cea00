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
        /// The same log with one more commit in it.
        var longer: [UInt8]
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
        _ = try await StoreHistory.commit(store, writer: 0, number: commits + 1)
        let after = try #require(try RawFiles.readCrashState(original))
        await store.close()
        let log = try #require(RawFiles.logs(in: files).last)
        let (start, whole) = (try #require(before[log]).count, try #require(files[log]))
        return Torn(
            files: files, log: log, whole: whole, longer: try #require(after[log]), last: start..<whole.count)
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
            torn.whole = torn.longer
            try RawFiles.writeAll(torn.losing([sector]), to: directory + "/damaged")
            let found = try await failure { _ = try RocksMetadataStore.open(directory: directory + "/damaged") }
            #expect(found.code == .damaged, "\(found)")
        }
    }

    @Test("what looks like a record inside a torn commit, because a client has stored one, proves nothing")
    func recordsWithinABody() async throws {
        try await withTemporaryDirectory { directory in
            var torn = try await Self.tornStore(in: directory, commits: 12, padding: 3_000)
            let sectors = torn.sectors
            // An older record of this very log, where the commit's bytes were.
            let first = Int(torn.whole[4]) | Int(torn.whole[5]) << 8
            let place = sectors[3].lowerBound
            torn.whole.replaceSubrange(place..<place + 7 + first, with: torn.whole[0..<7 + first])
            try RawFiles.writeAll(torn.losing([sectors[1]]), to: directory + "/torn")
            let store = try RocksMetadataStore.open(directory: directory + "/torn")
            #expect(try await StoreHistory.check(store) == 11)
            await store.close()
        }
    }

    @Test("a torn log with a later one behind it is damage: what is in the later one was acknowledged")
    func laterLog() async throws {
        try await withTemporaryDirectory { directory in
            let torn = try await Self.tornStore(in: directory, commits: 12, padding: 3_000)
            var files = torn.losing([torn.sectors[2]])
            let number = try #require(Int(torn.log.dropLast(4)))
            let later = String(repeating: "0", count: max(0, 6 - "\(number + 1)".count)) + "\(number + 1).log"
            try RawFiles.writeAll(files, to: directory + "/one")
            #expect(try LogTail.isTorn(in: directory + "/one"))
            files[later] = []
            try RawFiles.writeAll(files, to: directory + "/empty")
            #expect(try LogTail.isTorn(in: directory + "/empty"))
            files[later] = Array(torn.whole.prefix(100))
            try RawFiles.writeAll(files, to: directory + "/two")
            #expect(try !LogTail.isTorn(in: directory + "/two"))
        }
    }

    @Test("with relaxed durability a log with a hole opens up to it: power loss makes such holes")
    func relaxedHole() async throws {
        try await withTemporaryDirectory { directory in
            var torn = try await Self.tornStore(in: directory, commits: 12, padding: 3_000)
            torn.whole = torn.longer
            var files = torn.losing([torn.sectors[2]])
            files[SyncedMark.fileName] = nil
            try RawFiles.writeAll(files, to: directory + "/hole")
            var options = RocksOptions()
            options.durability = .relaxed
            let store = try RocksMetadataStore.open(directory: directory + "/hole", options: options)
            #expect(try await StoreHistory.check(store) == 11)
            await store.close()
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
