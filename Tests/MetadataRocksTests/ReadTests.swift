import Dispatch
import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import MetadataRocks

@Suite("Reads of a RocksDB store")
struct ReadTests {
    /// A store whose entries lie in files and not in memory.
    private static func openCold(_ directory: String, entries: Int = 3_000) async throws -> RocksMetadataStore {
        let store = try RocksMetadataStore.open(directory: directory)
        _ = try await store.transact { (transaction) throws(StorageFailure) in
            for number in 0..<entries {
                transaction.set(StoreHistory.bytes("k\(10_000 + number)"), [UInt8](repeating: 5, count: 100))
            }
        }
        // A checkpoint writes everything to files first.
        try await store.checkpoint(to: directory + "-copy")
        await store.close()
        return try RocksMetadataStore.open(directory: directory)
    }

    @Test("a point read that memory cannot answer runs again on a thread that may wait, and only then")
    func coldPointRead() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await Self.openCold(directory + "/store")
            for expectedRuns in [2, 1] {
                let runs = Locked(0)
                let value = try await store.read(.point) { (reader) throws(StorageFailure) in
                    runs.withLock { $0 += 1 }
                    return try reader.get(StoreHistory.bytes("k11500"))
                }
                #expect(value == [UInt8](repeating: 5, count: 100))
                #expect(runs.withLock { $0 } == expectedRuns)
            }
            #expect(store.statistics().memoryMisses == 1)
            await store.close()
        }
    }

    @Test("a body that swallows the miss is run again all the same, also behind a cursor or in a transaction")
    func swallowedMiss() async throws {
        try await withTemporaryDirectory { directory in
            let name = StoreHistory.bytes("k11500")
            var store = try await Self.openCold(directory + "/a")
            let value = try await store.read(.point) { reader in (try? reader.get(name)) ?? nil }
            #expect(value?.count == 100)
            await store.close()

            store = try await Self.openCold(directory + "/b")
            let entry = try await store.read(.point) { reader -> MetadataEntry? in
                (try? reader.cursor(in: KeyRange(prefix: name)).next()) ?? nil
            }
            #expect(entry?.key == name)
            await store.close()

            store = try await Self.openCold(directory + "/c")
            let committed = try await store.transact { transaction in
                let old = (try? transaction.get(name)) ?? nil
                transaction.set(name, (old ?? []) + [6])
            }
            #expect(committed.version != nil)
            #expect(store.statistics().memoryMisses == 1)
            #expect(try await store.value("k11500") == [UInt8](repeating: 5, count: 100) + [6])
            await store.close()
        }
    }

    @Test("cold scans, counters and range deletes")
    func coldWrites() async throws {
        try await withTemporaryDirectory { directory in
            let store = try await Self.openCold(directory + "/store")
            _ = try await store.transact { (transaction) throws(StorageFailure) in
                transaction.add(StoreHistory.bytes("k10000"), 0)
                transaction.delete(KeyRange(from: StoreHistory.bytes("k10001"), to: StoreHistory.bytes("k10011")))
                transaction.delete(KeyRange(from: StoreHistory.bytes("k10100"), to: StoreHistory.bytes("k12000")))
            }
            let count = try await store.read(.scan) { (reader) throws(StorageFailure) in
                try StoreHistory.entries(reader, KeyRange(prefix: StoreHistory.bytes("k"))).count
            }
            // 0 added to what is no counter is a sum of 0, which removes the key.
            #expect(count == 3_000 - 1 - 10 - 1_900)
            #expect(store.statistics().memoryMisses == 0)
            await store.close()
        }
    }

    @Test("too many reads that wait for the disk are refused with busy")
    func fullReadQueue() async throws {
        try await withTemporaryDirectory { directory in
            var options = RocksOptions()
            options.readerThreads = 1
            options.readQueue = 1
            let store = try RocksMetadataStore.open(directory: directory, options: options)
            let arrived = Signal()
            let gate = DispatchSemaphore(value: 0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await store.read(.scan) { _ in
                        arrived.fire()
                        gate.wait()
                    }
                }
                await arrived.wait()
                // Of two more, one finds the only place in the queue and the other one none.
                let outcomes = Locked<[StorageFailure.Code]>([])
                let refused = Signal()
                for _ in 0..<2 {
                    group.addTask {
                        do { try await store.read(.scan) { _ in } } catch let failure as StorageFailure {
                            outcomes.withLock { $0.append(failure.code) }
                            refused.fire()
                        }
                    }
                }
                await refused.wait()
                #expect(try await store.value("a") == nil, "reads from memory go on")
                gate.signal()
                try await group.waitForAll()
                #expect(outcomes.withLock { $0 } == [.busy(retryAfterSeconds: 1)])
            }
            await store.close()
        }
    }

    @Test("a store can be opened again as soon as close returns, whatever was being read")
    func closeReleasesEverything() async throws {
        try await withTemporaryDirectory { directory in
            for round in 0..<15 {
                let store = try RocksMetadataStore.open(directory: directory)
                try await store.put("round", "\(round)")
                await withTaskGroup(of: Void.self) { group in
                    for reader in 0..<6 {
                        group.addTask {
                            let access = reader % 2 == 0 ? ReadAccess.point : .scan
                            // Refused once the store closes; until then every answer is the round's.
                            while let value = try? await store.read(access, Self.firstValue) {
                                #expect(value == StoreHistory.bytes("\(round)"))
                                // A read from memory does not suspend, and there are more readers than threads.
                                await Task.yield()
                            }
                        }
                    }
                    group.addTask {
                        for _ in 0..<5 { await Task.yield() }
                        await store.close()
                    }
                }
            }
        }
    }

    @Sendable private static func firstValue(_ reader: any MetadataReader) throws(StorageFailure) -> [UInt8]? {
        try reader.cursor(in: KeyRange(prefix: StoreHistory.bytes("r"))).next()?.value
    }
}
