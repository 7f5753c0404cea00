import Dispatch
import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import MetadataRocks

/// What a store has said about its health.
final class HealthLog: Sendable {
    private let log = Locked<[String]>([])

    func append(_ health: RocksHealth) {
        let word =
            switch health {
            case .writable: "writable"
            case .suspended: "suspended"
            case .failed: "failed"
            }
        log.withLock { $0.append(word) }
    }

    var words: [String] { log.withLock { $0 } }
}

/// A disk that is sick for as long as a test wants.
final class SickDisk: Sendable {
    private let isSick = Locked(true)
    private let probes = Locked(0)

    var probe: DiskProbe {
        DiskProbe { [self] () throws(StorageFailure) in
            probes.withLock { $0 += 1 }
            if isSick.withLock({ $0 }) { throw StorageFailure(.outOfSpace) }
        }
    }
    var probeCount: Int { probes.withLock { $0 } }
    func heal() { isSick.withLock { $0 = false } }
}

@Suite("Reopening a RocksDB store after a failed commit")
struct ReopeningTests {
    private static var quick: RocksOptions {
        var options = RocksOptions()
        options.reopeningPauseMilliseconds = 20
        options.reopeningPauseLimitMilliseconds = 20
        options.reopeningDrainMilliseconds = 40
        return options
    }

    private static func wait(_ what: String, until isTrue: () async throws -> Bool) async throws {
        for _ in 0..<1_000_000 {
            if try await isTrue() { return }
            await Task.yield()
        }
        throw ContractViolation("waited in vain until \(what)")
    }

    @Test(
        "while the disk is sick writes are refused and reads go on; then both go on, without a restart",
        arguments: [WriteGate.Fault.beforeWriting, .afterWriting])
    func recovery(moment: WriteGate.Fault) async throws {
        try await withTemporaryDirectory { directory in
            let (gate, disk, health) = (WriteGate(), SickDisk(), HealthLog())
            let store = try gate.open(directory, Self.quick, probe: disk.probe, health: health)
            let before = try #require(try await store.put("before"))
            gate.fail(moment)
            let first = try await failure { try await store.put("unknown") }
            // The medium may hold the commit or not, so "no space" would claim too much.
            #expect(first.code == .unavailable)
            gate.fail(.none)
            try await Self.wait("the disk is probed again and again") { disk.probeCount >= 3 }
            let later = try await failure { try await store.put("later") }
            #expect(later.code == .readOnly)
            #expect(store.statistics().refusesWrites)
            #expect(health.words == ["suspended"])
            #expect(try await store.value("before") == [])
            #expect(try await store.value("unknown") == nil, "what is uncertain is not shown")
            let readOnly = try await store.transact { (transaction) throws(StorageFailure) in
                try transaction.get(Array("before".utf8))
            }
            #expect(readOnly.result == [])

            disk.heal()
            try await Self.wait("writes are taken") { !store.statistics().refusesWrites }
            let again = try #require(try await store.put("again"))
            #expect(again.rawValue > before.rawValue + 1, "the number of the failed commit is not used again")
            #expect(try await store.value("unknown") == (moment == .beforeWriting ? nil : []))
            #expect(try await store.value("later") == nil)
            #expect(store.statistics().reopenings == 1)
            #expect(health.words == ["suspended", "writable"])
            await store.close()

            let reopened = try RocksMetadataStore.open(directory: directory)
            #expect(try await reopened.value("again") == [])
            #expect(try await reopened.value("before") == [])
            #expect(try #require(try await reopened.put("last")) > again)
            await reopened.close()
        }
    }

    @Test("under relaxed durability a failed first commit does not leave later ones without reserved numbers")
    func relaxedNumbers() async throws {
        try await withTemporaryDirectory { directory in
            let (gate, disk) = (WriteGate(), SickDisk())
            var options = Self.quick
            options.durability = .relaxed
            let store = try gate.open(directory + "/s", options, probe: disk.probe)
            gate.fail(.beforeWriting)
            _ = try await failure { try await store.put("lost") }
            gate.fail(.none)
            disk.heal()
            try await Self.wait("writes are taken") { !store.statistics().refusesWrites }
            let first = try #require(try await store.put("first"))
            let kept = try #require(try RawFiles.readCrashState(directory + "/s"))
            let second = try #require(try await store.put("second"))
            await store.close()
            try RawFiles.writeAll(kept, to: directory + "/after")
            let after = try RocksMetadataStore.open(directory: directory + "/after", options: options)
            #expect(try #require(try await after.put("other")) > second)
            #expect(second > first)
            await after.close()
        }
    }

