import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import MetadataRocks

@Suite("Crash of a RocksDB store")
struct CrashTests {
    /// A store's files after some commits, all in one log, as a crash would leave them.
    private static func filesOfOneLog(
        in directory: String, commits: Int, padding: Int = 40
    ) async throws -> [String: [UInt8]] {
        let store = try RocksMetadataStore.open(directory: directory + "/original")
        for number in 0..<commits {
            _ = try await StoreHistory.commit(store, writer: 0, number: number, padding: padding)
        }
        let files = try #require(try RawFiles.readCrashState(directory + "/original"))
        await store.close()
        return files
    }

    @Test("wherever the log is cut, the store holds a prefix of whole commits, and goes on from there")
    func cutLog() async throws {
        try await withTemporaryDirectory { directory in
            let files = try await Self.filesOfOneLog(in: directory, commits: 12)
            let log = try #require(RawFiles.logs(in: files).last)
            let bytes = try #require(files[log])
            var previous = 0
            for length in Array(stride(from: 0, to: bytes.count, by: 7)) + [bytes.count] {
                var cut = files
                cut[log] = Array(bytes.prefix(length))
                let copy = directory + "/cut-\(length)"
                try RawFiles.writeAll(cut, to: copy)
                let reader = try RocksMetadataStore.openReadOnly(directory: copy)
                let found = try await StoreHistory.check(reader)
                await reader.close()
                #expect(found >= previous, "fewer commits in a longer log")
                previous = found
                // Opening for writing takes many times as long.
                guard length % 70 == 0 || length == bytes.count else { continue }
                let store = try RocksMetadataStore.open(directory: copy)
                #expect(try await StoreHistory.check(store) == found)
                #expect(try await StoreHistory.commit(store, writer: 1, number: 0) == Version(UInt64(found + 1)))
                #expect(try await StoreHistory.check(store) == found + 1)
                await store.close()
            }
            #expect(previous == 12)
        }
    }

    @Test("damage inside of the log is reported, never taken for its end")
    func damagedLog() async throws {
        try await withTemporaryDirectory { directory in
            let files = try await Self.filesOfOneLog(in: directory, commits: 200, padding: 1_000)
            let log = try #require(RawFiles.logs(in: files).last)
            let bytes = try #require(files[log])
            try #require(bytes.count > 3 * 32_768)
            // Positions in the log's earlier blocks: in the last one (32 KiB) a wrong length looks like a torn record.
            for position in stride(from: 50, to: bytes.count - 2 * 32_768, by: 9_973) {
                var damaged = files
                damaged[log]?[position] ^= 0x40
                let copy = directory + "/damaged-\(position)"
                try RawFiles.writeAll(damaged, to: copy)
                let found = try await failure { _ = try RocksMetadataStore.open(directory: copy) }
                #expect(found.code == .damaged, "\(found)")

                var salvaging = RocksOptions()
                salvaging.recovery = .keepIntactPrefix
                let store = try RocksMetadataStore.open(directory: copy, options: salvaging)
                #expect(try await StoreHistory.check(store) < 200)
                await store.close()
            }
        }
    }

    @Test("an older log that is missing or short is reported, never skipped", arguments: [0, 1, 50])
    func lostLog(percentKept: Int) async throws {
        try await withTemporaryDirectory { directory in
            var options = RocksOptions()
            options.writeBufferBytes = 64 << 10
            options.writeBuffers = 4
            options.writeBuffersPerFlush = 3
            let original = directory + "/original"
            let store = try RocksMetadataStore.open(directory: original, options: options)
            var files: [String: [UInt8]] = [:]
            for number in 0..<2_000 where RawFiles.logs(in: files).count < 2 {
                _ = try await StoreHistory.commit(store, writer: 0, number: number, padding: 1_000)
                if number % 10 == 0 { files = try RawFiles.readCrashState(original) ?? [:] }
            }
            await store.close()
            let logs = RawFiles.logs(in: files)
            try #require(logs.count >= 2)

            try RawFiles.writeAll(files, to: directory + "/whole")
            let whole = try RocksMetadataStore.open(directory: directory + "/whole", options: options)
            #expect(try await StoreHistory.check(whole) > 0)
            await whole.close()

            let bytes = try #require(files[logs[0]])
            files[logs[0]] = percentKept == 0 ? nil : Array(bytes.prefix(bytes.count * percentKept / 100))
            try RawFiles.writeAll(files, to: directory + "/lost")
            let found = try await failure {
                _ = try RocksMetadataStore.open(directory: directory + "/lost", options: options)
            }
            #expect(found.code == .damaged, "\(found)")
        }
    }

    @Test("a copy taken while many write holds all that was acknowledged before it", arguments: [32 << 20, 128 << 10])
    func copyUnderLoad(writeBufferBytes: Int) async throws {
        try await withTemporaryDirectory { directory in
            var options = RocksOptions()
            options.writeBufferBytes = writeBufferBytes
            let original = directory + "/original"
            let store = try RocksMetadataStore.open(directory: original, options: options)
            let acknowledged = Locked(0)
            let isDone = Locked(false)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<6 {
                    group.addTask {
                        for number in 0..<100_000 where !isDone.withLock({ $0 }) {
                            _ = try await StoreHistory.commit(store, writer: writer, number: number)
                            acknowledged.withLock { $0 += 1 }
                        }
                    }
                }
                group.addTask { [options] in
                    defer { isDone.withLock { $0 = true } }
                    var copies = 0
                    var last = 0
                    while copies < 8 {
                        let before = acknowledged.withLock { $0 }
                        guard before >= last + 20, let files = try RawFiles.readCrashState(original) else {
                            await Task.yield()
                            continue
                        }
                        copies += 1
                        let copy = directory + "/copy-\(copies)"
                        try RawFiles.writeAll(files, to: copy)
                        let reopened = try RocksMetadataStore.open(directory: copy, options: options)
                        let found = try await StoreHistory.check(reopened)
                        #expect(found >= before, "acknowledged commits are missing")
                        await reopened.close()
                        last = before
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await StoreHistory.check(store) == acknowledged.withLock { $0 })
            await store.close()
        }
    }

    @Test("versions that power loss took back under relaxed durability are not given out again")
    func relaxedVersions() async throws {
        try await withTemporaryDirectory { directory in
            var options = RocksOptions()
            options.durability = .relaxed
            let store = try RocksMetadataStore.open(directory: directory + "/original", options: options)
            // The first commit is synced, because it reserves version numbers.
            _ = try await StoreHistory.commit(store, writer: 0, number: 0)
            #expect(store.statistics().syncs == 1)
            let kept = try #require(try RawFiles.readCrashState(directory + "/original"))
            var last = Version(0)
            for number in 1..<20 {
                last = try #require(try await StoreHistory.commit(store, writer: 0, number: number))
            }
            #expect(store.statistics().syncs == 1)
            await store.close()

            try RawFiles.writeAll(kept, to: directory + "/after")
            for durability in [RocksOptions.Durability.synced, .relaxed, .synced] {
                options.durability = durability
                let reopened = try RocksMetadataStore.open(directory: directory + "/after", options: options)
                let next = try #require(try await reopened.put("next"))
                #expect(next > last)
                last = next
                await reopened.close()
            }
        }
    }
}
