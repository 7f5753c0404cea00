import AzureWire
import NIOHTTP1
import StorageModel

@testable import AzureBlob

/// Values of headers, one a line: what is accepted reads the same when it is written again; refusals are typed.
enum HeaderProperties {
    static func check(_ input: [UInt8]) throws {
        let lines = lines(of: input)
        for line in lines.prefix(8) {
            try range(line)
            try dates(line)
            try etags(line)
            try checksums(line)
            try identities(line)
        }
        try conditions(lines)
        try requestHeaders(lines)
    }

    private static func range(_ text: String) throws {
        guard let range = RangeHeader.parse(text) else { return }
        try hold(range.first >= 0 && range.first <= range.last ?? .max, "the range \(range) passed")
        let again = RangeHeader.parse("bytes=\(range.first)-\(range.last.map(String.init) ?? "")")
        try hold(again == range, "\(String(describing: again)) instead of \(range)")
        for length in [0, 1, 2, range.first, range.last ?? 0, .max] as [Int64] {
            guard let bytes = range.resolve(length: length) else {
                try hold(range.first >= length, "\(range) of \(length) bytes is refused")
                continue
            }
            try hold(bytes.lowerBound == range.first && !bytes.isEmpty, "\(range) of \(length) bytes is \(bytes)")
            try hold(bytes.upperBound <= length, "\(range) of \(length) bytes is \(bytes)")
        }
    }

    private static func dates(_ text: String) throws {
        if let date = HTTPDate.parse(text) {
            try hold(date.nanoseconds % 1_000_000_000 == 0 || isAtTheEdge(date), "a fraction of a second")
            if !isAtTheEdge(date) { try hold(HTTPDate.parse(HTTPDate.format(date)) == date, "another date") }
        }
        if let date = ISODate.parse(text), !isAtTheEdge(date) {
            let again = try must(ISODate.parse(ISODate.format(date)), "\(ISODate.format(date)) is not read")
            // Seven digits of a second are written.
            let lost = date.nanoseconds - again.nanoseconds
            try hold((0..<100).contains(lost), "\(ISODate.format(date)) is \(lost) ns off")
            try hold(ISODate.format(again) == ISODate.format(date), "another text")
        }
        if let version = ServiceVersion(text) {
            try hold(version.description == text, "\(version) instead of \(text)")
            try hold(version >= .first, "the version \(version) passed")
        }
    }

    /// Years that 64 bits of nanoseconds cannot hold become the nearest moment that they can.
    private static func isAtTheEdge(_ date: Timestamp) -> Bool {
        date.nanoseconds > .max - 2_000_000_000 || date.nanoseconds < .min + 2_000_000_000
    }

    private static func etags(_ text: String) throws {
        if let version = Version(etagText: text) {
            try hold(version.etagText == text.uppercased().replacingX, "\(text) is read as \(version)")
        }
        let weak = ETagList(text, comparison: .weak)
        let strong = ETagList(text, comparison: .strong)
        try hold(weak?.count == strong?.count, "the comparison decides whether \(text) is a list")
        guard let weak, let strong else { return }
        guard case .versions(let all) = weak.condition, case .versions(let some) = strong.condition else {
            return try hold(weak.condition == .any && strong.condition == .any, "a star in one comparison only")
        }
        try hold(all.count <= weak.count && Set(some).isSubset(of: all), "\(some) are not among \(all)")
        guard !all.isEmpty else { return }
        let written = all.map { "\"\($0.etagText)\"" }.joined(separator: ", ")
        let again = ETagList(written, comparison: .strong)
        try hold(again == ETagList(condition: .versions(all), count: all.count), "\(written) is another list")
    }