    @Test("what was recovered lies in synced tables: the old log is not needed any more")
    func nothingRestsOnTheOldLog() async throws {
        try await withTemporaryDirectory { directory in
            let (gate, disk) = (WriteGate(), SickDisk())
            let store = try gate.open(directory + "/s", Self.quick, probe: disk.probe)
            for number in 0..<20 { _ = try await StoreHistory.commit(store, writer: 0, number: number) }
            let oldLogs = RawFiles.logs(in: try RawFiles.readAll(directory + "/s"))
            gate.fail(.beforeWriting)
            _ = try await failure { try await store.put("x") }
            gate.fail(.none)
            disk.heal()
            try await Self.wait("writes are taken") { !store.statistics().refusesWrites }
            var files = try #require(try RawFiles.readCrashState(directory + "/s"))
            for log in oldLogs { files[log] = nil }
            await store.close()
            try RawFiles.writeAll(files, to: directory + "/copy")
            let copy = try RocksMetadataStore.open(directory: directory + "/copy")
            #expect(try await StoreHistory.check(copy) == 20)
            await copy.close()
        }
    }

    @Test("a long read keeps the old database; the others go on, and reopening follows when it ends")
    func longRead() async throws {
        try await withTemporaryDirectory { directory in
            let (gate, disk) = (WriteGate(), SickDisk())
            let store = try gate.open(directory, Self.quick, probe: disk.probe)
            try await store.put("before")
            let arrived = Signal()
            let letGo = DispatchSemaphore(value: 0)
            let reading = Task {
                try await store.read(.scan) { (reader) throws(StorageFailure) in
                    let cursor = try reader.cursor(in: KeyRange(prefix: Array("b".utf8)))
                    arrived.fire()
                    letGo.wait()
                    return try cursor.next()?.key
                }
            }
            await arrived.wait()
            gate.fail(.beforeWriting)
            _ = try await failure { try await store.put("x") }
            gate.fail(.none)
            disk.heal()
            try await Self.wait("attempts have been made") { disk.probeCount >= 3 }
            #expect(store.statistics().refusesWrites)
            #expect(try await store.value("before") == [])
            letGo.signal()
            #expect(try await reading.value == Array("before".utf8))
            try await Self.wait("writes are taken") { !store.statistics().refusesWrites }
            try await store.put("after")
            await store.close()
        }
    }

