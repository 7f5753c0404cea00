import Dispatch
import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import MetadataRocks

/// Stands between the committer and RocksDB: holds writes back or lets them fail.
final class WriteGate: Sendable {
    enum Fault: Sendable {
        case none, beforeWriting, afterWriting
    }

    private let fault = Locked(Fault.none)
    private let isHolding = Locked(false)
    private let held = Locked(false)
    private let gate = DispatchSemaphore(value: 0)

    /// Whether the committer stands at the gate with a batch.
    var holdsOne: Bool { held.withLock { $0 } }

    var write: CommitLoop.Write {
        { [self] (database, batch, isSynced) throws(StorageFailure) in
            if isHolding.withLock({ $0 }) {
                held.withLock { $0 = true }
                gate.wait()
                held.withLock { $0 = false }
            }
            let fault = fault.withLock { $0 }
            if fault == .beforeWriting {
                throw RocksFailure.translate("IO error: No space left on device", during: "test")
            }
            try database.write(batch, isSynced: isSynced)
            if fault == .afterWriting {
                throw RocksFailure.translate("IO error: While fsync: Input/output error", during: "test")
            }
        }
    }

    func fail(_ moment: Fault) { fault.withLock { $0 = moment } }
    func hold() { isHolding.withLock { $0 = true } }
    func release() {
        isHolding.withLock { $0 = false }
        gate.signal()
    }

    func open(
        _ directory: String, _ options: RocksOptions = RocksOptions(), freeSpace: FreeSpace = FreeSpace { nil },
        probe: DiskProbe = DiskProbe { () throws(StorageFailure) in }, health: HealthLog = HealthLog()
    ) throws(StorageFailure) -> RocksMetadataStore {
        try RocksMetadataStore.open(
            directory: directory, options: options, freeSpace: freeSpace, probe: probe,
            onHealthChange: { health.append($0) }, write: write)
    }
}

