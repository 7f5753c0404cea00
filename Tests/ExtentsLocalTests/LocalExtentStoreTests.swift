import Extents
import NIOCore
import StorageModel
import StorageTestKit
import Testing

@testable import ExtentsLocal

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct OpeningTests {
    @Test func onlyOneOpensAStore() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s")
            for isReadOnly in [true, false] {
                let failure = #expect(throws: StorageFailure.self) {
                    try openStore(root + "/s", isReadOnly: isReadOnly)
                }
                #expect(failure?.code == .unavailable)
                #expect(failure?.detail == "Another process has opened this extent store.")
            }
            await store.close()
            await (try openStore(root + "/s")).close()
        }
    }

    @Test func anUnknownFormatIsRefused() async throws {
        try await withTemporaryDirectory { root in
            await (try openStore(root + "/s")).close()
            try DurableFile.replace("FORMAT", with: "forebay-extents 2\nstore x\n", in: root + "/s", calls: .system)
            #expect(#expect(throws: StorageFailure.self) { try openStore(root + "/s") }?.code == .unavailable)
        }
    }

    @Test(arguments: ["FORMAT", "NEXT"]) func aMissingPartIsDamageAndNoNewStore(_ name: String) async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s")
            _ = try await store.store([1, 2, 3])
            await store.close()
            try #require(unlink(root + "/s/" + name) == 0)
            #expect(#expect(throws: StorageFailure.self) { try openStore(root + "/s") }?.code == .damaged)
            #expect(try segmentNames(root + "/s").count == 1)
        }
    }

    /// A number given twice would give an extent id twice.
    @Test func aCounterBehindTheSegmentsIsDamage() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s")
            _ = try await store.store([1, 2, 3])
            await store.close()
            try SegmentNumbers.store(1, directory: root + "/s", calls: .system)
            #expect(#expect(throws: StorageFailure.self) { try openStore(root + "/s") }?.code == .damaged)
        }
    }

    @Test func theStoreKeepsItsIdentity() async throws {
        try await withTemporaryDirectory { root in
            let first = try openStore(root + "/s")
            await first.close()
            let second = try openStore(root + "/s", isReadOnly: true)
            #expect(first.storeID == second.storeID)
            #expect(first.storeID.utf8.count == 36)
            await second.close()
        }
    }

    @Test func readingOnlyChangesNothing() async throws {
        try await withTemporaryDirectory { root in
            #expect(
                #expect(throws: StorageFailure.self) { try openStore(root + "/s", isReadOnly: true) }?.code
                    == .unavailable)
            let store = try openStore(root + "/s")
            let bytes = patternBytes(seed: 1, count: 10_000)
            let extents = try await store.store(bytes)
            await store.close()
            let reader = try openStore(root + "/s", isReadOnly: true)
            #expect(try await reader.bytes(of: extents) == bytes)
            #expect(try await reader.verify(extents[0]) == .sound)
            #expect(try await reader.closedGroups() == [extents[0].id.group])
            let refusals = [
                await failureOf { () async throws(StorageFailure) in try await reader.free(extents) },
                await failureOf { () async throws(StorageFailure) in
                    try await reader.openSink(expectedLength: nil, observer: nil)
                },
                await failureOf { () async throws(StorageFailure) in
                    try await reader.keepOnly([], inGroup: extents[0].id.group)
                },
            ]
            #expect(refusals.map(\.?.code) == [.unavailable, .unavailable, .unavailable])
            await reader.close()
        }
    }

    @Test func contradictingOptionsAreRefused() throws {
        #expect(throws: StorageFailure.self) {
            try openStore("/nonexistent/store", smallOptions { $0.segmentBytes = 4096 })
        }
    }
}