    @Test("transactions under way run again on what the reopening has found")
    func transactionsUnderWay() async throws {
        try await withTemporaryDirectory { directory in
            let (gate, disk) = (WriteGate(), SickDisk())
            let store = try gate.open(directory, Self.quick, probe: disk.probe)
            try await store.put("counter", "1")
            let runs = Locked(0)
            let arrived = Signal()
            let letGo = DispatchSemaphore(value: 0)
            let late = Task(executorPreference: OneThread()) {
                try await store.transact { (transaction) throws(StorageFailure) in
                    let seen = try transaction.get(Array("counter".utf8))
                    let run = runs.withLock { runs in
                        runs += 1
                        return runs
                    }
                    if run == 1 {
                        arrived.fire()
                        letGo.wait()
                    }
                    transaction.set(Array("copy".utf8), seen ?? [])
                }
            }
            await arrived.wait()
            // Its outcome is unknown to its caller, but it is on the medium.
            gate.fail(.afterWriting)
            _ = try await failure { try await store.put("counter", "2") }
            gate.fail(.none)
            // The body holds its snapshot, so the database opens again only after it.
            letGo.signal()
            disk.heal()
            do { _ = try await late.value } catch let refused as StorageFailure { #expect(refused.code == .readOnly) }
            try await Self.wait("writes are taken") { !store.statistics().refusesWrites }
            _ = try await store.transact { (transaction) throws(StorageFailure) in
                transaction.set(Array("copy".utf8), try transaction.get(Array("counter".utf8)) ?? [])
            }
            #expect(try await store.value("copy") == Array("2".utf8))
            await store.close()
        }
    }

    @Test("when opening again fails, reads go on from the files as they are, and the next attempt may succeed")
    func openingFails() async throws {
        try await withTemporaryDirectory { directory in
            let (gate, disk) = (WriteGate(), SickDisk())
            let store = try gate.open(directory, Self.quick, probe: disk.probe)
            try await store.put("before")
            gate.fail(.beforeWriting)
            _ = try await failure { try await store.put("x") }
            gate.fail(.none)
            // A directory in the place of the lock file lets no database be opened for writing.
            let intruder = try await holdLock(in: directory, releasing: disk)
            let probes = disk.probeCount
            try await Self.wait("opening has failed") { disk.probeCount > probes + 3 }
            #expect(store.statistics().refusesWrites)
            #expect(try await store.value("before") == [])
            intruder()
            try await Self.wait("writes are taken") { !store.statistics().refusesWrites }
            try await store.put("after")
            #expect(try await store.value("before") == [])
            await store.close()
        }
    }

    /// Makes the lock file unusable, heals the disk, and answers how to undo it.
    private func holdLock(in directory: String, releasing disk: SickDisk) async throws -> () -> Void {
        try replaceByDirectory(directory + "/LOCK")
        disk.heal()
        return { removeDirectory(directory + "/LOCK") }
    }

    @Test("a log that lost acknowledged commits ends the store for good, and says so", arguments: [0, 50])
    func loss(percentKept: Int) async throws {
        try await withTemporaryDirectory { directory in
            let (gate, disk, health) = (WriteGate(), SickDisk(), HealthLog())
            let store = try gate.open(directory, Self.quick, probe: disk.probe, health: health)
            for number in 0..<20 { _ = try await StoreHistory.commit(store, writer: 0, number: number) }
            let log = try #require(RawFiles.logs(in: try RawFiles.readAll(directory)).last)
            let bytes = try RawFiles.read(directory + "/" + log)
            gate.fail(.beforeWriting)
            _ = try await failure { try await store.put("x") }
            gate.fail(.none)
            try RawFiles.write(bytes.prefix(bytes.count * percentKept / 100), to: directory + "/" + log)
            disk.heal()
            try await Self.wait("the loss is seen") { health.words.contains("failed") }
            #expect(health.words == ["suspended", "failed"])
            for _ in 0..<2 {
                #expect(try await failure { try await store.put("later") }.code == .damaged)
                #expect(try await failure { _ = try await store.value("key/0/0") }.code == .damaged)
            }
            await store.close()
        }
    }

    @Test("closing ends a store that waits for its disk")
    func closeWhileSick() async throws {
        try await withTemporaryDirectory { directory in
            let (gate, disk) = (WriteGate(), SickDisk())
            let store = try gate.open(directory, Self.quick, probe: disk.probe)
            try await store.put("before")
            gate.fail(.beforeWriting)
            _ = try await failure { try await store.put("x") }
            await store.close()
            #expect(try await failure { try await store.put("y") }.code == .unavailable)
            let reopened = try RocksMetadataStore.open(directory: directory)
            #expect(try await reopened.value("before") == [])
            await reopened.close()
        }
    }

    @Test("the probe writes into the store's directory, leaves nothing, and wants room for what the logs hold")
    func probe() async throws {
        try await withTemporaryDirectory { directory in
            let free = Locked<Int64?>(nil)
            let probe = DiskProbe.ofDirectory(directory, freeSpace: FreeSpace { free.withLock { $0 } })
            try probe.run()
            #expect(try directoryEntries(directory).isEmpty)
            try RawFiles.write([UInt8](repeating: 1, count: 1 << 20), to: directory + "/000007.log")
            free.withLock { $0 = 5 << 20 }
            try probe.run()
            free.withLock { $0 = 5 << 20 - 1 }
            #expect(try await failure { try probe.run() }.code == .outOfSpace)
            let none = DiskProbe.ofDirectory(directory + "/none", freeSpace: FreeSpace { nil })
            _ = try await failure { try none.run() }
        }
    }

    @Test("tables without CURRENT are never taken for a new store")
    func lostCurrent() async throws {
        try await withTemporaryDirectory { directory in
            let store = try RocksMetadataStore.open(directory: directory)
            try await store.put("a")
            await store.close()
            try StoreFiles.remove(directory + "/CURRENT")
            let before = try directoryEntries(directory).sorted()
            for _ in 0..<2 {
                let found = try await failure { _ = try RocksMetadataStore.open(directory: directory) }
                #expect(found.code == .damaged)
                #expect(found.detail?.contains("CURRENT") == true)
            }
            #expect(try directoryEntries(directory).sorted() == before, "nothing was deleted")
        }
    }
}
