import HTTPExchange

extension Operation {
    /// The name in StorageBlobLogs.
    var auditName: String {
        switch self {
        case .preflight: "BlobPreflightRequest"
        case .service(let operation): operation.auditName
        case .container(_, let operation): operation.auditName
        case .blob(_, _, let operation): operation.auditName
        case .unsupported(let feature): feature.auditName
        }
    }

    var category: AuditFacts.Category {
        switch self {
        case .preflight: .read
        case .service(let operation): operation.writes ? .write : .read
        case .container(_, let operation): operation.category
        case .blob(_, _, let operation): operation.category
        case .unsupported: .write
        }
    }
}

extension ServiceOperation {
    fileprivate var writes: Bool {
        switch self {
        case .setProperties, .submitBatch: true
        case .listContainers, .getProperties, .getStats, .getAccountInformation, .getUserDelegationKey,
            .findBlobsByTags:
            false
        }
    }

    fileprivate var auditName: String {
        switch self {
        case .listContainers: "ListContainers"
        case .getProperties: "GetBlobServiceProperties"
        case .setProperties: "SetBlobServiceProperties"
        case .getStats: "GetBlobServiceStats"
        case .getAccountInformation: "GetAccountInformation"
        case .getUserDelegationKey: "GetUserDelegationKey"
        case .findBlobsByTags: "FindBlobsByTags"
        case .submitBatch: "BlobBatch"
        }
    }
}

extension ContainerOperation {
    fileprivate var category: AuditFacts.Category {
        switch self {
        case .create, .setMetadata, .setACL, .lease, .submitBatch: .write
        case .delete: .delete
        case .getProperties, .getMetadata, .getACL, .listBlobs, .findBlobsByTags, .getAccountInformation: .read
        }
    }

    fileprivate var auditName: String {
        switch self {
        case .create: "CreateContainer"
        case .delete: "DeleteContainer"
        case .getProperties: "GetContainerProperties"
        case .getMetadata: "GetContainerMetadata"
        case .setMetadata: "SetContainerMetadata"
        case .getACL: "GetContainerACL"
        case .setACL: "SetContainerACL"
        case .lease: "LeaseContainer"
        case .listBlobs: "ListBlobs"
        case .findBlobsByTags: "FindBlobsByTagsInContainer"
        case .submitBatch: "BlobBatch"
        case .getAccountInformation: "GetAccountInformation"
        }
    }
}

extension BlobOperation {
    fileprivate var category: AuditFacts.Category {
        switch self {
        case .get, .getProperties, .getMetadata, .getTags, .getBlockList, .getAccountInformation: .read
        case .setProperties, .setMetadata, .setTags, .setTier, .put, .putFromURL, .copy, .copyFromURL, .abortCopy,
            .putBlock, .putBlockFromURL, .putBlockList, .lease:
            .write
        case .delete: .delete
        }
    }

    fileprivate var auditName: String {
        switch self {
        case .get: "GetBlob"
        case .getProperties: "GetBlobProperties"
        case .setProperties: "SetBlobProperties"
        case .getMetadata: "GetBlobMetadata"
        case .setMetadata: "SetBlobMetadata"
        case .getTags: "GetBlobTags"
        case .setTags: "SetBlobTags"
        case .setTier: "SetBlobTier"
        case .put: "PutBlob"
        case .putFromURL: "PutBlobFromURL"
        case .copy: "CopyBlob"
        case .copyFromURL: "CopyBlobFromURL"
        case .abortCopy: "AbortCopyBlob"
        case .putBlock: "PutBlock"
        case .putBlockFromURL: "PutBlockFromURL"
        case .putBlockList: "PutBlockList"
        case .getBlockList: "GetBlockList"
        case .delete: "DeleteBlob"
        case .lease: "LeaseBlob"
        case .getAccountInformation: "GetAccountInformation"
        }
    }
}

extension UnsupportedFeature {
    fileprivate var auditName: String {
        switch self {
        case .snapshot: "SnapshotBlob"
        case .undelete: "UndeleteBlob"
        case .query: "QueryBlobContents"
        case .expiry: "SetBlobExpiry"
        case .immutability: "SetBlobImmutabilityPolicy"
        case .appendBlob: "AppendBlock"
        case .pageBlob: "PutPage"
        case .renameContainer: "RenameContainer"
        case .hierarchicalNamespace: "Unknown"
        }
    }
}
