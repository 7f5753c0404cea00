package import Namespace
package import StorageModel

/// What can be asked of a store, in the words of the core. The protocol over HTTP says the same with its own.
package enum ModelOperation: Sendable {
    case createContainer(ContainerName, UserMetadata)
    case deleteContainer(ContainerName, Guard)
    case setContainerMetadata(ContainerName, UserMetadata, Guard)
    case leaseContainer(ContainerName, LeaseAction, Conditions)
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
    case read(ModelRead)
    /// Deletions or tier changes of different blobs in one request; each part succeeds or is refused for itself.
    case batch([ModelOperation])
    case advance(seconds: Int64)
    case reap
    case expire
}

package enum ModelRead: Sendable {
    case get(ModelAddress, RangeRequest?, Guard)
    case head(ModelAddress, Guard)
    case tags(ModelAddress, Guard)
    case blocks(ModelAddress, BlockListKind, Guard)
    case container(ContainerName, LeaseID?)
    case containers(prefix: String, limit: Int, ModelPosition?)
    case list(ContainerName, ModelListing)
    /// All pages of a search, in the whole account or in one container.
    case find(ContainerName?, TagFilter, limit: Int)
}

/// One page of a listing of blobs.
package struct ModelListing: Sendable {
    package var prefix = ""
    package var delimiter: String?
    package var startFrom: String?
    package var limit = 5_000
    package var showsUncommitted = false
    package var showsMetadata = false
    package var showsTags = false
    package var showsCopies = false
    package var position: ModelPosition?
    package init() {}
}

/// Where a listing goes on: the first name that is looked at, as the model has it, and the marker that the store gave.
package struct ModelPosition: Sendable {
    package var name: [UInt8]
    package var token: String
    package init(name: [UInt8], token: String) {
        self.name = name
        self.token = token
    }
}

package struct ModelAddress: Hashable, Sendable {
    package var container: ContainerName
    package var blob: BlobName
    package init(container: ContainerName, blob: BlobName) {
        self.container = container
        self.blob = blob
    }
}

/// What a request that succeeded answered. What an operation has no answer for is absent.
package struct ModelReceipt: Hashable, Sendable {
    package var version: Version?
    /// Last-Modified in whole seconds.
    package var modified: Int64?
    package var lease: LeaseID?
    /// Of a lease that was broken: seconds until it ends.
    package var remaining: Int?
    /// Of Set Tier: the blob is on its way out of the Archive tier.
    package var isPending: Bool?
    package var seen: ModelSight?
    /// The marker of the next page. Opaque: that there is one is compared, not its text.
    package var token: String?
    package var parts: [ModelOutcome] = []
    package init(version: Version? = nil, lease: LeaseID? = nil) {
        self.version = version
        self.lease = lease
    }
}

/// How a store refused, in its own words: the core's code, or HTTP status and error code.
package struct ModelRefusal: Hashable, Sendable, CustomStringConvertible {
    package var text: String
    package init(_ text: String) { self.text = text }
    package var description: String { text }
}

package enum ModelOutcome: Hashable, Sendable {
    case done(ModelReceipt)
    case refused(ModelRefusal)

    package var receipt: ModelReceipt {
        if case .done(let receipt) = self { receipt } else { ModelReceipt() }
    }
}

/// What the model says that an answer must be.
package enum ModelAnswer: Sendable {
    case done(ModelReceipt)
    case refused(StorageFailure.Code)
    case parts([ModelAnswer])
}
