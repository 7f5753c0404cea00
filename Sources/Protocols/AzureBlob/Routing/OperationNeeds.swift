import Access
import AzureWire
import StorageModel

// Which permissions an operation needs, of roles and of shared access signatures, and what is open to the public.
// Sources: "Create an account SAS", "Create a service SAS", "Permissions for calling blob data operations".

/// The parts of a request, beside its operation, that decide what it needs.
struct NeedHints: Sendable {
    /// What it says about tags: reading them by a condition or a listing, or writing them along.
    var readsTags = false
    var writesTags = false
    var breaksLease = false
    var listPrefix = ""
    var listsUncommitted = false

    init() {}

    init(_ operation: Operation, _ headers: RequestHeaders, _ query: QueryString) {
        // Whatever value of a header that is given twice a condition may be made of.
        readsTags = headers.values("x-ms-if-tags").contains { !$0.isEmpty }
        switch operation {
        case .container(_, .listBlobs):
            listPrefix = query["prefix"] ?? ""
            guard query["include"] != nil else { return }
            let wanted = ListParameters.include(query)
            if wanted.contains("tags") { readsTags = true }
            listsUncommitted = wanted.contains("uncommittedblobs")
        case .blob(_, _, .getBlockList):
            listsUncommitted = (query["blocklisttype"] ?? "committed").lowercased() != "committed"
        case .container(_, .lease), .blob(_, _, .lease):
            breaksLease = headers["x-ms-lease-action"]?.lowercased() == "break"
        case .blob(_, _, .put), .blob(_, _, .putFromURL), .blob(_, _, .copy), .blob(_, _, .copyFromURL),
            .blob(_, _, .putBlockList):
            // Tags that come along from the source are written as much as those that are given.
            writesTags = headers.has("x-ms-tags") || headers.copiesTags
        default: break
        }
    }
}

extension RequestHeaders {
    /// Whether a copy is to take its source's tags.
    var copiesTags: Bool { self["x-ms-copy-source-tag-option"]?.lowercased() == "copy" }
}

extension Operation {
    /// What somebody must be allowed to have this operation performed; `nil` for those that never get that far.
    func request(_ hints: NeedHints) -> AccessRequest? {
        var request: AccessRequest
        switch self {
        case .preflight, .unsupported: return nil
        case .service(let operation):
            request = AccessRequest(
                resource: .account, permissions: operation.permissions, delegated: operation.delegated)
        case .container(let name, let operation):
            request = AccessRequest(
                resource: operation == .listBlobs ? .names(name, prefix: hints.listPrefix) : .container(name),
                permissions: operation.permissions, delegated: operation.delegated(breaksLease: hints.breaksLease),
                publicLevel: operation.isOpenToPublic ? .container : nil)
        case .blob(let container, let name, let operation):
            request = AccessRequest(
                resource: .blob(container, name), permissions: operation.permissions,
                delegated: operation.delegated(breaksLease: hints.breaksLease),
                publicLevel: operation.isOpenToPublic ? .blob : nil)
        }
        if hints.readsTags { request.permissions.formUnion(.readTags) }
        if hints.writesTags { request.permissions.formUnion(.writeTags) }
        if hints.readsTags || hints.writesTags { request.delegated.allOf.formUnion(.tags) }
        // Public access shows committed content, properties and names: no tags, not through a condition either, and
        // nothing that is uncommitted.
        if hints.readsTags || hints.listsUncommitted { request.publicLevel = nil }
        return request
    }
}

extension DelegatedNeed {
    /// Any valid signature will do.
    fileprivate static func anything(_ service: ServiceSignatures) -> Self {
        Self(oneOf: .any, resourceTypes: [.service, .container, .object], serviceSignatures: service)
    }
    fileprivate static func service(_ oneOf: DelegatedPermissions) -> Self {
        Self(oneOf: oneOf, resourceTypes: .service, serviceSignatures: .never)
    }
    fileprivate static func container(_ oneOf: DelegatedPermissions, _ service: ServiceSignatures = .never) -> Self {
        Self(oneOf: oneOf, resourceTypes: .container, serviceSignatures: service)
    }
    fileprivate static func blob(_ oneOf: DelegatedPermissions, onlyForNew: DelegatedPermissions = []) -> Self {
        Self(oneOf: oneOf, onlyForNew: onlyForNew, resourceTypes: .object, serviceSignatures: .any)
    }
}

