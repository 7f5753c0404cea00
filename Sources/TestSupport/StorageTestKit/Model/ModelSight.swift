package import StorageModel

/// What a read shows. Times are whole seconds, names are bytes: texts that Unicode calls equal are different names.
package enum ModelSight: Hashable, Sendable {
    /// Bytes and range are those of a GET.
    case blob(BlobSight, range: Range<Int64>?, bytes: [UInt8]?)
    case tags([String])
    /// `id size`, committed in the blob's order, uncommitted in the order of ids. Absent when not asked for.
    case blocks(version: Version?, length: Int, committed: [String]?, uncommitted: [String]?)
    case container(ContainerSight)
    case containers([ContainerSight], hasMore: Bool)
    case page([PageEntry], hasMore: Bool)
    case found([String])

    package enum PageEntry: Hashable, Sendable {
        case blob(name: [UInt8], BlobSight)
        case uncommitted(name: [UInt8])
        case prefix([UInt8])
    }
}

package struct BlobSight: Hashable, Sendable {
    package var version: Version
    package var createdOn: Int64
    package var modified: Int64
    package var length: Int64
    package var headers: ContentHeaders
    package var lease: String
    package var metadata: [String]?
    package var tagCount: Int?
    package var tags: [String]?
    /// `Hot`, `Hot inferred`, `Archive to Cool`.
    package var tier: String?
    package var showsCopy: Bool?

    package init(
        version: Version, createdOn: Int64, modified: Int64, length: Int64, headers: ContentHeaders, lease: String
    ) {
        self.version = version
        self.createdOn = createdOn
        self.modified = modified
        self.length = length
        self.headers = headers
        self.lease = lease
    }

    package static func lines(_ metadata: UserMetadata) -> [String] {
        metadata.entries.map { "\($0.key)=\($0.value)" }
    }
    package static func lines(_ tags: Tags) -> [String] { tags.entries.map { "\($0.key)=\($0.value)" } }

    package static func tier(_ tier: AccessTier?, to target: AccessTier?) -> String {
        var text = tier?.rawValue ?? "Hot inferred"
        if let target { text += " to \(target.rawValue)" }
        return text
    }

    /// `leased infinite`, `leased fixed` or the state alone.
    package static func lease(_ view: LeaseView) -> String {
        view.isInfinite.map { "\(view.state.rawValue) \($0 ? "infinite" : "fixed")" } ?? view.state.rawValue
    }
}

package struct ContainerSight: Hashable, Sendable {
    package var name: String
    package var version: Version
    package var modified: Int64
    package var metadata: [String]
    package var lease: String
    package init(name: String, version: Version, modified: Int64, metadata: [String], lease: String) {
        self.name = name
        self.version = version
        self.modified = modified
        self.metadata = metadata
        self.lease = lease
    }
}

/// What different reads show of a blob.
package enum SightKind: Sendable {
    case get, head
    case list(ModelListing)
}

extension BlobSight {
    /// Leaves out what this kind of read does not show. The full sight has everything.
    package func shown(_ kind: SightKind) -> BlobSight {
        var shown = self
        switch kind {
        case .get:
            (shown.tags, shown.tier) = (nil, nil)
        case .head:
            shown.tags = nil
        case .list(let listing):
            if !listing.showsMetadata { shown.metadata = nil }
            if !listing.showsTags { (shown.tags, shown.tagCount) = (nil, nil) }
            if !listing.showsCopies { shown.showsCopy = nil }
        }
        return shown
    }
}
