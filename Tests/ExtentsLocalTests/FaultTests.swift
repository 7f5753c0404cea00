import Extents
import NIOCore
import StorageModel
import StorageTestKit
import Testing

@testable import ExtentsLocal

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct SyncTests {
    /// While one sync runs the others gather, and one more serves them all.
    @Test func manySealsShareSyncs() async throws {
        try await withTemporaryDirectory { root in
            let barrier = Barrier()
            let syncs = Locked(0)
            let calls = FileSystemCalls.system.with {
                $0.syncData = { descriptor in
                    syncs.withLock { $0 += 1 }
                    barrier.pass()
                    return FileSystemCalls.system.syncData(descriptor)
                }
            }
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 }, calls: calls)
            let group = try await store.store([0])[0].id.group
            let syncer = try #require(store.files.segment(group)).syncer
            async let first = store.store([1])
            await barrier.waitForArrivals(1)
            async let others: Void = withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<63 { group.addTask { _ = try await store.store([UInt8(index)]) } }
                try await group.waitForAll()
            }
            while syncer.waitingCount < 63 { await Task.yield() }
            barrier.open()
            _ = try await first
            try await others
            #expect(syncs.withLock { $0 } == 2)
            await store.close()
        }
    }

    @Test func sealWaitsForDataAndName() async throws {
        try await withTemporaryDirectory { root in
            let trace = Locked<[String]>([])
            let calls = FileSystemCalls.system.with {
                $0.syncData = { descriptor in
                    trace.withLock { $0.append("data") }
                    return FileSystemCalls.system.syncData(descriptor)
                }
                $0.syncAll = { descriptor in
                    trace.withLock { $0.append("all") }
                    return FileSystemCalls.system.syncAll(descriptor)
                }
                $0.write = { descriptor, bytes, count, offset in
                    trace.withLock { $0.append("write") }
                    return FileSystemCalls.system.write(descriptor, bytes, count, offset)
                }
            }
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 }, calls: calls)
            _ = try await store.store([1])
            trace.withLock { $0 = [] }
            _ = try await store.store([2])
            #expect(trace.withLock { $0 } == ["write", "data"])
            trace.withLock { $0 = [] }
            for _ in 0..<5 { _ = try await store.store([UInt8](repeating: 1, count: 500_000)) }
            // The last body needs a new segment: the file and the directory are synced before it is acknowledged.
            #expect(trace.withLock { Array($0.suffix(4)) } == ["write", "write", "all", "all"])
            await store.close()
        }
    }

    @Test func relaxedStoresDoNotSync() async throws {
        try await withTemporaryDirectory { root in
            let syncs = Locked(0)
            let calls = FileSystemCalls.system.with {
                $0.syncData = { _ in
                    syncs.withLock { $0 += 1 }
                    return 0
                }
            }
            let store = try openStore(root + "/s", smallOptions { $0.durability = .relaxed }, calls: calls)
            for _ in 0..<5 { #expect(try await store.bytes(of: try await store.store([1, 2])) == [1, 2]) }
            #expect(syncs.withLock { $0 } == 0)
            #expect(store.usage().usedBytes == 5 * 4096)
            await store.close()
        }
    }

    /// The kernel may have dropped what it could not write: the segment takes nothing more, and a later sync that
    /// succeeds changes nothing for those who waited.
    @Test func aFailedSyncPoisonsTheSegment() async throws {
        try await withTemporaryDirectory { root in
            let mustFail = Locked(false)
            let syncs = Locked(0)
            let calls = FileSystemCalls.system.with {
                $0.syncData = { descriptor in
                    syncs.withLock { $0 += 1 }
                    return mustFail.withLock({ $0 }) ? -EIO : FileSystemCalls.system.syncData(descriptor)
                }
            }
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 }, calls: calls)
            let before = try await store.store([1, 2, 3])
            let other = try await store.openWriter(expectedLength: nil)
            try await other.append(ByteBuffer(bytes: [4, 5, 6]))
            let long = try await store.openSink(expectedLength: nil, observer: nil)
            try await long.append(ByteBuffer(repeating: 9, count: 300_000))
            while store.usage().reservedBytes == 0 { await Task.yield() }
            let usage = store.usage()

            mustFail.withLock { $0 = true }
            let failure = await failureOf { () async throws(StorageFailure) in try await store.store([7]) }
            #expect(failure?.code == .unavailable)
            #expect(failure?.cause?.contains("errno \(EIO)") == true)
            #expect(store.usage() == usage)
            mustFail.withLock { $0 = false }
            let seen = syncs.withLock { $0 }

            // Its bytes are partly in the poisoned segment.
            let tainted = await failureOf { () async throws(StorageFailure) in try await long.seal() }
            await long.discard()
            #expect(tainted?.code == .unavailable)
            #expect(syncs.withLock { $0 } == seen)
            // Nothing of this one was written before: it goes to a new segment.
            let moved = try await other.seal()
            #expect(moved[0].id.group != before[0].id.group)
            #expect(try await store.bytes(of: before + moved) == [1, 2, 3, 4, 5, 6])
            #expect(store.usage().usedBytes == 2 * 4096)
            #expect(store.usage().reservedBytes == 0)
            await store.close()
        }
    }
}