extension ServiceOperation {
    fileprivate var permissions: Permissions {
        switch self {
        case .listContainers: .readContainers
        case .getProperties, .getStats: .readServiceProperties
        case .setProperties: .writeServiceProperties
        case .getAccountInformation: .readAccountInformation
        case .getUserDelegationKey: .getUserDelegationKey
        case .findBlobsByTags: .filterBlobs
        // Each part asks for itself.
        case .submitBatch: []
        }
    }

    fileprivate var delegated: DelegatedNeed {
        switch self {
        case .listContainers: .service(.list)
        case .getProperties, .getStats: .service(.read)
        case .setProperties: .service(.write)
        case .getAccountInformation, .submitBatch: .anything(.never)
        case .getUserDelegationKey: .never
        case .findBlobsByTags:
            DelegatedNeed(oneOf: .filter, resourceTypes: [.service, .object], serviceSignatures: .never)
        }
    }
}

extension ContainerOperation {
    fileprivate var permissions: Permissions {
        switch self {
        case .create, .setMetadata, .lease: .writeContainers
        case .delete: .deleteContainers
        case .getProperties, .getMetadata: .readContainers
        case .getACL: .getContainerACL
        case .setACL: .setContainerACL
        case .listBlobs: .readBlobs
        case .findBlobsByTags: .filterBlobs
        case .submitBatch: []
        case .getAccountInformation: .readAccountInformation
        }
    }

    fileprivate func delegated(breaksLease: Bool) -> DelegatedNeed {
        switch self {
        case .create: .container([.create, .write])
        case .delete: .container(.delete)
        case .getProperties, .getMetadata: .container(.read)
        case .setMetadata: .container(.write)
        case .getACL, .setACL: .never
        case .lease: breaksLease ? .container([.write, .delete], .container) : .container(.write)
        case .listBlobs: .container(.list, .container)
        case .findBlobsByTags: .container(.filter, .container)
        case .submitBatch: .anything(.container)
        case .getAccountInformation: .anything(.container)
        }
    }

    fileprivate var isOpenToPublic: Bool {
        switch self {
        case .getProperties, .getMetadata, .listBlobs: true
        case .create, .delete, .setMetadata, .getACL, .setACL, .lease, .findBlobsByTags, .submitBatch,
            .getAccountInformation:
            false
        }
    }
}

extension BlobOperation {
    fileprivate var permissions: Permissions {
        switch self {
        case .get, .getProperties, .getMetadata, .getBlockList: .readBlobs
        case .getTags: .readTags
        case .setTags: .writeTags
        case .setProperties, .setMetadata, .setTier, .put, .putFromURL, .copy, .copyFromURL, .abortCopy, .putBlock,
            .putBlockFromURL, .putBlockList, .lease:
            .writeBlobs
        case .delete: .deleteBlobs
        case .getAccountInformation: .readAccountInformation
        }
    }

    fileprivate func delegated(breaksLease: Bool) -> DelegatedNeed {
        switch self {
        case .get, .getProperties, .getMetadata, .getBlockList: .blob(.read)
        case .getTags, .setTags: .blob(.tags)
        case .put, .putFromURL, .copy, .copyFromURL: .blob([.create, .write], onlyForNew: .create)
        case .setProperties, .setMetadata, .setTier, .abortCopy, .putBlock, .putBlockFromURL, .putBlockList:
            .blob(.write)
        case .delete: .blob(.delete)
        case .lease: breaksLease ? .blob([.write, .delete]) : .blob(.write)
        case .getAccountInformation: .anything(.any)
        }
    }

    fileprivate var isOpenToPublic: Bool {
        switch self {
        case .get, .getProperties, .getMetadata, .getBlockList: true
        default: false
        }
    }
}
