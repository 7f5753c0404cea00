import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import MetadataRocks

@Suite("The mark of what was synced")
struct SyncedMarkTests {
    /// A store of some commits, closed, and its last log.
    private static func closedStore(_ directory: String, commits: Int) async throws -> (log: String, bytes: [UInt8]) {
        let store = try RocksMetadataStore.open(directory: directory)
        for number in 0..<commits { _ = try await StoreHistory.commit(store, writer: 0, number: number) }
        await store.close()
        let files = try RawFiles.readAll(directory)
        let log = try #require(RawFiles.logs(in: files).last)
        return (log, try #require(files[log]))
    }

    @Test("damage at the end of the log is not taken for a crash, is refused each time, and the logs are kept")
    func lostTail() async throws {
        try await withTemporaryDirectory { directory in
            let (log, bytes) = try await Self.closedStore(directory + "/s", commits: 20)
            try #require(bytes.count < 32_768, "all in the log's last block")
            let damages: [(String, [UInt8])] = [
                ("cut", Array(bytes.prefix(bytes.count / 2))), ("empty", []),
                ("zeroed", [UInt8](repeating: 0, count: bytes.count)), ("last byte gone", bytes.dropLast(1)),
            ]
            let mark = try RawFiles.read(directory + "/s/" + SyncedMark.fileName)
            for (what, damaged) in damages {
                var files = try RawFiles.readAll(directory + "/s")
                files[log] = damaged
                files[SyncedMark.fileName] = mark
                let copy = directory + "/" + what
                try RawFiles.writeAll(files, to: copy)
                for attempt in 0..<2 {
                    let reading = try await failure { _ = try RocksMetadataStore.openReadOnly(directory: copy) }
                    #expect(reading.code == .damaged, "\(what), attempt \(attempt): \(reading)")
                    let found = try await failure { _ = try RocksMetadataStore.open(directory: copy) }
                    #expect(found.code == .damaged, "\(what), attempt \(attempt): \(found)")
                }
                #expect(try RawFiles.read(copy + "/\(StoreFiles.keptLogs)/\(log)") == damaged, "\(what)")

                var salvaging = RocksOptions()
                salvaging.recovery = .keepIntactPrefix
                let store = try RocksMetadataStore.open(directory: copy, options: salvaging)
                #expect(try await StoreHistory.check(store) < 20, "\(what)")
                await store.close()
                await (try RocksMetadataStore.open(directory: copy)).close()
            }
        }
    }

    @Test("any flipped bit in a log is detected", arguments: 0..<8)
    func flippedBits(bit: Int) async throws {
        try await withTemporaryDirectory { directory in
            let (log, bytes) = try await Self.closedStore(directory + "/s", commits: 6)
            let mark = try RawFiles.read(directory + "/s/" + SyncedMark.fileName)
            var files = try RawFiles.readAll(directory + "/s")
            files[SyncedMark.fileName] = mark
            for position in stride(from: 0, to: bytes.count, by: 5) {
                files[log] = bytes
                files[log]?[position] ^= 1 << bit
                let copy = directory + "/\(position)"
                try RawFiles.writeAll(files, to: copy)
                let found = try await failure { _ = try RocksMetadataStore.openReadOnly(directory: copy) }
                #expect(found.code == .damaged, "byte \(position): \(found)")
            }
        }
    }

    @Test("a mark with one damaged slot still counts, one with two is damage, none is none")
    func slots() async throws {
        try await withTemporaryDirectory { directory in
            #expect(try SyncedMark.read(in: directory) == nil)
            try SyncedMark.replace(with: 6, in: directory)
            #expect(try SyncedMark.read(in: directory) == 6)
            #expect(try directoryEntries(directory) == [SyncedMark.fileName])
            for (turn, version) in [7, 8, 9].enumerated() {
                try SyncedMark.write(UInt64(version), turn: turn, in: directory)
                #expect(try SyncedMark.read(in: directory) == UInt64(version))
            }
            let path = directory + "/" + SyncedMark.fileName
            let bytes = try RawFiles.read(path)
            for position in 0..<60 {
                var damaged = bytes
                damaged[position] ^= 4
                try RawFiles.write(damaged, to: path)
                let found = try SyncedMark.read(in: directory)
                #expect(found == 8 || found == 9, "byte \(position)")
            }
            try RawFiles.write([UInt8](repeating: 0, count: bytes.count), to: path)
            #expect(try await failure { _ = try SyncedMark.read(in: directory) }.code == .damaged)
            try SyncedMark.write(3, turn: 0, in: directory)
            #expect(try SyncedMark.read(in: directory) == 3)
            try SyncedMark.require(nil, of: 0, in: directory)
            try SyncedMark.require(3, of: 3, in: directory)
            #expect(try await failure { try SyncedMark.require(3, of: 2, in: directory) }.code == .damaged)
        }
    }
}
