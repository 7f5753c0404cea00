import Extents
import NIOCore
import StorageModel

extension ExtentContract {
    static var spaceCases: [ExtentContractCase] {
        [
            ExtentContractCase("free returns usage to exactly what it was") { store, _ in
                let before = store.usage()
                var kept: [[Extent]] = []
                for (index, length) in [1, 4096, 5000, 700_000, 12_345].enumerated() {
                    kept.append(
                        try await store.store(
                            patternBytes(seed: 1, count: length), isLengthKnown: index % 2 == 0))
                }
                let expected = kept.joined().map { padded($0.length) }.reduce(0, +)
                try requireEqual(store.usage().usedBytes - before.usedBytes, expected, "used bytes")
                try requireEqual(store.usage().reservedBytes, 0, "reserved bytes")
                for extents in kept { try await store.free(extents) }
                try requireEqual(store.usage(), before, "usage after free")
            },
            ExtentContractCase("neighbours of what was freed are untouched") { store, _ in
                var bodies: [([UInt8], [Extent])] = []
                for seed in 0..<24 {
                    let bytes = patternBytes(seed: UInt64(seed), count: 3000 + seed * 977)
                    bodies.append((bytes, try await store.store(bytes)))
                }
                try await store.free(bodies.enumerated().filter { $0.offset % 3 != 0 }.flatMap { $0.element.1 })
                for (index, body) in bodies.enumerated() where index % 3 == 0 {
                    try require(try await store.bytes(of: body.1) == body.0, "body \(index) differs")
                    try requireEqual(try await store.verify(body.1[0]), .sound, "health of body \(index)")
                }
            },
            ExtentContractCase("discard leaves usage as before") { store, _ in
                _ = try await store.store(patternBytes(seed: 1, count: 10_000))
                let before = store.usage()
                for expectedLength in [nil, 0, 50_000, 3_000_000] as [Int64?] {
                    for count in [0, 1, 2_500_000] {
                        let writer = try await store.openWriter(expectedLength: expectedLength)
                        if count > 0 { try await writer.append(ByteBuffer(repeating: 7, count: count)) }
                        await writer.discard()
                        try requireEqual(store.usage(), before, "usage after discard of \(count)")
                    }
                }
            },
            ExtentContractCase("a known length is promised at once", budgetBytes: 1 << 20) { store, _ in
                let writer = try await store.openWriter(expectedLength: 600_000)
                try requireEqual(store.usage().reservedBytes, padded(600_000), "reserved bytes")
                try requireEqual(
                    try await failureCode("a second body") { () async throws(StorageFailure) in
                        try await store.openSink(expectedLength: 600_000, observer: nil)
                    }, .outOfSpace, "code")
                try requireEqual(store.usage().reservedBytes, padded(600_000), "reserved bytes after the refusal")
                await writer.discard()
                try requireEqual(store.usage().reservedBytes, 0, "reserved bytes after discard")
            },
            ExtentContractCase("the budget's last byte can be used, not one more", budgetBytes: 1 << 20) { store, _ in
                let extents = try await store.store(patternBytes(seed: 2, count: 1 << 20))
                try requireEqual(store.usage().usedBytes, 1 << 20, "used bytes")
                try requireEqual(
                    try await failureCode("one byte more") { () async throws(StorageFailure) in
                        try await store.store([1])
                    }, .outOfSpace, "code")
                try await store.free(extents)
                _ = try await store.store([1])
            },
            ExtentContractCase("an unannounced body over the budget is refused and gone", budgetBytes: 1 << 20) {
                store, _ in
                let code = try await failureCode("2 MiB") { () async throws(StorageFailure) in
                    try await store.store(patternBytes(seed: 2, count: 2 << 20), isLengthKnown: false)
                }
                try requireEqual(code, .outOfSpace, "code")
                try requireEqual(
                    store.usage(), ExtentUsage(usedBytes: 0, reservedBytes: 0, budgetBytes: 1 << 20), "usage")
                let bytes = patternBytes(seed: 3, count: 1_000_000)
                let extents = try await store.store(bytes, isLengthKnown: false)
                try require(try await store.bytes(of: extents) == bytes, "bytes differ")
            },
            ExtentContractCase("too many bodies are refused as busy") { store, fixture in
                var sinks: [any ExtentSink] = []
                for _ in 0..<fixture.maximumSinks {
                    sinks.append(try await store.openSink(expectedLength: nil, observer: nil))
                }
                let code = try await failureCode("one more") { () async throws(StorageFailure) in
                    try await store.openSink(expectedLength: nil, observer: nil)
                }
                guard case .busy = code else { throw ContractViolation("\(code) instead of busy") }
                await sinks[0].discard()
                sinks[0] = try await store.openSink(expectedLength: nil, observer: nil)
                for sink in sinks { await sink.discard() }
            },
            ExtentContractCase("a negative length is refused") { store, _ in
                try requireEqual(
                    try await failureCode("a length of -1") { () async throws(StorageFailure) in
                        try await store.openSink(expectedLength: -1, observer: nil)
                    }, .invalidInput, "code")
            },
        ]
    }

    /// Extents occupy whole blocks of 4 KiB.
    static func padded(_ length: Int) -> Int64 { Int64((length + 4095) / 4096 * 4096) }
}
