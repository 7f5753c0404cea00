package import Namespace
package import StorageModel

/// The namespace as plain dictionaries: what every request must answer and what must be visible afterwards. Written from
/// the fact sheets and not from the code that it is held against.
package struct ModelStore: Sendable {
    package struct Blob: Sendable {
        package var bytes: [UInt8]
        /// What Put Block List made it of; empty for a blob that was put whole.
        package var blocks: [(id: String, bytes: [UInt8])] = []
        package var version: Version
        package var createdOn: Timestamp
        package var lastModified: Timestamp
        package var headers: ContentHeaders
        package var metadata: UserMetadata
        package var tags: Tags
        package var tier: AccessTier?
        package var rehydration: (target: AccessTier, due: Timestamp)?
        package var lease: ModelLease?
        package var showsCopy = false

        package var isDirectory: Bool { bytes.isEmpty && metadata.marksDirectory }
    }

    package struct Staged: Sendable {
        package var blocks: [String: [UInt8]] = [:]
        package var createdOn: Timestamp
        package var lastWrite: Timestamp
    }

    package struct Container: Sendable {
        package var version: Version
        package var lastModified: Timestamp
        package var metadata: UserMetadata
        package var lease: ModelLease?
        package var blobs: [BlobName: Blob] = [:]
        package var staged: [BlobName: Staged] = [:]
    }

    package var containers: [ContainerName: Container] = [:]
    package var now: Timestamp

    package init(now: Timestamp) { self.now = now }
}

package enum ModelOperation: Sendable {
    case createContainer(ContainerName, UserMetadata)
    case deleteContainer(ContainerName, Guard)
    case setContainerMetadata(ContainerName, UserMetadata, Guard)
    case leaseContainer(ContainerName, LeaseAction)
    case putBlob(ModelAddress, [UInt8], BlobAttributes, Guard)
    case putBlock(ModelAddress, id: String, [UInt8], LeaseID?)
    case commit(ModelAddress, [BlockListEntry], BlobAttributes, Guard)
    case setProperties(ModelAddress, ContentHeaders, Guard)
    case setMetadata(ModelAddress, UserMetadata, Guard)
    case setTags(ModelAddress, Tags, Guard)
    case setTier(ModelAddress, AccessTier, Guard)
    case delete(ModelAddress, Guard)
    case leaseBlob(ModelAddress, LeaseAction, Conditions)
    case copy(ModelAddress, CopyRequest, Guard)
    case slice(ModelAddress, id: String, from: ModelAddress, RangeRequest?, LeaseID?)
    case advance(seconds: Int64)
    case reap
    case expire
}

package struct ModelAddress: Hashable, Sendable {
    package var container: ContainerName
    package var blob: BlobName
    package init(container: ContainerName, blob: BlobName) {
        self.container = container
        self.blob = blob
    }
}

/// What a request answered, as far as the model cannot know it beforehand.
package struct ModelReceipt: Sendable {
    package var version: Version?
    package var lease: LeaseID?
    package init(version: Version? = nil, lease: LeaseID? = nil) {
        self.version = version
        self.lease = lease
    }
}
