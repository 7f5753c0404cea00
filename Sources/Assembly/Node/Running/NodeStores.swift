package import Extents
import ExtentsLocal
import FoundationEssentials
package import Metadata
import MetadataRocks
package import StorageModel

/// The two stores of a node under one data directory: `metadata/` and `extents/`.
package struct NodeStores: Sendable {
    package let metadata: any MetadataStore
    package let extents: any ExtentStore
    let extentStoreID: String
    let rocks: RocksMetadataStore

    /// Blocks: opening recovers what the last run left.
    package static func open(_ configuration: NodeConfiguration, world: World) throws(StorageFailure) -> NodeStores {
        do {
            try FileManager.default.createDirectory(
                atPath: configuration.dataDirectory, withIntermediateDirectories: true)
        } catch {
            throw StorageFailure(
                .unavailable, detail: "The data directory cannot be made.", cause: "\(error)")
        }
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
            directory: configuration.dataDirectory + "/metadata", options: metadataOptions)
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

    package func close() async {
        await metadata.close()
        await extents.close()
    }
}