@Suite struct InjectedFaultTests {
    @Test func shortWritesAndInterruptionsLoseNothing() async throws {
        try await withTemporaryDirectory { root in
            let turn = Locked(0)
            let calls = FileSystemCalls.system.with {
                $0.write = { descriptor, bytes, count, offset in
                    let turn = turn.withLock { turn in
                        turn += 1; return turn
                    }
                    if turn % 3 == 0 { return -Int(EINTR) }
                    return FileSystemCalls.system.write(descriptor, bytes, min(count, 10_007), offset)
                }
                $0.read = { descriptor, bytes, count, offset in
                    let turn = turn.withLock { turn in
                        turn += 1; return turn
                    }
                    if turn % 3 == 0 { return -Int(EINTR) }
                    return FileSystemCalls.system.read(descriptor, bytes, min(count, 9973), offset)
                }
            }
            let bytes = patternBytes(seed: 4, count: 1_200_000)
            let store = try openStore(root + "/s", calls: calls)
            let extents = try await store.store(bytes, isLengthKnown: false)
            await store.close()
            let reopened = try openStore(root + "/s", calls: calls)
            #expect(try await reopened.bytes(of: extents) == bytes)
            await reopened.close()
        }
    }

    @Test(arguments: [(ENOSPC, StorageFailure.Code.outOfSpace), (EDQUOT, .outOfSpace), (EIO, .unavailable)])
    func aFailedWriteFailsTheBodyAndLeavesNothing(_ code: Int32, _ expected: StorageFailure.Code) async throws {
        try await withTemporaryDirectory { root in
            let countdown = Locked(Int.max)
            let calls = FileSystemCalls.system.with {
                $0.write = { descriptor, bytes, count, offset in
                    let isHit = countdown.withLock {
                        $0 -= 1; return $0 < 0
                    }
                    return isHit ? -Int(code) : FileSystemCalls.system.write(descriptor, bytes, count, offset)
                }
            }
            let store = try openStore(root + "/s", calls: calls)
            let kept = try await store.store([1, 2, 3])
            let usage = store.usage()
            for failAt in [0, 1, 3] {
                for isLengthKnown in [true, false] {
                    countdown.withLock { $0 = failAt }
                    let failure = await failureOf { () async throws(StorageFailure) in
                        try await store.store(
                            patternBytes(seed: 1, count: 1_500_000), isLengthKnown: isLengthKnown)
                    }
                    #expect(failure?.code == expected)
                    #expect(failure?.cause?.contains("errno \(code)") == true)
                    #expect(store.usage() == usage)
                }
            }
            countdown.withLock { $0 = .max }
            let more = try await store.store([4])
            #expect(try await store.bytes(of: kept + more) == [1, 2, 3, 4])
            await store.close()
            #expect(try occupiedBytes(root + "/s") == 2 * 4096)
        }
    }

    @Test func aFullDiskIsOutOfSpaceBeforeAnythingIsWritten() async throws {
        try await withTemporaryDirectory { root in
            let isFull = Locked(true)
            let calls = FileSystemCalls.system.with {
                $0.preallocate = { descriptor, offset, length in
                    isFull.withLock { $0 } ? -ENOSPC : FileSystemCalls.system.preallocate(descriptor, offset, length)
                }
            }
            let store = try openStore(root + "/s", calls: calls)
            let failure = await failureOf { () async throws(StorageFailure) in try await store.store([1, 2, 3]) }
            #expect(failure?.code == .outOfSpace)
            #expect(store.usage().reservedBytes == 0)
            isFull.withLock { $0 = false }
            #expect(try await store.bytes(of: try await store.store([1, 2, 3])) == [1, 2, 3])
            await store.close()
        }
    }

