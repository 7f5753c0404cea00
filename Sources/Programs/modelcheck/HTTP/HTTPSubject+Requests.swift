import AzureWire
import Foundation
import Namespace
import StorageModel
import StorageTestKit

/// Operations as requests. Source: the page of each operation in the Blob service REST reference.
extension HTTPSubject {
    private typealias Query = [(name: String, value: String)]

    var root: String { "/\(account.name)/" }
    func path(_ name: ContainerName) -> String { "/\(account.name)/\(name)" }
    func path(_ at: ModelAddress) -> String {
        "\(path(at.container))/\(PercentCoding.encode(at.blob.value, keeping: .slashes))"
    }

    func request(_ operation: ModelOperation) -> BlobRequest {
        switch operation {
        case .createContainer(let name, let metadata):
            return make("PUT", path(name), [("restype", "container")]) { $0.set(metadata) }
        case .deleteContainer(let name, let held):
            return make("DELETE", path(name), [("restype", "container")]) { $0.set(held) }
        case .setContainerMetadata(let name, let metadata, let held):
            return make("PUT", path(name), [("restype", "container"), ("comp", "metadata")]) {
                $0.set(metadata)
                $0.set(held)
            }
        case .leaseContainer(let name, let action, let conditions):
            return make("PUT", path(name), [("restype", "container"), ("comp", "lease")]) {
                $0.set(action)
                $0.set(conditions)
            }
        case .leaseBlob(let at, let action, let conditions):
            return make("PUT", path(at), [("comp", "lease")]) {
                $0.set(action)
                $0.set(conditions)
            }
        case .setProperties(let at, let headers, let held):
            return make("PUT", path(at), [("comp", "properties")]) {
                $0.set(headers)
                $0.set(held)
            }
        case .setMetadata(let at, let metadata, let held):
            return make("PUT", path(at), [("comp", "metadata")]) {
                $0.set(metadata)
                $0.set(held)
            }
        case .setTags(let at, let tags, let held):
            return make("PUT", path(at), [("comp", "tags")]) {
                $0.set(held, .tagged)
                $0.body = Self.document(tags)
            }
        case .setTier(let at, let tier, let held):
            return make("PUT", path(at), [("comp", "tier")]) {
                $0.set("x-ms-access-tier", tier.rawValue)
                $0.set(held)
            }
        case .delete(let at, let held): return make("DELETE", path(at)) { $0.set(held) }
        case .putBlob, .putBlock, .commit, .copy, .slice: return content(operation)
        case .read(let read): return request(read)
        case .batch, .advance, .reap, .expire: preconditionFailure("not one request")
        }
    }

    private func make(
        _ method: String, _ path: String, _ query: Query = [], _ fill: (inout BlobRequest) -> Void = { _ in }
    ) -> BlobRequest {
        var request = BlobRequest(method, path, query)
        fill(&request)
        return request
    }

    private func content(_ operation: ModelOperation) -> BlobRequest {
        switch operation {
        case .putBlob(let at, let bytes, let attributes, let held):
            return make("PUT", path(at)) {
                $0.set("x-ms-blob-type", "BlockBlob")
                // The MD5 that is stored is computed either way; here it is sometimes checked as well.
                $0.set(attributes, withMD5: bytes.count % 2 == 0)
                $0.set(held)
                $0.body = bytes
            }
        case .putBlock(let at, let id, let bytes, let lease):
            return make("PUT", path(at), [("comp", "block"), ("blockid", id)]) {
                $0.set("x-ms-lease-id", lease?.value)
                $0.body = bytes
            }
        case .commit(let at, let list, let attributes, let held):
            return make("PUT", path(at), [("comp", "blocklist")]) {
                $0.set(attributes)
                $0.set(held)
                $0.body = Self.document(list)
            }
        case .slice(let at, let id, let from, let range, let lease):
            return make("PUT", path(at), [("comp", "block"), ("blockid", id)]) {
                $0.set("x-ms-copy-source", url(from))
                $0.set("x-ms-source-range", range)
                $0.set("x-ms-lease-id", lease?.value)
            }
        case .copy(let at, let copy, let held): return request(at, copy, held)
        default: preconditionFailure("not a write of content")
        }
    }

