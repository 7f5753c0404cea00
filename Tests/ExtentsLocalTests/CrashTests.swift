import Extents
import NIOCore
import StorageModel
import StorageTestKit
import Testing

@testable import ExtentsLocal

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct CrashTests {
    /// A body under way, a torn tail, an aborted body: after the sweep only what was sealed is left, and all of it.
    @Test(arguments: [0, 1, 4096, 300_000] as [Int64]) func aTornTailIsUnnamedSpace(_ torn: Int64) async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 })
            let bytes = patternBytes(seed: 1, count: 200_000)
            let sealed = try await store.store(bytes)
            let underWay = try await store.openSink(expectedLength: nil, observer: nil)
            try await underWay.append(ByteBuffer(bytes: patternBytes(seed: 2, count: 700_000)))
            let later = try await store.store([7, 8, 9])
            try copyStore(root + "/s", to: root + "/crashed")
            await underWay.discard()
            await store.close()

            let path = segmentPath(root + "/crashed", sealed[0].id.group)
            let named = (sealed + later).filter { $0.id.group == sealed[0].id.group }.map(\.paddedEnd).max() ?? 0
            let size = try fileStatus(path).sizeBytes
            #expect(size > named)
            try #require(truncate(path, off_t(max(named, size - torn))) == 0)

            let after = try openStore(root + "/crashed")
            let given = try await sweep(after, keeping: sealed + later)
            #expect(given >= 0)
            #expect(after.usage().usedBytes == SegmentLayout.padded(200_000) + 4096)
            #expect(try occupiedBytes(root + "/crashed") == after.usage().usedBytes)
            #expect(try await after.bytes(of: sealed) == bytes)
            #expect(try await after.bytes(of: later) == [7, 8, 9])
            #expect(try await sweep(after, keeping: sealed + later) == 0)
            await after.close()
        }
    }

    /// What a crash leaves of space that was allocated ahead is given back too, although it holds no data.
    @Test func preallocatedSpaceIsSwept() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 })
            let extents = try await store.store([1, 2, 3])
            let path = segmentPath(root + "/s", extents[0].id.group)
            #expect(try fileStatus(path).allocatedBytes == 1 << 20)
            await store.close()
            let descriptor = open(path, O_RDWR)
            #expect(FileSystemCalls.system.preallocate(descriptor, 0, 1 << 20) == 0)
            close(descriptor)
            let after = try openStore(root + "/s")
            #expect(after.usage().usedBytes == 1 << 20)
            #expect(try await sweep(after, keeping: extents) == (1 << 20) - 4096)
            #expect(try occupiedBytes(root + "/s") == 4096)
            await after.close()
        }
    }

    /// The sweep fails at each of its calls in turn and is done again: the end is the same.
    @Test func anInterruptedSweepIsFinishedByTheNext() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 })
            var extents: [Extent] = []
            for seed in 0..<8 { extents += try await store.store(patternBytes(seed: UInt64(seed), count: 30_000)) }
            await store.close()
            let live = [extents[1], extents[4], extents[6]]
            var failures = 0
            for failAt in 0... {
                let copy = root + "/copy\(failAt)"
                try copyStore(root + "/s", to: copy)
                let counter = Locked(0)
                let fails: @Sendable () -> Bool = {
                    counter.withLock { count in
                        defer { count += 1 }; return count == failAt
                    }
                }
                let interrupted = try openStore(
                    copy,
                    calls: FileSystemCalls.system.with {
                        $0.punchHole = { fails() ? -EIO : FileSystemCalls.system.punchHole($0, $1, $2) }
                        $0.truncate = { fails() ? -EIO : FileSystemCalls.system.truncate($0, $1) }
                    })
                let failure = await failureOf { () async throws(StorageFailure) in
                    try await interrupted.keepOnly(live, inGroup: extents[0].id.group)
                }
                await interrupted.close()
                let after = try openStore(copy)
                try await sweep(after, keeping: live)
                #expect(after.usage().usedBytes == live.reduce(0) { $0 + $1.paddedEnd - $1.start })
                #expect(try occupiedBytes(copy) == after.usage().usedBytes)
                for extent in live { #expect(try await after.verify(extent) == .sound) }
                await after.close()
                if failure == nil { break }
                failures += 1
            }
            #expect(failures >= 3)
        }
    }

    @Test func numbersAreNotUsedAgainAfterACrash() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s", smallOptions { $0.segmentBytes = 512 << 10 })
            var groups: Set<UInt64> = []
            for _ in 0..<70 { groups.insert(try await store.store(patternBytes(seed: 1, count: 400_000))[0].id.group) }
            #expect(groups.count == 70)
            try copyStore(root + "/s", to: root + "/crashed")
            await store.close()
            let after = try openStore(root + "/crashed")
            try await sweep(after, keeping: [])
            #expect(try segmentNames(root + "/crashed").isEmpty)
            let extents = try await after.store([1])
            #expect(extents[0].id.group > (groups.max() ?? 0))
            await after.close()
        }
    }

    /// A crash while the store was being created: the next start creates it.
    @Test func anUnfinishedCreationIsDoneAgain() async throws {
        try await withTemporaryDirectory { root in
            for failAt in 0..<4 {
                let directory = root + "/s\(failAt)"
                let counter = Locked(0)
                let calls = FileSystemCalls.system.with {
                    $0.syncAll = { descriptor in
                        let isHit = counter.withLock { count in
                            defer { count += 1 }; return count == failAt
                        }
                        return isHit ? -EIO : FileSystemCalls.system.syncAll(descriptor)
                    }
                }
                #expect(throws: StorageFailure.self) { try openStore(directory, calls: calls) }
                let store = try openStore(directory)
                #expect(try await store.bytes(of: try await store.store([1, 2])) == [1, 2])
                await store.close()
            }
        }
    }
}