    private static func checksums(_ text: String) throws {
        if let md5 = try refusing([.invalidMd5], { () throws(AzureError) in try ChecksumHeaders.md5(text) }) {
            try hold(try ChecksumHeaders.md5(Base64.encode(md5)) == md5, "another MD5")
        }
        let crc = try refusing([.invalidHeaderValue, .crc64Mismatch]) { () throws(AzureError) in
            try ChecksumHeaders.crc64(text, header: "x")
        }
        if let crc {
            try hold(
                try ChecksumHeaders.crc64(ChecksumHeaders.crc64Text(crc), header: "x") == crc, "another CRC-64")
        }
    }

    private static func identities(_ text: String) throws {
        if let lease = LeaseID(text) {
            try hold(lease.value.utf8.count == 36 && LeaseID(lease.value) == lease, "\(lease) is another lease")
        }
        guard let pairs = TagsHeader.parse(text) else { return }
        let written = pairs.map { "\(PercentCoding.encode($0.0))=\(PercentCoding.encode($0.1))" }
        let again = try must(TagsHeader.parse(written.joined(separator: "&")), "\(written) is not read")
        let isSame = again.elementsEqual(pairs) { sameBytes($0.0, $1.0) && sameBytes($0.1, $1.1) }
        try hold(isSame, "\(again) instead of \(pairs)")
    }

    private static func conditions(_ lines: [String]) throws {
        for use in [ConditionHeaders.Use.read, .write] {
            let codes: [AzureErrorCode] = [
                .invalidHeaderValue, .unsatisfiableCondition, .multipleConditionHeadersNotSupported,
            ]
            _ = try refusing(codes) { () throws(AzureError) in
                try ConditionHeaders.target.parse(use) { name in
                    lines.filter { $0.utf8.starts(with: "\(name):".utf8) }
                        .map { String(Substring($0.utf8.dropFirst(name.utf8.count + 1))) }
                }
            }
        }
        _ = ConditionHeaders.rangeValidator(lines[0])
    }

    private static func requestHeaders(_ lines: [String]) throws {
        var fields = HTTPHeaders()
        for field in lines.compactMap(header) { fields.add(name: field.name, value: field.value) }
        let headers = RequestHeaders(fields)
        let codes: [AzureErrorCode] = [.invalidHeaderValue, .invalidMd5]
        if let content = try refusing(codes, { () throws(AzureError) in try headers.putBlobContentHeaders() }) {
            try hold(content.contentMD5 == nil || content.contentMD5?.count == 16, "an MD5 of other length passed")
        }
        _ = try refusing(codes) { () throws(AzureError) in try headers.tier() }
        _ = try refusing(codes) { () throws(AzureError) in try headers.rehydratePriority() }
        _ = try refusing(codes) { () throws(AzureError) in try headers.publicAccess() }
        _ = try refusing([.featureNotSupportedForAccount, .invalidHeaderValue]) { () throws(AzureError) in
            try RefusedHeaders.check(headers)
        }
        try metadata(headers)
    }

    private static func metadata(_ headers: RequestHeaders) throws {
        let metadata: UserMetadata
        do { metadata = try headers.metadata() } catch {
            return try hold(error is AzureError || error is StorageFailure, "metadata is refused by \(error)")
        }
        let size = metadata.entries.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        try hold(size <= 2 * Limits.metadataBytes, "\(size) bytes of metadata passed")
        let keys = metadata.entries.map { Array($0.key.utf8) }
        try hold(
            zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) }, "metadata is out of order")
        var fields = HTTPHeaders()
        for entry in metadata.entries { fields.add(name: "X-MS-Meta-\(entry.key)", value: entry.value) }
        try hold(try RequestHeaders(fields).metadata() == metadata, "\(fields) is other metadata")
    }

    /// The value, or `nil` when it was refused with one of the codes.
    private static func refusing<Value>(
        _ codes: [AzureErrorCode], _ read: () throws(AzureError) -> Value?
    ) throws(BrokenProperty) -> Value? {
        do throws(AzureError) { return try read() } catch {
            try hold(codes.contains(error.code), "refused as \(error.code)")
            return nil
        }
    }
}

extension String {
    /// `0X…` as `0x…`.
    fileprivate var replacingX: String { "0x" + dropFirst(2) }
}
