package import StorageModel

/// Every operation that the Blob protocol can ask for, with the names it is about.
package enum Operation: Hashable, Sendable {
    case preflight
    case service(ServiceOperation)
    case container(ContainerName, ContainerOperation)
    case blob(ContainerName, BlobName, BlobOperation)
    /// Known to the protocol and out of this node's scope: refused with its documented code, once authenticated.
    case unsupported(UnsupportedFeature)
}

package enum ServiceOperation: Hashable, Sendable, CaseIterable {
    case listContainers
    case getProperties, setProperties
    case getStats
    case getAccountInformation
    case getUserDelegationKey
    case findBlobsByTags
    case submitBatch
}

package enum ContainerOperation: Hashable, Sendable, CaseIterable {
    case create, delete
    case getProperties
    case getMetadata, setMetadata
    case getACL, setACL
    case lease
    case listBlobs
    case findBlobsByTags
    case submitBatch
    case getAccountInformation
}

package enum BlobOperation: Hashable, Sendable, CaseIterable {
    case get
    case getProperties, setProperties
    case getMetadata, setMetadata
    case getTags, setTags
    case setTier
    case put
    case putFromURL
    case copy, copyFromURL, abortCopy
    case putBlock, putBlockFromURL
    case putBlockList, getBlockList
    case delete
    case lease
    case getAccountInformation
}

package enum UnsupportedFeature: Hashable, Sendable, CaseIterable {
    case snapshot
    case undelete
    case query
    case expiry
    case immutability
    case appendBlob
    case pageBlob
    case renameContainer
    /// The operations of the DFS endpoint. Clients ask to learn whether the account has a hierarchical namespace.
    case hierarchicalNamespace
}
