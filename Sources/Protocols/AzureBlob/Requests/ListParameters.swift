import AzureWire
import Namespace
import StorageModel

/// The parameters that all listings share. Source: "List Blobs", "List Containers", "Find Blobs by Tags".
struct ListParameters {
    var prefix: String?
    var marker: String?
    /// As the answer echoes it.
    var maxResults: Int?
    var position: ListPosition?

    var limit: Int { maxResults ?? Limits.listPage }

    init(_ query: QueryString) throws(AzureError) {
        prefix = query["prefix"]
        marker = query["marker"]
        if let text = query["maxresults"], !text.isEmpty {
            guard let count = Int(text) else { throw .invalidQueryParameter("maxresults", text) }
            guard count > 0 else {
                throw .outOfRangeQueryParameter("maxresults", text, minimum: 1, maximum: Limits.listPage)
            }
            maxResults = min(count, Limits.listPage)
        }
        if let marker, !marker.isEmpty {
            guard let position = ListPosition(text: marker) else { throw .invalidQueryParameter("marker", marker) }
            self.position = position
        }
    }

    /// The values of `include`, each checked to be one of those that the listing knows.
    static func include(_ query: QueryString, allowed: Set<String>) throws(AzureError) -> Set<String> {
        let found = include(query)
        if let unknown = found.first(where: { !allowed.contains($0) }) {
            throw .invalidQueryParameter("include", unknown)
        }
        return found
    }

    /// The one reading of `include`: what decides about permissions sees what the listing sees.
    static func include(_ query: QueryString) -> Set<String> {
        var found: Set<String> = []
        for text in query.values(of: "include") {
            for part in text.split(separator: ",") { found.insert(part.trimmingHTTPBlanks.lowercased()) }
        }
        return found
    }
}
