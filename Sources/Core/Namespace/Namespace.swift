package import Extents
package import Logging
package import Metadata
package import StorageModel

/// Names, and every rule about them, once: containers, blobs, staged blocks, conditions, leases, listing, the change log.
///
/// Names point to manifests, manifests to extents. A write stores its bytes first and names them in one transaction that
/// checks the conditions, writes the records and appends to the change log. Protocols call one method for one request.
package final class Namespace: Sendable {
    let metadata: any MetadataStore
    let extents: any ExtentStore
    let world: World
    let configuration: Configuration
    let logger: Logger
    let readers = ReaderRegistry()
    let trashSignal = Signal()

    package typealias AccountExists = @Sendable (AccountName, any MetadataReader) throws(StorageFailure) -> Bool

    package struct Configuration: Sendable {
        /// Bodies up to this many bytes are stored in the metadata store, with their name, in one synced write.
        package var inlineLimit = 16 * 1024
        /// Read blobs in the Archive tier as if they were online.
        package var servesArchived = false
        /// How long a blob stays pending when it leaves the Archive tier. Its bytes are here all the time: the delay
        /// exists for clients that expect to see it.
        package var rehydrationSeconds: Int64 = 10
        package var uncommittedLifetimeSeconds = Limits.uncommittedBlockLifetimeSeconds
        /// Change log records older than this are dropped.
        package var changeLogRetentionSeconds: Int64 = 7 * 24 * 3600
        package var allowsPublicAccess: @Sendable (AccountName) -> Bool = { _ in false }
        /// Asked inside the transactions that give an account something of its own: what it reads joins what must not
        /// change before their commit, so that nothing is made in an account that is being removed.
        package var accountExists: AccountExists = { _, _ in true }
        package init() {}
    }

    package init(
        metadata: any MetadataStore, extents: any ExtentStore, world: World, configuration: Configuration,
        logger: Logger
    ) {
        self.metadata = metadata
        self.extents = extents
        self.world = world
        self.configuration = configuration
        self.logger = logger
    }
}
