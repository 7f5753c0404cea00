import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import MetadataRocks

@Suite("Opening a RocksDB store")
struct StoreTests {
    @Test("a read-only store sees what was committed, beside the writing one, and refuses transactions")
    func readOnly() async throws {
        try await withTemporaryDirectory { directory in
            let store = try RocksMetadataStore.open(directory: directory)
            for number in 0..<10 { _ = try await StoreHistory.commit(store, writer: 0, number: number) }
            let beside = try RocksMetadataStore.openReadOnly(directory: directory)
            #expect(try await StoreHistory.check(beside) == 10)
            let refused = try await failure { try await beside.put("x") }
            #expect(refused.code == .unavailable)
            await beside.close()
            _ = try await StoreHistory.commit(store, writer: 0, number: 10)
            await store.close()

            let names = try directoryEntries(directory).sorted()
            let after = try RocksMetadataStore.openReadOnly(directory: directory)
            #expect(try await StoreHistory.check(after) == 11)
            await after.close()
            #expect(try directoryEntries(directory).sorted() == names, "the directory has changed")
        }
    }

    @Test("a store that is open cannot be opened for writing once more")
    func exclusive() async throws {
        try await withTemporaryDirectory { directory in
            let store = try RocksMetadataStore.open(directory: directory)
            let refused = try await failure { _ = try RocksMetadataStore.open(directory: directory) }
            #expect(refused.code == .internal)
            #expect(refused.cause?.contains("lock") == true)
            try await store.put("a")
            await store.close()
        }
    }

    @Test("a directory without a store, or with something else in it, is not taken for one")
    func foreignDirectories() async throws {
        try await withTemporaryDirectory { directory in
            let absent = try await failure { _ = try RocksMetadataStore.openReadOnly(directory: directory + "/none") }
            #expect(absent.code == .internal)
            let noParent = try await failure { _ = try RocksMetadataStore.open(directory: directory + "/none/below") }
            #expect(noParent.code == .internal)

            let closed = Signal()
            do {
                let database = try RocksDatabase.open(
                    directory: directory + "/foreign", options: RocksOptions(), isReadOnly: false, closed: closed)
                let batch = WriteBatch()
                batch.put([5], [5])
                try database.write(batch, isSynced: true)
            }
            await closed.wait()
            let foreign = try await failure { _ = try RocksMetadataStore.open(directory: directory + "/foreign") }
            #expect(foreign.code == .damaged)
        }
    }

    @Test(
        "a format of a later release is refused, a lost version counter is damage",
        arguments: [
            (ReservedKeys.format, [2], StorageFailure.Code.unavailable), (ReservedKeys.version, [1, 2], .damaged),
        ])
    func headers(key: [UInt8], value: [UInt8], expected: StorageFailure.Code) async throws {
        try await withTemporaryDirectory { directory in
            await (try RocksMetadataStore.open(directory: directory)).close()
            let closed = Signal()
            do {
                let database = try RocksDatabase.open(
                    directory: directory, options: RocksOptions(), isReadOnly: false, closed: closed)
                let batch = WriteBatch()
                batch.put(key, value)
                try database.write(batch, isSynced: true)
            }
            await closed.wait()
            let refused = try await failure { _ = try RocksMetadataStore.open(directory: directory) }
            #expect(refused.code == expected)
        }
    }

    @Test("a damaged table file is reported by the read that meets it, and never read as absence")
    func damagedTable() async throws {
        try await withTemporaryDirectory { directory in
            let original = directory + "/original"
            let store = try RocksMetadataStore.open(directory: original)
            _ = try await store.transact { (transaction) throws(StorageFailure) in
                var numbers = SeededNumbers(seed: 1)
                for name in 0..<UInt8(100) {
                    let noise = (0..<2_000).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
                    transaction.set([100, name], noise)
                }
            }
            try await store.checkpoint(to: directory + "/copy")
            await store.close()
            var files = try RawFiles.readAll(directory + "/copy")
            let table = try #require(files.keys.first { $0.hasSuffix(".sst") })
            // A data block in the middle: filters and indexes come last, the store's own keys first.
            files[table]?[100_000] ^= 0xFF
            try RawFiles.writeAll(files, to: directory + "/damaged")
            let damaged = try RocksMetadataStore.open(directory: directory + "/damaged")
            let found = try await failure {
                _ = try await damaged.read(.scan) { (reader) throws(StorageFailure) in
                    try StoreHistory.entries(reader, KeyRange(prefix: [100]))
                }
            }
            #expect(found.code == .damaged, "\(found)")
            var failures: [UInt8] = []
            for name in 0..<UInt8(100) {
                do throws(StorageFailure) {
                    let value = try await damaged.read(.point) { (reader) throws(StorageFailure) in
                        try reader.get([100, name])
                    }
                    #expect(value?.count == 2_000)
                } catch {
                    #expect(error.code == .damaged)
                    failures.append(name)
                }
            }
            #expect((1...10).contains(failures.count), "\(failures)")
            await damaged.close()
        }
    }

    @Test("the store's own keys are neither seen nor deleted through ranges")
    func reservedKeys() async throws {
        try await withTemporaryDirectory { directory in
            let store = try RocksMetadataStore.open(directory: directory)
            try await store.put("a")
            let all = KeyRange(from: [], to: [0xFF])
            _ = try await store.transact { (transaction) throws(StorageFailure) in
                #expect(try StoreHistory.entries(transaction, all).map(\.key) == [[97]])
                #expect(try transaction.cursor(in: all).seekBackward([0, 200]) == nil)
                transaction.delete(all)
            }
            await store.close()
            let reopened = try RocksMetadataStore.open(directory: directory)
            #expect(try await reopened.put("b") == Version(3))
            #expect(try await reopened.value("a") == nil)
            await reopened.close()
        }
    }

    @Test("keys and values beyond the seam's limits are refused")
    func limits() async throws {
        try await withTemporaryDirectory { directory in
            let store = try RocksMetadataStore.open(directory: directory)
            let longKey = try await failure {
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.set([UInt8](repeating: 1, count: 4_097), [])
                }
            }
            #expect(longKey.code == .internal)
            let largeValue = try await failure {
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.set([1], [UInt8](repeating: 1, count: 8 << 20 + 1))
                }
            }
            #expect(largeValue.code == .internal)
            await store.close()
        }
    }

    @Test(
        "RocksDB's messages become codes",
        arguments: [
            ("Corruption: block checksum mismatch", StorageFailure.Code.damaged),
            ("IO error: No space left on device: While appending to file: /x: No space left on device", .outOfSpace),
            ("IO error: While fsync: /x: Disk quota exceeded", .outOfSpace),
            ("IO error: While pread: /x: Input/output error", .internal),
            ("Result incomplete: ", .wouldBlock),
            ("Shutdown in progress: ", .unavailable),
            ("Not implemented: ", .internal),
        ])
    func messages(text: String, code: StorageFailure.Code) {
        let failure = RocksFailure.translate(text, during: "test")
        #expect(failure.code == code)
        #expect(failure.cause == "RocksDB test: \(text)")
        #expect(failure.detail == nil)
    }
}