    private func url(_ at: ModelAddress) -> String { "http://\(host)\(path(at))" }

    private func request(_ at: ModelAddress, _ copy: CopyRequest, _ held: Guard) -> BlobRequest {
        make("PUT", path(at)) {
            $0.set(
                "x-ms-copy-source",
                url(ModelAddress(container: copy.source.container.container, blob: copy.source.blob)))
            if !copy.recordsCopy {
                $0.set("x-ms-blob-type", "BlockBlob")
            } else if Self.isSynchronous(at) {
                $0.set("x-ms-requires-sync", "true")
            }
            if let metadata = copy.metadata { $0.set(metadata) }
            switch copy.tags {
            case .copy: $0.set("x-ms-copy-source-tag-option", "COPY")
            case .replace(let tags): if !tags.isEmpty { $0.set("x-ms-tags", TagsHeader.format(tags)) }
            }
            $0.set("x-ms-access-tier", copy.tier?.rawValue)
            $0.set(copy.sourceConditions, .source)
            $0.set(held)
        }
    }

    private func request(_ read: ModelRead) -> BlobRequest {
        switch read {
        case .get(let at, let range, let held):
            return make("GET", path(at)) {
                $0.set("x-ms-range", range)
                $0.set(held)
            }
        case .head(let at, let held): return make("HEAD", path(at)) { $0.set(held) }
        case .tags(let at, let held): return make("GET", path(at), [("comp", "tags")]) { $0.set(held, .tagged) }
        case .blocks(let at, let kind, let held):
            return make("GET", path(at), [("comp", "blocklist"), ("blocklisttype", "\(kind)")]) { $0.set(held) }
        case .container(let name, let lease):
            return make("GET", path(name), [("restype", "container")]) { $0.set("x-ms-lease-id", lease?.value) }
        case .containers(let prefix, let limit, let position):
            var query: Query = [("comp", "list"), ("maxresults", "\(limit)"), ("include", "metadata")]
            if !prefix.isEmpty { query.append(("prefix", prefix)) }
            if let position { query.append(("marker", position.token)) }
            return BlobRequest("GET", root, query)
        case .list(let name, let listing): return request(name, listing)
        case .find: preconditionFailure("a search is several requests")
        }
    }

    private func request(_ name: ContainerName, _ listing: ModelListing) -> BlobRequest {
        var query: Query = [("restype", "container"), ("comp", "list"), ("maxresults", "\(listing.limit)")]
        if !listing.prefix.isEmpty { query.append(("prefix", listing.prefix)) }
        if let delimiter = listing.delimiter { query.append(("delimiter", delimiter)) }
        if let from = listing.startFrom { query.append(("startFrom", from)) }
        if let position = listing.position { query.append(("marker", position.token)) }
        var include: [String] = []
        if listing.showsUncommitted { include.append("uncommittedblobs") }
        if listing.showsMetadata { include.append("metadata") }
        if listing.showsTags { include.append("tags") }
        if listing.showsCopies { include.append("copy") }
        if !include.isEmpty { query.append(("include", include.joined(separator: ","))) }
        return BlobRequest("GET", path(name), query)
    }

    // MARK: - Documents. All texts in them are of a kind that XML needs no escapes for.

    private static func document(_ list: [BlockListEntry]) -> [UInt8] {
        let entries = list.map { entry in
            switch entry.source {
            case .committed: "<Committed>\(entry.id.text)</Committed>"
            case .uncommitted: "<Uncommitted>\(entry.id.text)</Uncommitted>"
            case .latest: "<Latest>\(entry.id.text)</Latest>"
            }
        }
        return Array("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>\(entries.joined())</BlockList>".utf8)
    }

    private static func document(_ tags: Tags) -> [UInt8] {
        let entries = tags.entries.map { "<Tag><Key>\($0.key)</Key><Value>\($0.value)</Value></Tag>" }
        return Array("<?xml version=\"1.0\"?><Tags><TagSet>\(entries.joined())</TagSet></Tags>".utf8)
    }
}
