import Extents
import NIOCore
import StorageModel

extension ExtentContract {
    static var readCases: [ExtentContractCase] {
        [
            ExtentContractCase("ranges at every edge") { store, _ in
                for length in [1, 5000, 300_001] {
                    let bytes = patternBytes(seed: 21, count: length)
                    let extent = try await store.store(bytes)[0]
                    for range in edgeRanges(length) {
                        try require(
                            try await store.bytes(of: extent, range: range) == Array(bytes[range]),
                            "\(range) of \(length) differs")
                    }
                }
            },
            ExtentContractCase("an empty range has no bytes") { store, _ in
                let extent = try await store.store([1, 2, 3])[0]
                for position in 0...3 {
                    try requireEqual(
                        try await store.read(extent, range: position..<position).readableBytes, 0, "bytes")
                    try requireEqual(
                        try await store.spans(of: extent, range: position..<position).count, 0, "spans")
                }
            },
            ExtentContractCase("a range beyond the extent is refused") { store, _ in
                let extent = try await store.store([1, 2, 3])[0]
                for range in [0..<4, 3..<4, 5..<6, -1..<2] {
                    try requireEqual(
                        try await failureCode("read \(range)") { () async throws(StorageFailure) in
                            try await store.read(extent, range: range)
                        }, .invalidInput, "code")
                    try requireEqual(
                        try await failureCode("spans \(range)") { () async throws(StorageFailure) in
                            try await store.spans(of: extent, range: range)
                        }, .invalidInput, "code")
                }
            },
            ExtentContractCase("many readers at once, right after a restart") { store, fixture in
                let bytes = patternBytes(seed: 22, count: 500_000)
                let extents = try await store.store(bytes)
                let store = try await fixture.reopen(store)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<40 {
                        group.addTask {
                            try require(try await store.bytes(of: extents) == bytes, "a reader got other bytes")
                        }
                    }
                    try await group.waitForAll()
                }
                await store.close()
            },
            ExtentContractCase("spans outlive the store's interest in the file") { store, _ in
                let bytes = patternBytes(seed: 23, count: 10_000)
                let extent = try await store.store(bytes)[0]
                let spans = try await store.spans(of: extent, range: 0..<10_000)
                await store.close()
                try requireEqual(spans.map(\.length).reduce(0, +), 10_000, "length of the spans")
            },
        ]
    }

    private static func edgeRanges(_ length: Int) -> [Range<Int>] {
        let edges = Set([0, 1, 4095, 4096, 4097, length / 2, length - 1, length].filter { 0...length ~= $0 }).sorted()
        return edges.flatMap { lower in edges.filter { $0 > lower }.map { lower..<$0 } }
    }
}
