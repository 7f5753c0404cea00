import Extents
import NIOCore
import StorageModel

extension ExtentContract {
    static var sweepCases: [ExtentContractCase] {
        [
            ExtentContractCase("keepOnly keeps exactly what lives") { store, fixture in
                var store = store
                for seed in 1...6 as ClosedRange<UInt64> { store = try await sweepRandomly(store, fixture, seed: seed) }
                await store.close()
            },
            ExtentContractCase("what was freed before the sweep does not count as live") { store, fixture in
                var extents: [Extent] = []
                for seed in 0..<4 { extents += try await store.store(patternBytes(seed: UInt64(seed), count: 9000)) }
                let store = try await fixture.reopen(store)
                try await store.free([extents[1]])
                for (group, live) in grouped(extents) { _ = try await store.keepOnly(live, inGroup: group) }
                try requireEqual(store.usage().usedBytes, 3 * padded(9000), "used bytes")
                try await store.free([extents[0], extents[2], extents[3]])
                try requireEqual(store.usage().usedBytes, 0, "used bytes at the end")
                await store.close()
            },
            ExtentContractCase("groups in use are not closed, and not swept") { store, fixture in
                let extent = try await store.store([1, 2, 3])[0]
                try requireEqual(try await store.closedGroups(), [], "closed groups")
                try requireEqual(
                    try await failureCode("keepOnly") { () async throws(StorageFailure) in
                        try await store.keepOnly([extent], inGroup: extent.id.group)
                    }, .invalidInput, "code")
                let store = try await fixture.reopen(store)
                try requireEqual(try await store.closedGroups(), [extent.id.group], "closed groups")
                await store.close()
            },
            ExtentContractCase("live extents out of order are refused before anything is freed") { store, fixture in
                let first = try await store.store([1, 2, 3])[0]
                let second = try await store.store([4, 5, 6])[0]
                let store = try await fixture.reopen(store)
                for live in [[second, first], [first, first]] {
                    try requireEqual(
                        try await failureCode("keepOnly") { () async throws(StorageFailure) in
                            try await store.keepOnly(live, inGroup: first.id.group)
                        }, .invalidInput, "code")
                }
                try require(try await store.bytes(of: [first, second]) == [1, 2, 3, 4, 5, 6], "bytes differ")
                await store.close()
            },
        ]
    }

    static var damageCases: [ExtentContractCase] {
        [
            ExtentContractCase("a flipped byte is found by the first read after a restart, and by verify") {
                store, fixture in
                var store = store
                for (length, offset) in [(1, 0), (9000, 0), (9000, 8999), (300_000, 262_150)] {
                    let extent = try await store.store(patternBytes(seed: 9, count: length))[0]
                    await store.close()
                    try await fixture.corrupt(extent, offset)
                    store = try await fixture.open(ExtentContractCase.budgetBytes)
                    try await requireDamaged(extent, in: store)
                }
                await store.close()
            },
            ExtentContractCase("damage in one extent leaves the others sound") { store, fixture in
                let bytes = patternBytes(seed: 10, count: 9000)
                let sound = try await store.store(bytes)
                let damaged = try await store.store(bytes)[0]
                await store.close()
                try await fixture.corrupt(damaged, 4500)
                let store = try await fixture.open(ExtentContractCase.budgetBytes)
                try await requireDamaged(damaged, in: store)
                try require(try await store.bytes(of: sound) == bytes, "the sound extent differs")
                await store.close()
            },
            ExtentContractCase("verify tells sound from wrong and from missing") { store, _ in
                let extent = try await store.store(patternBytes(seed: 12, count: 70_000))[0]
                try requireEqual(try await store.verify(extent), .sound, "health")
                var other = extent
                other.crc64 ^= 1
                try requireEqual(
                    try await store.verify(other), .checksumMismatch(computed: extent.crc64), "health")
                other.id.group += 1_000_000
                try requireEqual(try await store.verify(other), .missing, "health")
            },
        ]
    }

