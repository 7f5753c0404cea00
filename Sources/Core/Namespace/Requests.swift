package import StorageModel

/// What guards an operation on a blob or container: its conditions and the lease id that the caller holds.
package struct Guard: Sendable {
    package var conditions: Conditions
    package var lease: LeaseID?
    package static let none = Guard()
    package init(conditions: Conditions = .none, lease: LeaseID? = nil) {
        self.conditions = conditions
        self.lease = lease
    }
}

/// Everything besides bytes that a write gives a blob. What is absent is cleared, but for the tier, which is inherited.
package struct BlobAttributes: Sendable {
    package var headers: ContentHeaders
    package var metadata: UserMetadata
    package var tags: Tags
    package var tier: AccessTier?
    package init(
        headers: ContentHeaders = ContentHeaders(), metadata: UserMetadata = .empty, tags: Tags = .empty,
        tier: AccessTier? = nil
    ) {
        self.headers = headers
        self.metadata = metadata
        self.tags = tags
        self.tier = tier
    }
}

/// A body to store and what it must turn out to be.
package struct IncomingBody: Sendable {
    package var source: any BodySource
    /// `nil` when only its end tells.
    package var length: Int64?
    package var maximumLength: Int64
    package var expectedMD5: [UInt8]?
    package var expectedCRC64: UInt64?
    /// MD5 costs about two nanoseconds a byte: ask for it only where the protocol answers or stores it.
    package var wantsMD5: Bool

    package init(
        source: any BodySource, length: Int64?, maximumLength: Int64, expectedMD5: [UInt8]? = nil,
        expectedCRC64: UInt64? = nil, wantsMD5: Bool = false
    ) {
        self.source = source
        self.length = length
        self.maximumLength = maximumLength
        self.expectedMD5 = expectedMD5
        self.expectedCRC64 = expectedCRC64
        self.wantsMD5 = wantsMD5
    }
}

/// What the bytes of a stored body were.
package struct BodyDigests: Hashable, Sendable {
    package var length: Int64
    package var crc64: UInt64
    /// When asked for or expected.
    package var md5: [UInt8]?
}

/// The state of a blob or container after a write.
package struct WriteReceipt: Hashable, Sendable {
    package var version: Version
    package var lastModified: Timestamp
}

package struct PutBlobReceipt: Sendable {
    package var write: WriteReceipt
    package var digests: BodyDigests
}

package struct LeaseReceipt: Hashable, Sendable {
    package var write: WriteReceipt
    /// After acquire, renew and change.
    package var id: LeaseID?
    /// After break: seconds until the lease ends.
    package var remainingSeconds: Int?
}

package struct TierReceipt: Hashable, Sendable {
    /// True when the blob leaves the Archive tier and will be readable later.
    package var isPending: Bool
}

/// A blob opened for reading. The bytes are those of `properties.version`, whatever happens to the name meanwhile.
package struct BlobReading: Sendable {
    package var properties: BlobProperties
    /// The bytes that `body` gives; `nil` when the whole blob was asked for.
    package var range: Range<Int64>?
    package var body: any BodyProducer

    package var length: Int64 { range.map { $0.upperBound - $0.lowerBound } ?? properties.length }
}

package enum BlockListKind: Sendable { case committed, uncommitted, all }

package struct BlockListing: Sendable {
    package struct Block: Hashable, Sendable {
        package var id: BlockID
        package var size: Int64
    }
    /// `nil` when the name has only uncommitted blocks.
    package var committedBlob: BlobProperties?
    package var committed: [Block]
    package var uncommitted: [Block]
}

/// Where a listing goes on: opaque to callers, text-safe through `text`.
package struct ListPosition: Hashable, Sendable {
    /// The first name to look at.
    package var from: [UInt8]
    package init(from: [UInt8]) { self.from = from }
}

package struct BlobListQuery: Sendable {
    package var prefix: String
    package var delimiter: String?
    package var position: ListPosition?
    /// Names below this one are left out (`startFrom`).
    package var startFrom: String?
    package var limit: Int
    package var includesUncommitted: Bool
    package init(
        prefix: String = "", delimiter: String? = nil, position: ListPosition? = nil, startFrom: String? = nil,
        limit: Int = Limits.listPage, includesUncommitted: Bool = false
    ) {
        self.prefix = prefix
        self.delimiter = delimiter
        self.position = position
        self.startFrom = startFrom
        self.limit = limit
        self.includesUncommitted = includesUncommitted
    }
}

package struct BlobListResult: Sendable {
    package enum Entry: Sendable {
        case blob(name: String, BlobProperties)
        /// Has staged blocks and was never committed.
        case uncommitted(name: String, createdOn: Timestamp)
        case prefix(String)
    }
    package var entries: [Entry]
    package var next: ListPosition?
}

package struct ContainerListResult: Sendable {
    package var containers: [ContainerProperties]
    package var next: ListPosition?
}

package struct FindResult: Sendable {
    package struct Match: Sendable {
        package var container: ContainerName
        package var name: String
        /// All tags of the blob.
        package var tags: Tags
    }
    package var matches: [Match]
    package var next: ListPosition?
}

/// A copy within the node: the source's bytes are shared, not moved.
package struct CopyRequest: Sendable {
    package var source: BlobAddress
    package var sourceConditions: Conditions
    /// Shown as `x-ms-copy-source`: without secrets.
    package var sourceURL: String
    /// `nil` keeps the source's.
    package var headers: ContentHeaders?
    package var metadata: UserMetadata?
    package var tags: TagChoice
    package var tier: AccessTier?
    /// Whether the destination shows a copy record (Copy Blob does, Put Blob From URL does not).
    package var recordsCopy: Bool
    package var expectedMD5: [UInt8]?

    package enum TagChoice: Sendable, Equatable {
        case replace(Tags)
        case copy
    }

    package init(
        source: BlobAddress, sourceConditions: Conditions, sourceURL: String, headers: ContentHeaders?,
        metadata: UserMetadata?, tags: TagChoice, tier: AccessTier?, recordsCopy: Bool, expectedMD5: [UInt8]? = nil
    ) {
        self.source = source
        self.sourceConditions = sourceConditions
        self.sourceURL = sourceURL
        self.headers = headers
        self.metadata = metadata
        self.tags = tags
        self.tier = tier
        self.recordsCopy = recordsCopy
        self.expectedMD5 = expectedMD5
    }
}

package struct CopyReceipt: Sendable {
    package var write: WriteReceipt
    package var copyID: String
    package var contentMD5: [UInt8]?
}
