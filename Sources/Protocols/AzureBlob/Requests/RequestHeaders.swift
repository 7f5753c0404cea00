import AzureWire
import NIOHTTP1
import StorageModel

/// Typed reading of request headers. A header with an empty value counts as absent: SDKs send those for unset options.
///
/// An operation asks for many more headers than a request has: a mask of 64 bits tells most of those that are absent
/// without a look at the fields.
struct RequestHeaders: Sendable {
    let fields: HTTPHeaders
    private let present: UInt64

    init(_ fields: HTTPHeaders) {
        self.fields = fields
        var present: UInt64 = 0
        for field in fields { present |= Self.bit(of: field.name) }
        self.present = present
    }

    /// Out of the name's length and its last letter, whose case does not count.
    private static func bit(of name: String) -> UInt64 {
        let bytes = name.utf8
        guard let last = bytes.last else { return 1 }
        return 1 << UInt64((bytes.count &* 7 &+ Int(last | 0x20)) & 63)
    }

    subscript(name: String) -> String? {
        guard present & Self.bit(of: name) != 0, let value = fields.first(name: name) else { return nil }
        guard let first = value.utf8.first, let last = value.utf8.last else { return nil }
        if !first.isHTTPBlank, !last.isHTTPBlank { return value }
        let trimmed = value.trimmingHTTPBlanks
        return trimmed.isEmpty ? nil : String(trimmed)
    }

    /// Every value of the header, as it came.
    func values(_ name: String) -> [String] { present & Self.bit(of: name) == 0 ? [] : fields[name] }

    func has(_ name: String) -> Bool { self[name] != nil }

    func required(_ name: String) throws(AzureError) -> String {
        guard let value = self[name] else { throw .missingRequiredHeader(name) }
        return value
    }

    func boolean(_ name: String) throws(AzureError) -> Bool? {
        guard let text = self[name] else { return nil }
        switch text.lowercased() {
        case "true": return true
        case "false": return false
        default: throw .invalidHeaderValue(name, text)
        }
    }

    func date(_ name: String) throws(AzureError) -> Timestamp? {
        guard let text = self[name] else { return nil }
        guard let date = HTTPDate.parse(text) else { throw .invalidHeaderValue(name, text) }
        return date
    }

    func conditions(
        _ use: ConditionHeaders.Use, _ family: ConditionHeaders = .target
    ) throws(AzureError) -> Conditions {
        try family.parse(use) { name in values(name) }
    }

    /// Of an operation that honours `x-ms-if-tags` and no other condition.
    func tagConditions() throws(AzureError) -> Conditions {
        var family = ConditionHeaders.target
        family.ifMatch = Self.none
        family.ifNoneMatch = Self.none
        family.ifModifiedSince = Self.none
        family.ifUnmodifiedSince = Self.none
        return try conditions(.write, family)
    }

    /// Of a container operation: dates alone count.
    func dateConditions() throws(AzureError) -> Conditions {
        var family = ConditionHeaders.target
        family.ifMatch = Self.none
        family.ifNoneMatch = Self.none
        family.ifTags = nil
        return try conditions(.write, family)
    }

    /// No request has a header of this name.
    private static let none = ""

    // MARK: Leases

    func lease(_ name: String = "x-ms-lease-id") throws(AzureError) -> LeaseID? {
        guard let text = self[name] else { return nil }
        guard let id = LeaseID(text) else { throw .invalidHeaderValue(name, text) }
        return id
    }

    // MARK: Checksums

    func md5(_ name: String) throws(AzureError) -> [UInt8]? {
        guard let text = self[name] else { return nil }
        return try ChecksumHeaders.md5(text)
    }

    func crc64(_ name: String) throws(AzureError) -> UInt64? {
        guard let text = self[name] else { return nil }
        return try ChecksumHeaders.crc64(text, header: name)
    }

    // MARK: Tiers and tags

    func tier() throws(AzureError) -> AccessTier? {
        guard let text = self["x-ms-access-tier"] else { return nil }
        guard let tier = AccessTier.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) else {
            throw .invalidHeaderValue("x-ms-access-tier", text)
        }
        return tier
    }

    func rehydratePriority() throws(AzureError) -> Rehydration.Priority? {
        switch self["x-ms-rehydrate-priority"]?.lowercased() {
        case nil: return nil
        case "standard"?: return .standard
        case "high"?: return .high
        case let other?: throw .invalidHeaderValue("x-ms-rehydrate-priority", other)
        }
    }

    func tags() throws -> Tags {
        guard let text = self["x-ms-tags"] else { return .empty }
        guard let pairs = TagsHeader.parse(text) else { throw AzureError.invalidHeaderValue("x-ms-tags", text) }
        return try Tags(validating: pairs)
    }

    func publicAccess() throws(AzureError) -> PublicAccess? {
        guard let text = self["x-ms-blob-public-access"] else { return nil }
        // Older SDKs say `true` for what is `container` now.
        if text.lowercased() == "true" { return .container }
        guard let access = PublicAccess(rawValue: text.lowercased()) else {
            throw .invalidHeaderValue("x-ms-blob-public-access", text)
        }
        return access
    }

    // MARK: Metadata

    func metadata() throws -> UserMetadata {
        let prefix: StaticString = "x-ms-meta-"
        var pairs: [(String, String)] = []
        for field in fields where field.name.hasPrefixIgnoringASCIICase(prefix) {
            let name = field.name.utf8.dropFirst(prefix.utf8CodeUnitCount)
            guard !name.isEmpty else { throw AzureError(.emptyMetadataKey) }
            pairs.append((String(Substring(name)), String(field.value.trimmingHTTPBlanks)))
        }
        return pairs.isEmpty ? .empty : try UserMetadata(validating: pairs)
    }
}

extension StringProtocol {
    /// Without the spaces and tabs that HTTP allows around a value.
    var trimmingHTTPBlanks: Substring {
        var rest = Substring(self).utf8
        while let first = rest.first, first.isHTTPBlank { rest.removeFirst() }
        while let last = rest.last, last.isHTTPBlank { rest.removeLast() }
        return Substring(rest)
    }
}

extension UInt8 {
    fileprivate var isHTTPBlank: Bool { self == 0x20 || self == 0x09 }
}
