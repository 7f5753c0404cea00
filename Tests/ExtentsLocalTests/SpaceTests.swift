import Extents
import NIOCore
import StorageModel
import StorageTestKit
import Testing

@testable import ExtentsLocal

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct SpaceTests {
    /// The accounts against the file system's own: after a clean close nothing but live extents occupies the medium.
    @Test func usedBytesAreWhatTheFileSystemSays() async throws {
        try await withTemporaryDirectory { root in
            let directory = root + "/s"
            var store = try openStore(directory)
            var live: [[Extent]] = []
            for seed in 0..<12 {
                let length = 1 + seed * 61_003
                live.append(
                    try await store.store(patternBytes(seed: UInt64(seed), count: length), isLengthKnown: seed % 2 == 0)
                )
            }
            let writer = try await store.openWriter(expectedLength: nil)
            try await writer.append(ByteBuffer(repeating: 1, count: 900_000))
            await writer.discard()
            for index in [1, 4, 5, 9] { try await store.free(live[index]) }
            for index in [9, 5, 4, 1] { live.remove(at: index) }
            let used = store.usage().usedBytes
            #expect(used == live.joined().reduce(0) { $0 + SegmentLayout.padded($1.length) })
            await store.close()
            try expectOccupied(directory, used)

            store = try openStore(directory)
            try expectOccupied(directory, store.usage().usedBytes)
            try await sweep(store, keeping: Array(live.joined()))
            #expect(store.usage().usedBytes == used)
            try await store.free(live[0] + live[3])
            live.removeSubrange(0..<1)
            live.remove(at: 2)
            try expectOccupied(directory, store.usage().usedBytes)
            try await store.free(Array(live.joined()))
            #expect(store.usage().usedBytes == 0)
            #expect(try segmentNames(directory).isEmpty)
            await store.close()
        }
    }

    @Test func freeingPunchesHoles() async throws {
        try await withTemporaryDirectory { root in
            let directory = root + "/s"
            let store = try openStore(directory, smallOptions { $0.lanes = 1 })
            let extents = try await store.store(patternBytes(seed: 1, count: 512 << 10))
            let other = try await store.store([1, 2, 3])
            let path = segmentPath(directory, extents[0].id.group)
            #expect(other[0].id.group == extents[0].id.group)
            let before = try fileStatus(path)
            try await store.free(extents)
            let after = try fileStatus(path)
            #expect(before.allocatedBytes - after.allocatedBytes == 512 << 10)
            #expect(before.sizeBytes == after.sizeBytes)
            #expect(try await store.bytes(of: other) == [1, 2, 3])
            await store.close()
        }
    }

    @Test func neighboursAreFreedByOneCall() async throws {
        try await withTemporaryDirectory { root in
            let punches = Locked(0)
            let calls = FileSystemCalls.system.with {
                $0.punchHole = { descriptor, offset, length in
                    punches.withLock { $0 += 1 }
                    return FileSystemCalls.system.punchHole(descriptor, offset, length)
                }
            }
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 }, calls: calls)
            var extents: [Extent] = []
            for seed in 0..<10 { extents += try await store.store(patternBytes(seed: UInt64(seed), count: 5000)) }
            try await store.free(extents[0..<4].reversed() + extents[6..<9])
            #expect(punches.withLock { $0 } == 2)
            await store.close()
        }
    }

    /// Lengths in a row that overflow a segment: none straddles its end, and full segments give their rest back.
    @Test func extentsStayWithinTheirSegment() async throws {
        try await withTemporaryDirectory { root in
            let directory = root + "/s"
            let store = try openStore(directory)
            var extents: [Extent] = []
            for seed in 0..<12 { extents += try await store.store(patternBytes(seed: UInt64(seed), count: 400_000)) }
            #expect(extents.allSatisfy { $0.paddedEnd <= 2 << 20 })
            #expect(Set(extents.map(\.id.group)).count == 3)
            for group in Set(extents.map(\.id.group)).dropFirst(0) where group != extents.last?.id.group {
                let end = extents.filter { $0.id.group == group }.map(\.paddedEnd).max() ?? 0
                #expect(try fileStatus(segmentPath(directory, group)).allocatedBytes == end)
            }
            await store.close()
        }
    }

    @Test func aFullSegmentIsDeletedWhenNothingInItLives() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 })
            var extents: [Extent] = []
            for seed in 0..<9 { extents += try await store.store(patternBytes(seed: UInt64(seed), count: 500_000)) }
            let first = extents.filter { $0.id.group == extents[0].id.group }
            #expect(try segmentNames(root + "/s").contains(SegmentLayout.fileName(extents[0].id.group)))
            try await store.free(first)
            #expect(!(try segmentNames(root + "/s").contains(SegmentLayout.fileName(extents[0].id.group))))
            try await store.free(first)
            #expect(
                store.usage().usedBytes == extents.dropFirst(first.count).reduce(0) { $0 + $1.paddedEnd - $1.start })
            await store.close()
        }
    }

    @Test func descriptorsAreBounded() async throws {
        try await withTemporaryDirectory { root in
            let options = smallOptions {
                $0.openFiles = 3
                $0.segmentBytes = 512 << 10
            }
            let first = try openStore(root + "/s", options)
            var bodies: [([UInt8], [Extent])] = []
            for seed in 0..<20 {
                let bytes = patternBytes(seed: UInt64(seed), count: 300_000)
                bodies.append((bytes, try await first.store(bytes)))
            }
            await first.close()
            let store = try openStore(root + "/s", options)
            for round in 0..<2 {
                for body in bodies { #expect(try await store.bytes(of: body.1) == body.0, "round \(round)") }
                #expect(store.files.descriptors.count <= 3)
                #expect(openDescriptors(under: root + "/s/segments") <= 3)
            }
            await store.close()
            #expect(openDescriptors(under: root + "/s") == 0)
        }
    }

    /// A log that lost its end may bring back a name whose extent was freed in the same run: its zeroes are no body.
    @Test func freedExtentsAreVerifiedAnew() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 })
            let bytes = patternBytes(seed: 1, count: 100_000)
            let freed = try await store.store(bytes)
            let kept = try await store.store([1, 2, 3])
            #expect(try await store.bytes(of: freed) == bytes)
            try await store.free(freed)
            await #expect(throws: StorageFailure.self) { try await store.bytes(of: freed) }
            #expect(try await store.bytes(of: kept) == [1, 2, 3])
            await store.close()
        }
    }

    /// What sendfile has handed to a socket are the pages of the file. A hole must not be punched into them.
    @Test func bytesOnTheirWayAreNotPunched() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s", smallOptions { $0.lanes = 1 })
            let bytes = patternBytes(seed: 3, count: 300_000)
            let neighbour = try await store.store(patternBytes(seed: 1, count: 50_000))
            let freed = try await store.store(bytes)
            let kept = try await store.store(patternBytes(seed: 2, count: 50_000))
            let used = store.usage().usedBytes
            var sockets: [CInt] = [0, 0]
            try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &sockets) == 0)
            defer { for socket in sockets { close(socket) } }
            var size: CInt = 4 << 20
            for socket in sockets {
                setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<CInt>.size))
            }
            var sent = 0
            for extent in freed {
                for span in try await store.spans(of: extent, range: 0..<extent.length) {
                    var offset = off_t(span.offset)
                    sent += sendfile(sockets[0], span.file.descriptor, &offset, span.length)
                }
            }
            let isTemporaryInMemory =
                store.files.calls.cachedBytes(
                    try store.files.openFile(freed[0].id.group).descriptor, freed[0].start, 4096) == 0
            try await store.free(freed)
            if !isTemporaryInMemory {
                #expect(store.usage().usedBytes == used, "still counted")
                #expect(await store.finishFreeing())
            }
            var received = [UInt8](repeating: 0, count: sent)
            var filled = 0
            while filled < sent {
                let count = received.withUnsafeMutableBytes { memory in
                    recv(sockets[1], memory.baseAddress! + filled, sent - filled, 0)
                }
                try #require(count > 0)
                filled += count
            }
            #expect(received == Array(bytes.prefix(sent)))
            #expect(sent > 0)
            #expect(await store.finishFreeing() == false)
            #expect(store.usage().usedBytes == used - freed.reduce(0) { $0 + SegmentLayout.padded($1.length) })
            #expect(try await store.bytes(of: neighbour) == patternBytes(seed: 1, count: 50_000))
            #expect(try await store.bytes(of: kept) == patternBytes(seed: 2, count: 50_000))
            await store.close()
        }
    }

    /// Bodies of every length share few sizes of buffers, so that those which wait are of use.
    @Test func buffersHaveFewSizes() {
        let pool = WriteBufferPool(capacity: 256 << 10, budget: 128 << 20)
        var sizes: Set<Int> = []
        for expected in stride(from: Int64(1), to: 300_000, by: 997) {
            let buffer = pool.take(expected: expected)
            sizes.insert(buffer.capacity)
            #expect(buffer.capacity >= min(Int(expected), 256 << 10))
            #expect(buffer.capacity <= max(2 * Int(expected), 4 << 10))
            pool.giveBack(buffer)
        }
        #expect(sizes.count == 7)
        #expect(pool.lentBytes == 0)
    }

    @Test func forgettingWhatWasVerifiedOnlyVerifiesAgain() {
        let verified = VerifiedExtents(maximumSegments: 2, segmentBytes: 1 << 20)
        for group in 1...3 as ClosedRange<UInt64> { verified.insert(ExtentID(group: group, position: 8192)) }
        #expect(!verified.contains(ExtentID(group: 1, position: 8192)))
        #expect(verified.contains(ExtentID(group: 2, position: 8192)))
        #expect(!verified.contains(ExtentID(group: 2, position: 4096)))
        verified.insert(ExtentID(group: 2, position: 1 << 20))
        #expect(!verified.contains(ExtentID(group: 2, position: 1 << 20)))
        verified.forget(segment: 3)
        #expect(!verified.contains(ExtentID(group: 3, position: 8192)))
    }

    /// A body that nobody ended: a bug of the caller that must not cost the node its space.
    @Test func aForgottenBodyGivesItsSpaceBack() async throws {
        try await withTemporaryDirectory { root in
            let store = try openStore(root + "/s", smallOptions { $0.maximumSinks = 1 })
            var sink: (any ExtentSink)? = try await store.openSink(expectedLength: 900_000, observer: nil)
            try await sink?.append(ByteBuffer(repeating: 3, count: 600_000))
            sink = nil
            while store.usage().reservedBytes > 0 { await Task.yield() }
            _ = try await store.store([1])
            #expect(store.usage().usedBytes == 4096)
            await store.close()
        }
    }

    /// A file in more than four pieces costs ext4 a block for the table of its pieces, which `st_blocks` includes and
    /// the accounts do not.
    private func expectOccupied(
        _ directory: String, _ used: Int64, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let tables = Int64(try segmentNames(directory).count) * 4096
        let occupied = try occupiedBytes(directory)
        #expect((used...(used + tables)).contains(occupied), sourceLocation: sourceLocation)
    }

    private func openDescriptors(under path: String) -> Int {
        var count = 0
        for descriptor in (try? FileSystemCalls.system.list("/proc/self/fd").get()) ?? [] {
            var target = [CChar](repeating: 0, count: 4096)
            guard readlink("/proc/self/fd/" + descriptor, &target, 4095) > 0 else { continue }
            let name = target.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            if String(decoding: name, as: UTF8.self).hasPrefix(path) { count += 1 }
        }
        return count
    }
}
