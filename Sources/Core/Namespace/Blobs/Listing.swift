import Metadata
package import StorageModel

extension Namespace {
    /// One page of a container's blobs in the order of their names' UTF-8 bytes. With a delimiter the listing seeks past
    /// each common prefix: its cost follows the page, not what lies beneath.
    package func listBlobs(
        _ address: ContainerAddress, _ query: BlobListQuery
    ) async throws(StorageFailure) -> BlobListResult {
        let now = world.now()
        return try await metadata.read(.scan) { reader throws(StorageFailure) in
            let container = try reader.container(address).id
            var walk = try ListingWalk(container: container, query: query, now: now, reader)
            return try walk.page()
        }
    }
}

/// Merges committed and, when asked for, uncommitted names into one page.
private struct ListingWalk {
    private let query: BlobListQuery
    private let now: Timestamp
    private let nameStart = 9
    private let prefix: [UInt8]
    private let delimiter: [UInt8]
    private let committed: any MetadataCursor
    private let uncommitted: (any MetadataCursor)?
    private let container: ContainerID
    private var nextCommitted: MetadataEntry?
    private var nextUncommitted: MetadataEntry?

    init(
        container: ContainerID, query: BlobListQuery, now: Timestamp, _ reader: any MetadataReader
    ) throws(StorageFailure) {
        self.query = query
        self.now = now
        self.container = container
        prefix = Array(query.prefix.utf8)
        delimiter = Array((query.delimiter ?? "").utf8)
        committed = try reader.cursor(in: KeyRange(prefix: Keys.blob(container, query.prefix)))
        uncommitted =
            query.includesUncommitted
            ? try reader.cursor(in: KeyRange(prefix: Keys.uncommittedBlob(container, query.prefix))) : nil
        var start = prefix
        if let position = query.position, start.lexicographicallyPrecedes(position.from) { start = position.from }
        if let from = query.startFrom.map({ Array($0.utf8) }), start.lexicographicallyPrecedes(from) { start = from }
        try seek(to: start)
    }

    private mutating func seek(to name: [UInt8]) throws(StorageFailure) {
        nextCommitted = try committed.seek(Keys.blobs(in: container) + name)
        nextUncommitted = try uncommitted?.seek(Keys.named(.uncommittedBlob, container, "") + name)
    }

    /// Pages end here even when more names were asked for: metadata of 8 KiB a blob must not make a page of 40 MiB.
    private static let recordBytesPerPage = 2 << 20

    private func name(of entry: MetadataEntry) -> ArraySlice<UInt8> { entry.key[nameStart...] }

    mutating func page() throws(StorageFailure) -> BlobListResult {
        var result = BlobListResult(entries: [], next: nil)
        var bytes = 0
        while true {
            let isUncommitted: Bool
            let entry: MetadataEntry
            switch (nextCommitted, nextUncommitted) {
            case (nil, nil): return result
            case (let only?, nil): (entry, isUncommitted) = (only, false)
            case (nil, let only?): (entry, isUncommitted) = (only, true)
            case (let left?, let right?):
                isUncommitted = name(of: right).lexicographicallyPrecedes(name(of: left))
                entry = isUncommitted ? right : left
                // A committed blob hides the blocks that are staged for its next content.
                if !isUncommitted, name(of: right) == name(of: left) { nextUncommitted = try uncommitted?.next() }
            }
            guard result.entries.count < query.limit, bytes < Self.recordBytesPerPage else {
                result.next = ListPosition(from: Array(name(of: entry)))
                return result
            }
            bytes += entry.key.count + entry.value.count
            if let common = commonPrefix(of: name(of: entry)) {
                result.entries.append(.prefix(try storedName(common) { text throws(StorageFailure) in text }))
                // A run of 0xFF bytes has no successor, but names are UTF-8 and hold none.
                try seek(to: KeyRange.successor(ofPrefix: Array(common)))
                continue
            }
            let text = try storedName(name(of: entry)) { text throws(StorageFailure) in text }
            if isUncommitted {
                let record = try UncommittedBlobRecord(decoding: entry.value)
                result.entries.append(.uncommitted(name: text, createdOn: record.createdOn))
                nextUncommitted = try uncommitted?.next()
            } else {
                let record = try BlobRecord(decoding: entry.value)
                result.entries.append(.blob(name: text, record.properties(at: now)))
                nextCommitted = try committed.next()
            }
        }
    }

    /// `prefix…delimiter` when the rest of the name holds the delimiter.
    private func commonPrefix(of name: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let first = delimiter.first else { return nil }
        var at = name.startIndex + prefix.count
        while at + delimiter.count <= name.endIndex {
            if name[at] == first, name[at..<at + delimiter.count].elementsEqual(delimiter) {
                return name[name.startIndex..<at + delimiter.count]
            }
            at += 1
        }
        return nil
    }
}

extension ListPosition {
    /// Base64url of the position behind a version mark; nothing that needs escaping in a URL.
    package var text: String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var out: [UInt8] = Array("1!".utf8)
        var index = 0
        while index < from.count {
            let group = from[index..<min(index + 3, from.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for digit in 0...group.count { out.append(alphabet[Int(bits >> UInt32(18 - 6 * digit) & 63)]) }
            index += 3
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// `nil` for a text that `text` did not make.
    package init?(text: String) {
        guard text.hasPrefix("1!") else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for digit in text.utf8.dropFirst(2) {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = digit - 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = digit - 71
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit + 4
            case UInt8(ascii: "-"): value = 62
            case UInt8(ascii: "_"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
                bits &= (1 << UInt32(count)) - 1
            }
        }
        guard bits == 0, !bytes.isEmpty, bytes.count <= 8192 else { return nil }
        self.init(from: bytes)
        guard self.text == text else { return nil }
    }
}
