import AzureWire
import Namespace
import StorageModel

/// A request of the Blob protocol before it is signed.
struct BlobRequest {
    var method: String
    var path: String
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []

    static let version = "2023-11-03"

    init(_ method: String, _ path: String, _ query: [(name: String, value: String)] = []) {
        self.method = method
        self.path = path
        self.query = query
    }

    mutating func set(_ name: String, _ value: String?) {
        guard let value else { return }
        headers.append((name, value))
    }

    var target: String {
        guard !query.isEmpty else { return path }
        let parts = query.map { "\($0.name)=\(PercentCoding.encode($0.value))" }
        return "\(path)?\(parts.joined(separator: "&"))"
    }

    /// The headers with date, version, length and signature.
    func signed(account: String, key: AccountKey, now: Timestamp) -> [(name: String, value: String)] {
        var all = headers
        all.append(("x-ms-version", Self.version))
        all.append(("x-ms-date", HTTPDate.format(now)))
        if method == "PUT" || method == "POST" { all.append(("Content-Length", "\(body.count)")) }
        let request = SharedKeyRequest(
            method: method, rawPath: path, account: account, style: .path,
            query: QueryString(parameters: query.map { .init(name: $0.name.lowercased(), value: $0.value) }),
            headers: SignableHeaders(all), version: ServiceVersion(Self.version) ?? .tags)
        all.append(("Authorization", "SharedKey \(account):\(SharedKey.signature(request, scheme: .full, key: key))"))
        return all
    }

    /// The whole request as it goes over the wire.
    func bytes(account: String, key: AccountKey, now: Timestamp, host: String) -> [UInt8] {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n"
        for header in signed(account: account, key: key, now: now) { text += "\(header.name): \(header.value)\r\n" }
        text += "\r\n"
        return Array(text.utf8) + body
    }
}

// MARK: - Guards and attributes

extension BlobRequest {
    mutating func set(_ held: Guard, _ names: ConditionHeaders = .target) {
        set("x-ms-lease-id", held.lease?.value)
        set(held.conditions, names)
    }

    mutating func set(_ conditions: Conditions, _ names: ConditionHeaders = .target) {
        set(names.ifMatch, conditions.ifMatch.map(Self.text))
        set(names.ifNoneMatch, conditions.ifNoneMatch.map(Self.text))
        set(names.ifModifiedSince, conditions.ifModifiedSince.map { HTTPDate.format($0) })
        set(names.ifUnmodifiedSince, conditions.ifUnmodifiedSince.map { HTTPDate.format($0) })
        if let name = names.ifTags { set(name, conditions.ifTags.map(Self.text)) }
    }

    private static func text(_ condition: ETagCondition) -> String {
        switch condition {
        case .any: "*"
        // A text that is no ETag of this store: it equals none.
        case .versions(let versions): versions.first.map { "\"\($0.etagText)\"" } ?? "\"nothing\""
        }
    }

    static func text(_ filter: TagFilter) -> String {
        switch filter {
        case .container(let name): "@container='\(name)'"
        case .and(let left, let right): "\(text(left)) AND \(text(right))"
        case .or(let left, let right): "(\(text(left)) OR \(text(right)))"
        case .compare(let key, let comparison, let value):
            switch comparison {
            case .equal: "\"\(key)\"='\(value)'"
            case .notEqual: "\"\(key)\"<>'\(value)'"
            case .less: "\"\(key)\"<'\(value)'"
            case .lessOrEqual: "\"\(key)\"<='\(value)'"
            case .greater: "\"\(key)\">'\(value)'"
            case .greaterOrEqual: "\"\(key)\">='\(value)'"
            }
        }
    }

    mutating func set(_ metadata: UserMetadata) {
        for entry in metadata.entries { set("x-ms-meta-\(entry.key)", entry.value) }
    }

    mutating func set(_ headers: ContentHeaders, withMD5: Bool = true) {
        set("x-ms-blob-content-type", headers.contentType)
        set("x-ms-blob-content-encoding", headers.contentEncoding)
        set("x-ms-blob-content-language", headers.contentLanguage)
        set("x-ms-blob-content-disposition", headers.contentDisposition)
        set("x-ms-blob-cache-control", headers.cacheControl)
        if withMD5 { set("x-ms-blob-content-md5", headers.contentMD5.map { Base64.encode($0) }) }
    }

    mutating func set(_ attributes: BlobAttributes, withMD5: Bool = true) {
        set(attributes.headers, withMD5: withMD5)
        set(attributes.metadata)
        if !attributes.tags.isEmpty { set("x-ms-tags", TagsHeader.format(attributes.tags)) }
        set("x-ms-access-tier", attributes.tier?.rawValue)
    }

    mutating func set(_ action: LeaseAction) {
        switch action {
        case .acquire(let duration, let proposed):
            set("x-ms-lease-action", "acquire")
            switch duration {
            case .infinite: set("x-ms-lease-duration", "-1")
            case .seconds(let seconds): set("x-ms-lease-duration", "\(seconds)")
            }
            set("x-ms-proposed-lease-id", proposed?.value)
        case .renew(let id):
            set("x-ms-lease-action", "renew")
            set("x-ms-lease-id", id.value)
        case .change(let id, let proposed):
            set("x-ms-lease-action", "change")
            set("x-ms-lease-id", id.value)
            set("x-ms-proposed-lease-id", proposed.value)
        case .release(let id):
            set("x-ms-lease-action", "release")
            set("x-ms-lease-id", id.value)
        case .breakAfter(let seconds):
            set("x-ms-lease-action", "break")
            set("x-ms-lease-break-period", seconds.map { "\($0)" })
        }
    }

    mutating func set(_ name: String, _ range: RangeRequest?) {
        guard let range else { return }
        set(name, "bytes=\(range.first)-\(range.last.map { "\($0)" } ?? "")")
    }
}