@Suite("Commits of a RocksDB store")
struct CommitTests {
    /// Starts `count` transactions while the committer is held, waits until they are queued, and lets go.
    private static func commitTogether(
        _ count: Int, _ gate: WriteGate, _ store: RocksMetadataStore,
        _ transact: @escaping @Sendable (Int) async throws -> Void = { _ in }
    ) async throws {
        gate.hold()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await store.put("first") }
            // The committer has taken the first one when the queue is empty and a batch is under way.
            while !gate.holdsOne { await Task.yield() }
            for number in 0..<count { group.addTask { try await transact(number) } }
            while store.statistics().waitingCommits < count { await Task.yield() }
            gate.release()
            try await group.waitForAll()
        }
    }

    @Test("transactions that wait together share one synced write")
    func groupCommit() async throws {
        try await withTemporaryDirectory { directory in
            let gate = WriteGate()
            let store = try gate.open(directory)
            try await Self.commitTogether(300, gate, store) { try await store.put("k\($0)") }
            let statistics = store.statistics()
            #expect(statistics.commits == 301)
            #expect(statistics.batches == 2)
            #expect(statistics.syncs == 2)
            #expect(statistics.conflicts == 0)
            await store.close()
        }
    }

    @Test("a batch is bounded in transactions and in bytes")
    func boundedBatches() async throws {
        try await withTemporaryDirectory { directory in
            for (transactions, bytes, expected) in [(10, 1 << 20, 1 + 5), (1_000, 1_000, 1 + 5), (1_000, 1, 1 + 50)] {
                let gate = WriteGate()
                var options = RocksOptions()
                options.batchTransactions = transactions
                options.batchBytes = bytes
                let store = try gate.open(directory + "/\(transactions)-\(bytes)", options)
                try await Self.commitTogether(50, gate, store) { number in
                    try await store.put("key-\(100 + number)", String(repeating: "v", count: 93))
                }
                #expect(store.statistics().batches == expected)
                await store.close()
            }
        }
    }

    @Test("of transactions in one batch that rely on the same key, one commits and the others run again")
    func conflictsWithinBatch() async throws {
        try await withTemporaryDirectory { directory in
            let gate = WriteGate()
            let store = try gate.open(directory)
            try await Self.commitTogether(10, gate, store) { number in
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    let old = CounterValue.decode(try transaction.get([9]))
                    transaction.set([9], CounterValue.encode(old + 1))
                }
            }
            let sum = try await store.read(.point) { (reader) throws(StorageFailure) in
                CounterValue.decode(try reader.get([9]))
            }
            #expect(sum == 10)
            #expect(store.statistics().conflicts >= 9)
            await store.close()
        }
    }

    @Test("within a batch a transaction builds on what earlier ones wrote and deleted", arguments: [5, 200])
    func laterInBatch(deleted: Int) async throws {
        try await withTemporaryDirectory { directory in
            let gate = WriteGate()
            let store = try gate.open(directory)
            for number in 0..<deleted { try await store.put("r/\(100 + number)", "xxxxxxxx") }
            let steps: [@Sendable (any MetadataTransaction) -> Void] = [
                { $0.add(StoreHistory.bytes("r/000"), 5) },
                { $0.add(StoreHistory.bytes("sum"), 5) },
                { $0.delete(KeyRange(prefix: StoreHistory.bytes("r/"))) },
                { $0.add(StoreHistory.bytes("r/101"), 4) },
                { $0.add(StoreHistory.bytes("sum"), 6) },
            ]
            gate.hold()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await store.put("first") }
                while !gate.holdsOne { await Task.yield() }
                for (index, step) in steps.enumerated() {
                    group.addTask {
                        _ = try await store.transact { (transaction) throws(StorageFailure) in step(transaction) }
                    }
                    while store.statistics().waitingCommits <= index { await Task.yield() }
                }
                gate.release()
                try await group.waitForAll()
            }
            #expect(store.statistics().batches == deleted + 2)
            let entries = try await store.read(.scan) { (reader) throws(StorageFailure) in
                try StoreHistory.entries(reader, KeyRange(from: StoreHistory.bytes("r"), to: StoreHistory.bytes("t")))
            }
            #expect(
                entries == [
                    MetadataEntry(key: StoreHistory.bytes("r/101"), value: CounterValue.encode(4)),
                    MetadataEntry(key: StoreHistory.bytes("sum"), value: CounterValue.encode(11)),
                ])
            await store.close()
        }
    }

    @Test("a full queue refuses with busy and disturbs nobody")
    func fullQueue() async throws {
        try await withTemporaryDirectory { directory in
            let gate = WriteGate()
            var options = RocksOptions()
            options.commitQueue = 5
            let store = try gate.open(directory, options)
            try await store.put("first")
            gate.hold()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await store.put("held") }
                while !gate.holdsOne { await Task.yield() }
                for number in 0..<5 { group.addTask { try await store.put("queued\(number)") } }
                while store.statistics().waitingCommits < 5 { await Task.yield() }
                let refused = try await failure { try await store.put("refused") }
                #expect(refused.code == .busy(retryAfterSeconds: 1))
                #expect(try await store.value("first") == [], "reads go on")
                gate.release()
                try await group.waitForAll()
            }
            #expect(try await store.value("refused") == nil)
            #expect(try await store.value("queued4") == [])
            await store.close()
        }
    }

    @Test("without space commits are refused before anything is written, deletions get through for longer")
    func outOfSpace() async throws {
        try await withTemporaryDirectory { directory in
            let free = Locked<Int64>(1_000)
            var options = RocksOptions()
            options.freeSpaceReserveBytes = 100
            let store = try WriteGate().open(directory, options, freeSpace: FreeSpace { free.withLock { $0 } })
            try await store.put("a")
            try await store.put("b")
            free.withLock { $0 = 99 }
            let refused = try await failure { try await store.put("c") }
            #expect(refused.code == .outOfSpace)
            _ = try await store.transact { (transaction) throws(StorageFailure) in transaction.delete(Array("a".utf8)) }
            free.withLock { $0 = 49 }
            let refusedToo = try await failure {
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.delete(Array("b".utf8))
                }
            }
            #expect(refusedToo.code == .outOfSpace)
            free.withLock { $0 = 100 }
            try await store.put("c")
            #expect(try await store.value("a") == nil)
            #expect(try await store.value("b") == [])
            #expect(!store.statistics().refusesWrites)
            await store.close()
        }
    }

    @Test("a transaction older than the remembered commits runs again")
    func forgottenCommits() async throws {
        try await withTemporaryDirectory { directory in
            var options = RocksOptions()
            options.windowCommits = 3
            let store = try RocksMetadataStore.open(directory: directory, options: options)
            for (others, expectedRuns) in [(3, 1), (4, 2)] {
                let runs = Locked(0)
                let arrived = Signal()
                let gate = DispatchSemaphore(value: 0)
                let task = Task(executorPreference: OneThread()) {
                    try await store.transact { (transaction) throws(StorageFailure) in
                        _ = try transaction.get([77])
                        if runs.withLock({
                            $0 += 1; return $0
                        }) == 1 {
                            arrived.fire()
                            gate.wait()
                        }
                        transaction.set([78], [])
                    }
                }
                await arrived.wait()
                for number in 0..<others { try await store.put("other\(number)") }
                gate.signal()
                _ = try await task.value
                #expect(runs.withLock { $0 } == expectedRuns, "after \(others) commits")
            }
            await store.close()
        }
    }
}

final class OneThread: TaskExecutor {
    private let queue = DispatchQueue(label: "one thread")
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
