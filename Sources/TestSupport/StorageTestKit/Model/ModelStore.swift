package import StorageModel

/// The namespace as plain dictionaries: what every request must answer and what must be visible afterwards. Written from
/// the fact sheets and not from the code that it is held against.
package struct ModelStore: Hashable, Sendable {
    package struct Block: Hashable, Sendable {
        package var id: String
        package var bytes: [UInt8]
    }

    package struct PendingTier: Hashable, Sendable {
        package var target: AccessTier
        package var due: Timestamp
    }

    package struct Blob: Hashable, Sendable {
        package var bytes: [UInt8]
        /// What Put Block List made it of; empty for a blob that was put whole.
        package var blocks: [Block] = []
        package var version: Version
        package var createdOn: Timestamp
        package var lastModified: Timestamp
        package var headers: ContentHeaders
        package var metadata: UserMetadata
        package var tags: Tags
        package var tier: AccessTier?
        package var rehydration: PendingTier?
        package var lease: ModelLease?
        package var showsCopy = false

        package var isDirectory: Bool { bytes.isEmpty && metadata.marksDirectory }
    }

    package struct Staged: Hashable, Sendable {
        package var blocks: [String: [UInt8]] = [:]
        package var createdOn: Timestamp
        package var lastWrite: Timestamp
    }

    package struct Container: Hashable, Sendable {
        package var version: Version
        package var lastModified: Timestamp
        package var metadata: UserMetadata
        package var lease: ModelLease?
        package var blobs: [BlobName: Blob] = [:]
        package var staged: [BlobName: Staged] = [:]
    }

    package var containers: [ContainerName: Container] = [:]
    package var now: Timestamp
    /// Versions are drawn in the order of commits: whatever is written next gets a newer one than this.
    package var newest = Version(0)

    package init(now: Timestamp) { self.now = now }
}
