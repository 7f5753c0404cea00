import Extents
import NIOCore
import StorageModel

extension ExtentContract {
    /// A megabyte on either side of the longest extent, and everything small.
    private static func lengths(_ maximum: Int) -> [Int] {
        [1, 2, 4095, 4096, 4097, 65_536, 262_143, 262_144, 262_145, 1_000_003, maximum - 1, maximum, maximum + 1]
    }

    static var bodyCases: [ExtentContractCase] {
        [
            ExtentContractCase("bodies of every length come back, announced or not") { store, _ in
                for length in lengths(store.maximumExtentLength) {
                    let bytes = patternBytes(seed: UInt64(length), count: length)
                    for isLengthKnown in [true, false] {
                        let extents = try await store.store(bytes, isLengthKnown: isLengthKnown)
                        try checkShape(extents, of: bytes, maximum: store.maximumExtentLength)
                        try require(try await store.bytes(of: extents) == bytes, "\(length) bytes differ")
                    }
                }
            },
            ExtentContractCase("an empty body has no extents and takes no space") { store, _ in
                for expectedLength in [nil, 0] as [Int64?] {
                    let writer = try await store.openWriter(expectedLength: expectedLength)
                    try await writer.append(ByteBuffer())
                    try requireEqual(try await writer.seal(), [], "extents of an empty body")
                }
                try requireEqual(store.usage().usedBytes, 0, "used bytes")
                try requireEqual(store.usage().reservedBytes, 0, "reserved bytes")
            },
            ExtentContractCase("pieces of every shape make the same body") { store, _ in
                let bytes = patternBytes(seed: 7, count: 1_300_007)
                let shapes: [[Int]] = [
                    [1 << 20], [262_144], [262_143, 1], [1, 65_535, 3], [4096], [999], [2_000_000],
                ]
                for pieces in shapes {
                    for isLengthKnown in [true, false] {
                        let extents = try await store.store(bytes, pieces: pieces, isLengthKnown: isLengthKnown)
                        try require(try await store.bytes(of: extents) == bytes, "pieces of \(pieces) differ")
                    }
                }
            },
            ExtentContractCase("checksums are those of the reference") { store, _ in
                for length in [1, 127, 128, 129, 300_000] {
                    let bytes = patternBytes(seed: 3, count: length)
                    let extents = try await store.store(bytes)
                    try requireEqual(extents.map(\.crc64), [referenceCRC64(bytes)], "checksum of \(length) bytes")
                }
            },
            ExtentContractCase("the observer sees all bytes in order before seal returns") { store, _ in
                let bytes = patternBytes(seed: 11, count: 900_001)
                for isLengthKnown in [true, false] {
                    let seen = Locked<[UInt8]>([])
                    _ = try await store.store(bytes, pieces: [70_000, 13], isLengthKnown: isLengthKnown) { piece in
                        seen.withLock { $0.append(contentsOf: piece) }
                    }
                    try require(seen.withLock { $0 } == bytes, "the observer saw other bytes")
                }
            },
            ExtentContractCase("a body shorter or longer than announced is stored as it is") { store, _ in
                for announced in [10, 400_000] as [Int64] {
                    let bytes = patternBytes(seed: 5, count: 100_000)
                    let before = store.usage()
                    let writer = try await store.openWriter(expectedLength: announced)
                    try await writer.append(ByteBuffer(bytes: bytes))
                    let extents = try await writer.seal()
                    try require(try await store.bytes(of: extents) == bytes, "bytes differ")
                    try requireEqual(store.usage().reservedBytes, 0, "reserved bytes")
                    try await store.free(extents)
                    try requireEqual(store.usage(), before, "usage after free")
                }
            },
            ExtentContractCase("many bodies at once keep their bytes apart") { store, _ in
                let stored = try await storeConcurrently(count: 60, in: store)
                for (seed, extents) in stored {
                    try require(
                        try await store.bytes(of: extents) == concurrentBody(seed), "body \(seed) differs")
                }
                let ids = stored.flatMap { $0.1.map(\.id) }
                try requireEqual(Set(ids).count, ids.count, "distinct ids")
                try checkDisjoint(stored.flatMap(\.1))
            },
        ]
    }

    private static func concurrentBody(_ seed: Int) -> [UInt8] {
        patternBytes(seed: UInt64(seed), count: 1 + (seed * 37_813) % 500_000)
    }

    private static func storeConcurrently(
        count: Int, in store: any ExtentStore
    ) async throws -> [(Int, [Extent])] {
        try await withThrowingTaskGroup(of: (Int, [Extent]).self) { group in
            for seed in 0..<count {
                group.addTask {
                    (seed, try await store.store(concurrentBody(seed), pieces: [30_011], isLengthKnown: seed % 2 == 0))
                }
            }
            var all: [(Int, [Extent])] = []
            for try await stored in group { all.append(stored) }
            return all
        }
    }

    private static func checkShape(_ extents: [Extent], of bytes: [UInt8], maximum: Int) throws {
        try requireEqual(extents.map(\.length).reduce(0, +), bytes.count, "total length")
        for extent in extents {
            try require(1...maximum ~= extent.length, "an extent of \(extent.length) bytes")
        }
    }

    static func checkDisjoint(_ extents: [Extent]) throws {
        let ordered = extents.sorted { $0.id < $1.id }
        for (left, right) in zip(ordered, ordered.dropFirst()) where left.id.group == right.id.group {
            try require(
                left.id.position + UInt64(left.length) <= right.id.position, "extents overlap: \(left), \(right)")
        }
    }
}