    static var lifeCases: [ExtentContractCase] {
        [
            ExtentContractCase("bytes and usage survive a restart") { store, fixture in
                let bytes = patternBytes(seed: 30, count: 2_000_000)
                let extents = try await store.store(bytes)
                let used = store.usage().usedBytes
                let store = try await fixture.reopen(store)
                for (group, live) in grouped(extents) { _ = try await store.keepOnly(live, inGroup: group) }
                try requireEqual(store.usage().usedBytes, used, "used bytes")
                try require(try await store.bytes(of: extents) == bytes, "bytes differ")
                await store.close()
            },
            ExtentContractCase("ids are never used twice, not after free and not after a restart") {
                store, fixture in
                var store = store
                var seen: Set<ExtentID> = []
                for round in 0..<5 {
                    var extents: [Extent] = []
                    for _ in 0..<6 { extents += try await store.store(patternBytes(seed: 1, count: 5000)) }
                    let ids = extents.map(\.id)
                    try require(seen.isDisjoint(with: ids), "an id came again in round \(round)")
                    seen.formUnion(ids)
                    if round % 2 == 0 { try await store.free(extents) }
                    store = try await fixture.reopen(store)
                    for group in try await store.closedGroups() { _ = try await store.keepOnly([], inGroup: group) }
                    try requireEqual(store.usage().usedBytes, 0, "used bytes")
                }
                await store.close()
            },
            ExtentContractCase("a closed store refuses everything") { store, _ in
                let extent = try await store.store([1, 2, 3])[0]
                let sink = try await store.openSink(expectedLength: nil, observer: nil)
                await store.close()
                await store.close()
                let attempts: [(String, () async throws(StorageFailure) -> Void)] = [
                    (
                        "openSink",
                        { () async throws(StorageFailure) in
                            _ = try await store.openSink(expectedLength: 1, observer: nil)
                        }
                    ),
                    ("append", { () async throws(StorageFailure) in try await sink.append(ByteBuffer(bytes: [1])) }),
                    ("seal", { () async throws(StorageFailure) in _ = try await sink.seal() }),
                    (
                        "spans",
                        { () async throws(StorageFailure) in _ = try await store.spans(of: extent, range: 0..<1) }
                    ),
                    ("read", { () async throws(StorageFailure) in _ = try await store.read(extent, range: 0..<1) }),
                    ("free", { () async throws(StorageFailure) in try await store.free([extent]) }),
                    ("closedGroups", { () async throws(StorageFailure) in _ = try await store.closedGroups() }),
                    ("keepOnly", { () async throws(StorageFailure) in _ = try await store.keepOnly([], inGroup: 1) }),
                    ("verify", { () async throws(StorageFailure) in _ = try await store.verify(extent) }),
                ]
                for (name, attempt) in attempts {
                    try requireEqual(try await failureCode(name, of: attempt), .unavailable, "code of \(name)")
                }
                await sink.discard()
            },
        ]
    }

    static func grouped(_ extents: [Extent]) -> [UInt64: [Extent]] {
        Dictionary(grouping: extents.sorted { $0.id < $1.id }, by: \.id.group)
    }

    private static func requireDamaged(_ extent: Extent, in store: any ExtentStore) async throws {
        let range = 0..<extent.length
        // Twice: the first refusal must not make the second reader trust the bytes.
        for _ in 0..<2 {
            try requireEqual(
                try await failureCode("spans") { () async throws(StorageFailure) in
                    try await store.spans(of: extent, range: range)
                }, .damaged, "code")
            try requireEqual(
                try await failureCode("read") { () async throws(StorageFailure) in
                    try await store.read(extent, range: 0..<1)
                }, .damaged, "code")
        }
        guard case .checksumMismatch = try await store.verify(extent) else {
            throw ContractViolation("verify does not see the damage")
        }
    }

    /// Stores bodies, restarts, lets a random part live, and compares what is left. Answers the open store.
    private static func sweepRandomly(
        _ store: any ExtentStore, _ fixture: ExtentFixture, seed: UInt64
    ) async throws -> any ExtentStore {
        var numbers = SeededNumbers(seed: seed)
        var bodies: [(bytes: [UInt8], extents: [Extent])] = []
        for index in 0..<30 {
            let bytes = patternBytes(
                seed: seed * 1000 + UInt64(index), count: Int.random(in: 1...90_000, using: &numbers))
            bodies.append((bytes, try await store.store(bytes, isLengthKnown: index % 2 == 0)))
        }
        let usedAfter = store.usage().usedBytes
        let store = try await fixture.reopen(store)
        try require(store.usage().usedBytes >= usedAfter, "usage fell by the restart")
        let live = bodies.filter { _ in Bool.random(using: &numbers) }
        let byGroup = grouped(live.flatMap(\.extents))
        for _ in 0..<2 {
            for group in try await store.closedGroups() {
                _ = try await store.keepOnly(byGroup[group] ?? [], inGroup: group)
            }
            let expected = live.flatMap(\.extents).map { padded($0.length) }.reduce(0, +)
            try requireEqual(store.usage().usedBytes, expected, "used bytes after the sweep of seed \(seed)")
        }
        for body in live { try require(try await store.bytes(of: body.extents) == body.bytes, "a live body differs") }
        let liveIDs = Set(live.flatMap(\.extents).map(\.id))
        for extent in bodies.flatMap(\.extents) where !liveIDs.contains(extent.id) {
            try require(try await store.verify(extent) != .sound, "a swept extent is still there")
        }
        for body in live { try await store.free(body.extents) }
        try requireEqual(store.usage().usedBytes, 0, "used bytes at the end")
        return store
    }
}