    /// Near the end of the disk the generous allocation is refused and the exact one is not.
    @Test func aScarceDiskIsUsedToItsEnd() async throws {
        try await withTemporaryDirectory { root in
            let calls = FileSystemCalls.system.with {
                $0.preallocate = { descriptor, offset, length in
                    length > 65_536 ? -ENOSPC : FileSystemCalls.system.preallocate(descriptor, offset, length)
                }
            }
            let store = try openStore(root + "/s", calls: calls)
            var extents: [Extent] = []
            for index in 0..<20 { extents += try await store.store([UInt8(index)]) }
            #expect(try await store.bytes(of: extents) == Array(0..<20))
            await store.close()
        }
    }

    @Test func withoutPreallocationTheStoreWorks() async throws {
        try await withTemporaryDirectory { root in
            let calls = FileSystemCalls.system.with { $0.preallocate = { _, _, _ in -EOPNOTSUPP } }
            let bytes = patternBytes(seed: 1, count: 1_000_000)
            let store = try openStore(root + "/s", calls: calls)
            let extents = try await store.store(bytes)
            #expect(try await store.bytes(of: extents) == bytes)
            await store.close()
            #expect(try occupiedBytes(root + "/s") == store.usage().usedBytes)
        }
    }

    /// Where holes are unknown, space counts until its segment goes: the budget never promises what is not there.
    @Test func withoutHolesSpaceComesBackBySegments() async throws {
        try await withTemporaryDirectory { root in
            let calls = FileSystemCalls.system.with { $0.punchHole = { _, _, _ in -EOPNOTSUPP } }
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 }, calls: calls)
            var extents: [Extent] = []
            for seed in 0..<6 { extents += try await store.store(patternBytes(seed: UInt64(seed), count: 400_000)) }
            let used = store.usage().usedBytes
            let full = extents.filter { $0.id.group == extents[0].id.group }
            #expect(full.count == 5)
            try await store.free(Array(full.dropLast()))
            #expect(store.usage().usedBytes == used)
            try await store.free([full[4]])
            #expect(store.usage().usedBytes == SegmentLayout.padded(400_000))
            await store.close()

            let reopened = try openStore(root + "/s", calls: calls)
            #expect(try await sweep(reopened, keeping: [extents[5]]) == 0)
            #expect(reopened.usage().usedBytes == SegmentLayout.padded(400_000))
            await reopened.close()
        }
    }

    /// A discarded body whose hole cannot be punched still counts, and the next start's sweep gives it back.
    @Test func aFailedGivingBackStaysCounted() async throws {
        try await withTemporaryDirectory { root in
            let calls = FileSystemCalls.system.with { $0.punchHole = { _, _, _ in -EIO } }
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 }, calls: calls)
            let writer = try await store.openWriter(expectedLength: 300_000)
            try await writer.append(ByteBuffer(repeating: 1, count: 300_000))
            let kept = try await store.store([1, 2, 3])
            await writer.discard()
            #expect(store.usage().usedBytes == SegmentLayout.padded(300_000) + 4096)
            #expect(store.usage().reservedBytes == 0)
            await store.close()
            let reopened = try openStore(root + "/s")
            #expect(try await sweep(reopened, keeping: kept) == SegmentLayout.padded(300_000))
            #expect(reopened.usage().usedBytes == 4096)
            #expect(try await reopened.bytes(of: kept) == [1, 2, 3])
            await reopened.close()
        }
    }

    @Test func tooManyWaitingReadsAreBusy() async throws {
        try await withTemporaryDirectory { root in
            let barrier = Barrier()
            let isArmed = Locked(false)
            let calls = FileSystemCalls.system.with {
                $0.read = { descriptor, bytes, count, offset in
                    if isArmed.withLock({ $0 }) { barrier.pass() }
                    return FileSystemCalls.system.read(descriptor, bytes, count, offset)
                }
            }
            let options = smallOptions {
                $0.inputOutputThreads = 1
                $0.maximumQueuedReads = 2
            }
            let store = try openStore(root + "/s", options, calls: calls)
            let extent = try await store.store([1, 2, 3])[0]
            isArmed.withLock { $0 = true }
            let outcomes = await withTaskGroup(of: StorageFailure?.self) { group in
                for _ in 0..<10 {
                    group.addTask {
                        await failureOf { () async throws(StorageFailure) in try await store.read(extent, range: 0..<3)
                        }
                    }
                }
                // Seven of the ten find the queue full, whatever the order; only then may the others go on.
                var refused: [StorageFailure?] = []
                for await outcome in group {
                    refused.append(outcome)
                    if refused.count == 7 { barrier.open() }
                }
                return refused
            }
            #expect(outcomes.filter { $0?.code == .busy(retryAfterSeconds: 2) }.count >= 7)
            #expect(outcomes.contains { $0 == nil })
            await store.close()
        }
    }
}
