import Access
import AzureWire
import Namespace
import StorageModel

// List Containers, List Blobs, Find Blobs by Tags.
extension AzureBlobService {
    func listContainers(_ call: Call) async throws -> Answer {
        let parameters = try ListParameters(call.query)
        let include = try ListParameters.include(call.query, allowed: ["metadata", "deleted", "system"])
        let system =
            include.contains("system") && parameters.position == nil
            ? Self.systemContainers.filter { $0.name.value.hasPrefix(parameters.prefix ?? "") } : []
        var items = system
        var next: ListPosition?
        if parameters.limit > items.count {
            let result = try await namespace.listContainers(
                of: call.account.name, prefix: parameters.prefix ?? "", position: parameters.position,
                limit: parameters.limit - items.count)
            items += result.containers
            next = result.next
        } else {
            // The page is full; what users created comes behind the service's own names.
            next = items.last.map { ListPosition(from: Array($0.name.value.utf8)) }
        }
        let page = ContainerListPage(
            serviceEndpoint: call.serviceEndpoint, prefix: parameters.prefix, marker: parameters.marker,
            maxResults: parameters.maxResults, options: include.contains("metadata") ? .metadata : [], items: items,
            nextMarker: next?.text)
        return .xml(page.xml(call.version))
    }

    /// Every account has `$logs`, though nothing is written there: `include=system` shows it. It is the first of all names.
    private static let systemContainers: [ContainerProperties] = {
        guard let logs = try? ContainerName(validating: "$logs") else { return [] }
        return [
            ContainerProperties(
                name: logs, version: Version(1), lastModified: Timestamp(seconds: 0), metadata: .empty,
                publicAccess: nil, policies: [], lease: .available)
        ]
    }()

    private static let blobIncludes: Set<String> = [
        "metadata", "tags", "copy", "uncommittedblobs", "snapshots", "versions", "deleted", "deletedwithversions",
        "immutabilitypolicy", "legalhold", "permissions",
    ]

    func listBlobs(_ call: Call, _ container: ContainerAddress) async throws -> Answer {
        let parameters = try ListParameters(call.query)
        let include = try ListParameters.include(call.query, allowed: Self.blobIncludes)
        let delimiter = call.query["delimiter"].flatMap { $0.isEmpty ? nil : $0 }
        guard delimiter == nil || !include.contains("snapshots") else {
            throw AzureError.invalidQueryParameter(
                "include", "snapshots", reason: "Snapshots cannot be listed with a delimiter.")
        }
        // Documented since 2026-02-06; clients that speak older versions send it too, and rely on it.
        let startFrom = call.query["startfrom"].flatMap { $0.isEmpty ? nil : $0 }
        let query = BlobListQuery(
            prefix: parameters.prefix ?? "", delimiter: delimiter, position: parameters.position, startFrom: startFrom,
            limit: parameters.limit, includesUncommitted: include.contains("uncommittedblobs"))
        let result = try await namespace.listBlobs(container, query)

        var options: BlobListPage.Options = []
        if include.contains("metadata") { options.insert(.metadata) }
        if include.contains("tags") { options.insert(.tags) }
        if include.contains("copy") { options.insert(.copy) }
        let entries: [BlobListEntry] = result.entries.map { entry in
            switch entry {
            case .blob(let name, let properties): .blob(name: name, properties)
            case .uncommitted(let name, _): .uncommitted(name: name)
            case .prefix(let name): .prefix(name)
            }
        }
        let page = BlobListPage(
            serviceEndpoint: call.serviceEndpoint, containerName: container.container.value,
            prefix: parameters.prefix, marker: parameters.marker, maxResults: parameters.maxResults,
            delimiter: delimiter, options: options, entries: entries, nextMarker: result.next?.text)
        return .xml(page.xml(call.version))
    }

    /// - Parameter container: `nil` searches the whole account.
    func findBlobs(_ call: Call, in container: ContainerName?) async throws -> Answer {
        let parameters = try ListParameters(call.query)
        _ = try ListParameters.include(call.query, allowed: ["versions", "deleted"])
        guard let expression = call.query["where"], !expression.isEmpty else {
            throw AzureError.missingRequiredQueryParameter("where")
        }
        guard let filter = TagExpression.parse(expression, dialect: .query), !filter.keys.isEmpty else {
            throw AzureError.invalidQueryParameter("where", expression)
        }
        let result = try await namespace.findBlobs(
            of: call.account.name, in: container, filter: filter, position: parameters.position,
            limit: parameters.limit)
        let named = filter.keys
        let items = result.matches.map { match in
            FindResultPage.Item(
                name: match.name, container: match.container.value,
                tags: match.tags.entries.filter { named.contains($0.key) })
        }
        let page = FindResultPage(
            serviceEndpoint: call.serviceEndpoint, expression: expression, items: items,
            nextMarker: result.next?.text)
        return .xml(page.xml())
    }
}
