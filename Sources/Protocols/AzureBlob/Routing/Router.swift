package import AzureWire
package import NIOHTTP1
import StorageModel

/// Method, path and query to an operation: a pure function, tested as a table.
package enum Router {
    /// The headers that choose between operations of the same method, path and query.
    package struct Hints: Sendable, Hashable {
        package var hasCopySource = false
        package var requiresSync = false
        package var hasBlobType = false
        package init(hasCopySource: Bool = false, requiresSync: Bool = false, hasBlobType: Bool = false) {
            self.hasCopySource = hasCopySource
            self.requiresSync = requiresSync
            self.hasBlobType = hasBlobType
        }
    }

    package static func route(
        _ method: HTTPMethod, _ resource: Target.Resource, query: QueryString, hints: Hints = Hints()
    ) throws -> Operation {
        switch method {
        case .OPTIONS: return .preflight
        case .GET, .HEAD, .PUT, .POST, .DELETE: break
        case .PATCH, .TRACE, .CONNECT, .MERGE: throw AzureError(.unsupportedHttpVerb)
        default: throw AzureError(.invalidHttpVerb)
        }
        if asksForDFS(query) { return .unsupported(.hierarchicalNamespace) }
        let comp = query["comp"]?.lowercased()
        switch query["restype"]?.lowercased() {
        case nil: return try withoutResourceType(method, resource, comp: comp, query: query, hints: hints)
        case "service":
            guard resource == .service else { throw AzureError(.invalidUri) }
            return try service(method, comp: comp, query: query)
        case "account": return try accountInformation(method, resource, comp: comp, query: query)
        case "container":
            switch resource {
            case .container(let name), .single(let name):
                return try container(method, try ContainerName(validating: name), comp: comp, query: query)
            case .service, .blob: throw AzureError(.invalidUri)
            }
        default: throw Self.invalid("restype", query)
        }
    }

    private static func withoutResourceType(
        _ method: HTTPMethod, _ resource: Target.Resource, comp: String?, query: QueryString, hints: Hints
    ) throws -> Operation {
        switch resource {
        case .service:
            switch comp {
            case "list": return try .service(only(.GET, method, .listContainers))
            case "blobs": return try .service(only(.GET, method, .findBlobsByTags))
            case "batch": return try .service(only(.POST, method, .submitBatch))
            default: throw Self.invalid("comp", query)
            }
        case .container:
            // `/name/`: the name of a blob cannot be empty.
            throw AzureError(.invalidUri)
        case .single(let name):
            guard !ContainerName.reserved.contains(name) else { throw Self.invalid("restype", query) }
            return try blob(method, .root, try BlobName(validating: name), comp: comp, query: query, hints: hints)
        case .blob(let container, let name):
            let container = try ContainerName(validating: container)
            let name = try BlobName(validating: name)
            guard container != .root || !name.value.contains("/") else { throw AzureError(.invalidResourceName) }
            return try blob(method, container, name, comp: comp, query: query, hints: hints)
        }
    }

    private static func service(_ method: HTTPMethod, comp: String?, query: QueryString) throws -> Operation {
        switch (comp, method) {
        case ("properties", .GET): .service(.getProperties)
        case ("properties", .PUT): .service(.setProperties)
        case ("stats", .GET): .service(.getStats)
        case ("userdelegationkey", .POST): .service(.getUserDelegationKey)
        case ("properties", _), ("stats", _), ("userdelegationkey", _): throw AzureError(.unsupportedHttpVerb)
        default: throw Self.invalid("comp", query)
        }
    }

    private static func accountInformation(
        _ method: HTTPMethod, _ resource: Target.Resource, comp: String?, query: QueryString
    ) throws -> Operation {
        guard comp == "properties" else { throw Self.invalid("comp", query) }
        guard method == .GET || method == .HEAD else { throw AzureError(.unsupportedHttpVerb) }
        switch resource {
        case .service: return .service(.getAccountInformation)
        case .container(let name), .single(let name):
            return .container(try ContainerName(validating: name), .getAccountInformation)
        case .blob(let container, let name):
            return .blob(
                try ContainerName(validating: container), try BlobName(validating: name), .getAccountInformation)
        }
    }

    private static func container(
        _ method: HTTPMethod, _ name: ContainerName, comp: String?, query: QueryString
    ) throws -> Operation {
        switch (comp, method) {
        case (nil, .PUT): .container(name, .create)
        case (nil, .DELETE): .container(name, .delete)
        case (nil, .GET), (nil, .HEAD): .container(name, .getProperties)
        case ("metadata", .GET), ("metadata", .HEAD): .container(name, .getMetadata)
        case ("metadata", .PUT): .container(name, .setMetadata)
        case ("acl", .GET), ("acl", .HEAD): .container(name, .getACL)
        case ("acl", .PUT): .container(name, .setACL)
        case ("lease", .PUT): .container(name, .lease)
        case ("list", .GET): .container(name, .listBlobs)
        case ("blobs", .GET): .container(name, .findBlobsByTags)
        case ("batch", .POST): .container(name, .submitBatch)
        case ("undelete", .PUT): .unsupported(.undelete)
        case ("rename", .PUT): .unsupported(.renameContainer)
        case (nil, _), ("metadata", _), ("acl", _), ("lease", _), ("list", _), ("blobs", _), ("batch", _),
            ("undelete", _), ("rename", _):
            throw AzureError(.unsupportedHttpVerb)
        default: throw Self.invalid("comp", query)
        }
    }

    private static func blob(
        _ method: HTTPMethod, _ container: ContainerName, _ name: BlobName, comp: String?, query: QueryString,
        hints: Hints
    ) throws -> Operation {
        if let feature = unsupportedBlobOperation(method, comp: comp) { return .unsupported(feature) }
        let operation: BlobOperation =
            switch (comp, method) {
            case (nil, .GET): .get
            case (nil, .HEAD): .getProperties
            case (nil, .PUT): write(hints)
            case (nil, .DELETE): .delete
            case ("properties", .PUT): .setProperties
            case ("metadata", .GET), ("metadata", .HEAD): .getMetadata
            case ("metadata", .PUT): .setMetadata
            case ("tags", .GET): .getTags
            case ("tags", .PUT): .setTags
            case ("tier", .PUT): .setTier
            case ("block", .PUT): hints.hasCopySource ? .putBlockFromURL : .putBlock
            case ("blocklist", .PUT): .putBlockList
            case ("blocklist", .GET): .getBlockList
            case ("lease", .PUT): .lease
            case ("copy", .PUT): .abortCopy
            case (nil, _), ("properties", _), ("metadata", _), ("tags", _), ("tier", _), ("block", _),
                ("blocklist", _), ("lease", _), ("copy", _):
                throw AzureError(.unsupportedHttpVerb)
            default: throw Self.invalid("comp", query)
            }
        return .blob(container, name, operation)
    }

    private static func write(_ hints: Hints) -> BlobOperation {
        guard hints.hasCopySource else { return .put }
        if hints.hasBlobType { return .putFromURL }
        return hints.requiresSync ? .copyFromURL : .copy
    }

    private static func unsupportedBlobOperation(_ method: HTTPMethod, comp: String?) -> UnsupportedFeature? {
        switch (comp, method) {
        case ("snapshot", .PUT): .snapshot
        case ("undelete", .PUT): .undelete
        case ("query", .POST): .query
        case ("expiry", .PUT): .expiry
        case ("immutabilitypolicies", .PUT), ("immutabilitypolicies", .DELETE), ("legalhold", .PUT): .immutability
        case ("appendblock", .PUT), ("seal", .PUT): .appendBlob
        case ("page", .PUT), ("pagelist", .GET), ("incrementalcopy", .PUT): .pageBlob
        default: nil
        }
    }

    /// Requests meant for the DFS endpoint carry one of these parameters, which no Blob operation has.
    private static func asksForDFS(_ query: QueryString) -> Bool {
        switch query["action"]?.lowercased() {
        case "getaccesscontrol", "setaccesscontrol", "setaccesscontrolrecursive", "getstatus", "checkaccess", "append",
            "flush", "setproperties", "lease":
            return true
        default: break
        }
        switch query["resource"]?.lowercased() {
        case "account", "filesystem", "file", "directory": return true
        default: return false
        }
    }

    private static func only(
        _ wanted: HTTPMethod, _ method: HTTPMethod, _ operation: ServiceOperation
    ) throws -> ServiceOperation {
        guard method == wanted else { throw AzureError(.unsupportedHttpVerb) }
        return operation
    }

    private static func invalid(_ name: String, _ query: QueryString) -> AzureError {
        AzureError.invalidQueryParameter(name, query[name] ?? "")
    }
}