@Suite struct DamageTests {
    @Test func oneFlippedBitIsDamageAfterReopening() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s")
            let extent = try await store.store(patternBytes(seed: 1, count: 300_000))[0]
            await store.close()
            try flipByte(segmentPath(root + "/s", extent.id.group), at: extent.start + 299_999)
            let reopened = try openStore(root + "/s")
            let failure = await failureOf { () async throws(StorageFailure) in
                try await reopened.spans(of: extent, range: 0..<1)
            }
            #expect(failure?.code == .damaged)
            #expect(failure?.cause?.contains("checksum") == true)
            #expect(failure?.cause?.contains(root) == false)
            await reopened.close()
        }
    }

    /// Padding is nobody's bytes: damage there is no damage.
    @Test func theBytesBehindAnExtentDoNotMatter() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s")
            let extent = try await store.store([1, 2, 3])[0]
            _ = try await store.store([4])
            await store.close()
            try flipByte(segmentPath(root + "/s", extent.id.group), at: extent.start + 3)
            let reopened = try openStore(root + "/s")
            #expect(try await reopened.bytes(of: [extent]) == [1, 2, 3])
            await reopened.close()
        }
    }

    @Test func aShortOrLostFileIsDamageAndNeverAbsence() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s")
            let extent = try await store.store(patternBytes(seed: 1, count: 9000))[0]
            await store.close()
            let path = segmentPath(root + "/s", extent.id.group)
            for size in [8999, 4096, 0] as [off_t] {
                try #require(truncate(path, size) == 0)
                let store = try openStore(root + "/s")
                #expect(
                    await failureOf { () async throws(StorageFailure) in
                        try await store.read(extent, range: 0..<1)
                    }?.code == .damaged)
                #expect(try await store.verify(extent) != .sound)
                await store.close()
            }
            try #require(unlink(path) == 0)
            let lost = try openStore(root + "/s")
            #expect(
                await failureOf { () async throws(StorageFailure) in try await lost.read(extent, range: 0..<1) }?.code
                    == .damaged)
            #expect(try await lost.verify(extent) == .missing)
            await lost.close()
        }
    }

    @Test func aMediumErrorIsDamageAndAShortageIsNot() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s")
            let extent = try await store.store(patternBytes(seed: 1, count: 9000))[0]
            await store.close()
            for (code, expected) in [(EIO, StorageFailure.Code.damaged), (ENOMEM, .unavailable)] {
                let calls = FileSystemCalls.system.with {
                    $0.read = { descriptor, bytes, count, offset in
                        // FORMAT and NEXT are read in at most a block and must stay readable.
                        count <= 4096 ? FileSystemCalls.system.read(descriptor, bytes, count, offset) : -Int(code)
                    }
                }
                let store = try openStore(root + "/s", calls: calls)
                let failure = await failureOf { () async throws(StorageFailure) in
                    try await store.spans(of: extent, range: 0..<1)
                }
                #expect(failure?.code == expected)
                #expect(failure?.cause?.contains("errno \(code)") == true)
                guard case .unreadable = try await store.verify(extent) else {
                    Issue.record("verify answers something else")
                    return
                }
                await store.close()
            }
        }
    }

    /// An id that this store cannot have given would reach into its neighbours.
    @Test func impossibleExtentsAreDamage() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s")
            let extent = try await store.store([1, 2, 3])[0]
            var odd = extent
            odd.id.position += 1
            var long = extent
            long.length = store.maximumExtentLength + 1
            var far = extent
            far.id.position = UInt64.max & ~4095
            for impossible in [odd, long, far] {
                let failures = [
                    await failureOf { () async throws(StorageFailure) in try await store.free([extent, impossible]) },
                    await failureOf { () async throws(StorageFailure) in
                        try await store.spans(of: impossible, range: 0..<1)
                    },
                    await failureOf { () async throws(StorageFailure) in try await store.verify(impossible) },
                ]
                #expect(failures.map(\.?.code) == [.damaged, .damaged, .damaged])
            }
            #expect(try await store.bytes(of: [extent]) == [1, 2, 3])
            await store.close()
        }
    }

    @Test func concurrentFirstReadersShareOneVerification() async throws {
        try await withTemporaryDirectory { root in
            let first = try openStore(root + "/s")
            let extent = try await first.store(patternBytes(seed: 1, count: 500_000))[0]
            await first.close()
            let barrier = Barrier()
            let readBytes = Locked(0)
            let calls = FileSystemCalls.system.with {
                $0.read = { descriptor, bytes, count, offset in
                    if count > 4096 {
                        barrier.pass()
                        readBytes.withLock { $0 += count }
                    }
                    return FileSystemCalls.system.read(descriptor, bytes, count, offset)
                }
            }
            let store = try openStore(root + "/s", calls: calls)
            async let readers: Void = withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 { group.addTask { _ = try await store.spans(of: extent, range: 0..<500_000) } }
                try await group.waitForAll()
            }
            await barrier.waitForArrivals(1)
            for _ in 0..<1000 { await Task.yield() }
            barrier.open()
            try await readers
            #expect(readBytes.withLock { $0 } == 500_000)
            _ = try await store.spans(of: extent, range: 0..<500_000)
            #expect(readBytes.withLock { $0 } == 500_000)
            await store.close()
        }
    }

    /// The scrubber reads the medium even where a reader was content with what it remembers.
    @Test func verifyDoesNotTrustTheMemory() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s")
            let extent = try await store.store(patternBytes(seed: 1, count: 9000))[0]
            try flipByte(segmentPath(root + "/s", extent.id.group), at: extent.start + 100)
            guard case .checksumMismatch = try await store.verify(extent) else {
                Issue.record("verify did not read the medium")
                return
            }
            await store.close()
        }
    }
}
