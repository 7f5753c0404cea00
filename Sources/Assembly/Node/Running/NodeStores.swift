import Access
package import Extents
import ExtentsLocal
package import Metadata
package import MetadataRocks
package import Namespace
package import StorageModel

/// The two stores of a node under one data directory: `metadata/` and `extents/`.
package struct NodeStores: Sendable {
    package let metadata: any MetadataStore
    package let extents: any ExtentStore
    let extentStoreID: String
    let rocks: RocksMetadataStore

    /// Blocks: opening recovers what the last run left.
    /// - Parameter onMetadataHealth: hears when the metadata store stops and starts again to take writes.
    package static func open(
        _ configuration: NodeConfiguration, world: World,
        onMetadataHealth: @escaping @Sendable (RocksHealth) -> Void = { _ in }
    ) throws(StorageFailure) -> NodeStores {
        try DataDirectory.make(configuration.dataDirectory)
        var extentOptions = LocalExtentOptions()
        extentOptions.budgetBytes = configuration.capacityBytes
        extentOptions.durability = configuration.durability == .synced ? .synced : .relaxed
        // The extent store first: its lock keeps a second process out before anything is recovered.
        let extents = try LocalExtentStore.open(
            directory: configuration.dataDirectory + "/extents", options: extentOptions, world: world)
        var metadataOptions = RocksOptions()
        metadataOptions.durability = configuration.durability == .synced ? .synced : .relaxed
        metadataOptions.blockCacheBytes = Int(configuration.blockCacheBytes)
        let metadata = try RocksMetadataStore.open(
            directory: configuration.dataDirectory + "/metadata", options: metadataOptions,
            onHealthChange: onMetadataHealth)
        return NodeStores(
            metadata: metadata, extents: extents, extentStoreID: extents.storeID, rocks: metadata)
    }

    /// For checks of a store that no node has open.
    package static func openForChecking(dataDirectory: String, world: World) throws(StorageFailure) -> NodeStores {
        let extents = try LocalExtentStore.openReadOnly(directory: dataDirectory + "/extents", world: world)
        let metadata = try RocksMetadataStore.openReadOnly(directory: dataDirectory + "/metadata")
        return NodeStores(
            metadata: metadata, extents: extents, extentStoreID: extents.storeID, rocks: metadata)
    }

    /// Checks records, and bytes unless left out, and that both belong together.
    /// - Parameter progress: called now and then with the extents verified so far and their number.
    package func check(
        verifiesBytes: Bool, progress: @Sendable (_ done: Int, _ of: Int) -> Void
    ) async throws(StorageFailure) -> StoreCheckReport {
        var report = try await StoreCheck(metadata: metadata, extents: extents, extentStoreID: extentStoreID)
            .run(verifiesBytes: verifiesBytes, progress: progress)
        for (subject, text) in try await StoredAccess.damage(in: metadata) {
            report.add(.damagedRecord, subject, text)
        }
        return report
    }

    package func close() async {
        await metadata.close()
        await extents.close()
    }
}
