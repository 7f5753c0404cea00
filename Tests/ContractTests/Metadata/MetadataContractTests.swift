import Metadata
import MetadataRocks
import StorageModel
import StorageTestKit
import Testing

@Suite("Metadata contract")
struct MetadataContractTests {
    @Test("in memory", arguments: MetadataContract.cases)
    func inMemory(_ contract: MetadataContractCase) async throws {
        let last = Locked<InMemoryMetadataStore?>(nil)
        let paths = Locked(0)
        try await contract.run(
            MetadataFixture(
                open: {
                    last.withLock { last in
                        let store = last?.crashed() ?? InMemoryMetadataStore()
                        last = store
                        return store
                    }
                },
                openCheckpoint: { directory in
                    try #require(last.withLock { $0 }?.openCheckpoint(directory))
                },
                unusedPath: {
                    paths.withLock { count in
                        count += 1
                        return "checkpoint-\(count)"
                    }
                }))
    }

    @Test("RocksDB", arguments: MetadataContract.cases)
    func rocksDB(_ contract: MetadataContractCase) async throws {
        try await withTemporaryDirectory { directory in
            try await contract.run(Self.rocksFixture(in: directory))
        }
    }

    @Test("RocksDB with small buffers, caches and batches", arguments: MetadataContract.cases)
    func smallRocksDB(_ contract: MetadataContractCase) async throws {
        var options = RocksOptions()
        options.writeBufferBytes = 64 << 10
        options.blockCacheBytes = 64 << 10
        options.batchTransactions = 3
        options.batchBytes = 1_000
        options.windowCommits = 64
        options.durability = .relaxed
        try await withTemporaryDirectory { [options] directory in
            try await contract.run(Self.rocksFixture(in: directory, options))
        }
    }

    @Test("a wrapper that lets nothing fail", arguments: MetadataContract.cases)
    func faulty(_ contract: MetadataContractCase) async throws {
        let last = Locked<InMemoryMetadataStore?>(nil)
        try await contract.run(
            MetadataFixture(
                open: {
                    last.withLock { last in
                        let store = last?.crashed() ?? InMemoryMetadataStore()
                        last = store
                        return FaultyMetadataStore(store)
                    }
                },
                openCheckpoint: { try #require(last.withLock { $0 }?.openCheckpoint($0)) },
                unusedPath: { "checkpoint" }))
    }

    static func rocksFixture(in directory: String, _ options: RocksOptions = RocksOptions()) -> MetadataFixture {
        let paths = Locked(0)
        return MetadataFixture(
            open: { try RocksMetadataStore.open(directory: directory + "/store", options: options) },
            openCheckpoint: { try RocksMetadataStore.open(directory: $0, options: options) },
            unusedPath: {
                paths.withLock { count in
                    count += 1
                    return directory + "/copy-\(count)"
                }
            })
    }
}
