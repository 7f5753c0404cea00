/// The content headers that a blob carries. Text is stored as sent; `contentMD5` is the blob's property, not a checksum
/// that the node vouches for (Put Block List and Set Blob Properties store it unverified).
package struct ContentHeaders: Hashable, Sendable {
    package var contentType: String
    package var contentEncoding: String?
    package var contentLanguage: String?
    package var contentDisposition: String?
    package var cacheControl: String?
    package var contentMD5: [UInt8]?

    package static let defaultContentType = "application/octet-stream"

    package init(
        contentType: String = ContentHeaders.defaultContentType, contentEncoding: String? = nil,
        contentLanguage: String? = nil, contentDisposition: String? = nil, cacheControl: String? = nil,
        contentMD5: [UInt8]? = nil
    ) {
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.contentLanguage = contentLanguage
        self.contentDisposition = contentDisposition
        self.cacheControl = cacheControl
        self.contentMD5 = contentMD5
    }
}

/// User metadata: keys in lower case, in the order of their bytes; names and values hold at most 8 KiB together.
package struct UserMetadata: Hashable, Sendable {
    package private(set) var entries: [(key: String, value: String)]

    package static let empty = UserMetadata(sorted: [])

    private init(sorted entries: [(key: String, value: String)]) { self.entries = entries }

    /// - Throws: `.invalidMetadata` for a name that is not a C# identifier or stands twice, `.metadataTooLarge`.
    package init(validating pairs: [(String, String)]) throws(StorageFailure) {
        var entries: [(key: String, value: String)] = []
        var total = 0
        for (name, value) in pairs {
            guard Self.isIdentifier(name) else {
                throw StorageFailure(.invalidMetadata, detail: "A metadata name must be a valid C# identifier.")
            }
            total += name.utf8.count + value.utf8.count
            entries.append((name.lowercased(), value))
        }
        guard total <= Limits.metadataBytes else { throw StorageFailure(.metadataTooLarge) }
        entries.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        for (left, right) in zip(entries, entries.dropFirst()) where left.key == right.key {
            throw StorageFailure(.invalidMetadata, detail: "A metadata name stands twice.")
        }
        self.entries = entries
    }

    package init(stored pairs: [(key: String, value: String)]) { entries = pairs }

    package subscript(key: String) -> String? { entries.first { $0.key == key }?.value }
    package var isEmpty: Bool { entries.isEmpty }

    /// Blobs with this entry stand for directories in ABFS, blobfuse and AzCopy.
    package var marksDirectory: Bool { self["hdi_isfolder"]?.lowercased() == "true" }

    private static func isIdentifier(_ name: String) -> Bool {
        guard let first = name.unicodeScalars.first else { return false }
        guard first == "_" || first.properties.isAlphabetic else { return false }
        return name.unicodeScalars.dropFirst().allSatisfy {
            $0 == "_" || $0.properties.isAlphabetic || $0.properties.numericType == .decimal
        }
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.entries.elementsEqual(right.entries) { $0.key == $1.key && $0.value == $1.value }
    }
    package func hash(into hasher: inout Hasher) {
        for entry in entries {
            hasher.combine(entry.key)
            hasher.combine(entry.value)
        }
    }
}

/// Blob index tags: at most 10, keys of 1–128 and values of 0–256 characters out of a small set, case-sensitive.
package struct Tags: Hashable, Sendable {
    package private(set) var entries: [Tag]

    package struct Tag: Hashable, Sendable {
        package var key: String
        package var value: String
        package init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    package static let empty = Tags(stored: [])

    package init(stored entries: [Tag]) { self.entries = entries }

    package init(validating pairs: [(String, String)]) throws(StorageFailure) {
        guard pairs.count <= Limits.tagsPerBlob else { throw StorageFailure(.invalidTags(.tooMany)) }
        var entries: [Tag] = []
        for (key, value) in pairs {
            guard !key.isEmpty else { throw StorageFailure(.invalidTags(.emptyKey)) }
            guard key.utf8.count <= Limits.tagKeyCharacters, value.utf8.count <= Limits.tagValueCharacters,
                key.utf8.allSatisfy(Self.isAllowed), value.utf8.allSatisfy(Self.isAllowed)
            else { throw StorageFailure(.invalidTags(.invalidKeyOrValue)) }
            guard !entries.contains(where: { $0.key == key }) else { throw StorageFailure(.invalidTags(.duplicateKey)) }
            entries.append(Tag(key: key, value: value))
        }
        entries.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        self.entries = entries
    }

    package subscript(key: String) -> String? { entries.first { $0.key == key }?.value }
    package var isEmpty: Bool { entries.isEmpty }
    package var count: Int { entries.count }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: " "), UInt8(ascii: "+"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

package enum AccessTier: String, Sendable, Hashable, CaseIterable {
    case hot = "Hot"
    case cool = "Cool"
    case cold = "Cold"
    case archive = "Archive"
}

/// Where a blob is on its way out of the Archive tier.
package struct Rehydration: Hashable, Sendable {
    package enum Priority: String, Sendable, Hashable { case standard = "Standard", high = "High" }
    package var target: AccessTier
    package var priority: Priority
    package init(target: AccessTier, priority: Priority) {
        self.target = target
        self.priority = priority
    }
}

/// The record of the last server-side copy onto a blob.
package struct CopyRecord: Hashable, Sendable {
    package enum Status: String, Sendable, Hashable { case pending, success, aborted, failed }
    package var id: String
    package var status: Status
    /// The source's URL without its query's signature.
    package var source: String
    package var bytesDone: Int64
    package var bytesTotal: Int64
    package var completedOn: Timestamp?
    package var statusDescription: String?

    package init(
        id: String, status: Status, source: String, bytesDone: Int64, bytesTotal: Int64, completedOn: Timestamp?,
        statusDescription: String? = nil
    ) {
        self.id = id
        self.status = status
        self.source = source
        self.bytesDone = bytesDone
        self.bytesTotal = bytesTotal
        self.completedOn = completedOn
        self.statusDescription = statusDescription
    }
}

/// All that can be said of a committed blob without its bytes.
package struct BlobProperties: Sendable {
    package var version: Version
    package var createdOn: Timestamp
    package var lastModified: Timestamp
    package var length: Int64
    package var headers: ContentHeaders
    package var metadata: UserMetadata
    package var tags: Tags
    /// What was asked for; `nil` means that the account's default (Hot) is inferred.
    package var tier: AccessTier?
    package var tierChangedOn: Timestamp?
    package var rehydration: Rehydration?
    package var lease: LeaseView
    package var copy: CopyRecord?

    package init(
        version: Version, createdOn: Timestamp, lastModified: Timestamp, length: Int64, headers: ContentHeaders,
        metadata: UserMetadata, tags: Tags, tier: AccessTier?, tierChangedOn: Timestamp?, rehydration: Rehydration?,
        lease: LeaseView, copy: CopyRecord?
    ) {
        self.version = version
        self.createdOn = createdOn
        self.lastModified = lastModified
        self.length = length
        self.headers = headers
        self.metadata = metadata
        self.tags = tags
        self.tier = tier
        self.tierChangedOn = tierChangedOn
        self.rehydration = rehydration
        self.lease = lease
        self.copy = copy
    }
}
