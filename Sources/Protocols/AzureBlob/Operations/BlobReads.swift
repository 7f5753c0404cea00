import Access
import AzureWire
import Checksums
import Crypto
import HTTPExchange
import NIOCore
import NIOHTTP1
import Namespace
import StorageModel

// Get Blob, Get Blob Properties, Get Blob Metadata.
extension AzureBlobService {
    func getBlob(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        let held = Guard(conditions: try headers.conditions(.reading(call.version)), lease: try headers.lease())
        // `x-ms-range` wins; a range that cannot be read is as good as none.
        let range = (headers["x-ms-range"] ?? headers["Range"]).flatMap { RangeHeader.parse($0) }
        let checksum = try RangeChecksum(headers, range: range)
        let framing = try StructuredFraming(headers)
        if let framing, checksum != nil { throw AzureError.invalidHeaderValue(StructuredFraming.header, framing.text) }
        let ifRange = headers["If-Range"].map { ConditionHeaders.rangeValidator($0) }
        let reading = try await namespace.openBlob(blob, range: range, ifRange: ifRange, guard: held)

        var answer = Answer(reading.range == nil ? .ok : .partialContent)
        answer.setBlob(reading.properties, for: call.grant.principal)
        answer.set("Accept-Ranges", "bytes")
        let storedMD5 = reading.properties.headers.contentMD5.map { Base64.encode($0) }
        guard let range = reading.range else {
            answer.set("Content-MD5", storedMD5)
            if checksum != nil { answer.set("x-ms-blob-content-md5", storedMD5) }
            answer.setBody(reading, framing)
            return answer
        }
        answer.set("Content-Range", RangeHeader.contentRange(range, length: reading.properties.length))
        answer.set("x-ms-blob-content-md5", storedMD5)
        guard let checksum else {
            answer.setBody(reading, framing)
            return answer
        }
        guard reading.length <= Limits.rangeChecksumBytes else {
            reading.body.close()
            throw AzureError(.outOfRangeInput, message: "A checksum can be asked for ranges of at most 4 MiB.")
        }
        let bytes = try await reading.body.collect(limit: Int(Limits.rangeChecksumBytes))
        checksum.set(on: &answer, of: bytes)
        answer.body = .bytes(bytes)
        return answer
    }

    func getBlobProperties(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        let held = Guard(conditions: try headers.conditions(.reading(call.version)), lease: try headers.lease())
        let properties = try await namespace.blobProperties(blob, guard: held)
        var answer = Answer(.ok, body: .headOnly(length: properties.length))
        answer.setBlob(properties, for: call.grant.principal)
        answer.set("Accept-Ranges", "bytes")
        answer.set("Content-MD5", properties.headers.contentMD5.map { Base64.encode($0) })
        answer.setTier(properties)
        return answer
    }

    func getBlobMetadata(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        let held = Guard(conditions: try headers.conditions(.reading(call.version)), lease: try headers.lease())
        let properties = try await namespace.blobProperties(blob, guard: held)
        var answer = Answer(.ok)
        answer.setState(properties.version, properties.lastModified)
        answer.setMetadata(properties.metadata)
        return answer
    }

    /// This node keeps one version of a blob and no snapshots: whatever id a request names does not exist.
    func readOfVersion(
        _ operation: BlobOperation, _ call: Call, _ blob: BlobAddress
    ) async throws -> AzureError? {
        for name in ["snapshot", "versionid"] {
            guard let text = call.query[name], !text.isEmpty else { continue }
            guard ISODate.parse(text) != nil else { throw AzureError.invalidQueryParameter(name, text) }
            switch operation {
            case .get, .getProperties, .getMetadata, .getTags, .setTags, .getBlockList, .setTier, .delete:
                _ = try await namespace.containerProperties(blob.container, lease: nil)
                return AzureError(.blobNotFound)
            default: return .invalidQueryParameter(name, text)
            }
        }
        return nil
    }
}

/// `x-ms-range-get-content-md5` or `-crc64`: a checksum of the bytes sent.
private enum RangeChecksum {
    case md5, crc64

    init?(_ headers: RequestHeaders, range: RangeRequest?) throws(AzureError) {
        let md5Name = "x-ms-range-get-content-md5"
        let crcName = "x-ms-range-get-content-crc64"
        let wantsMD5 = try headers.boolean(md5Name) ?? false
        let wantsCRC = try headers.boolean(crcName) ?? false
        guard wantsMD5 || wantsCRC else { return nil }
        guard range != nil else { throw .invalidHeaderValue(wantsMD5 ? md5Name : crcName, "true") }
        guard !(wantsMD5 && wantsCRC) else { throw .invalidHeaderValue(crcName, "true") }
        self = wantsMD5 ? .md5 : .crc64
    }

    func set(on answer: inout Answer, of bytes: ByteBuffer) {
        switch self {
        case .md5: answer.set("Content-MD5", Base64.encode(BodyChecksums.md5(bytes)))
        case .crc64: answer.set("x-ms-content-crc64", ChecksumHeaders.crc64Text(BodyChecksums.crc64(bytes)))
        }
    }
}

extension Answer {
    fileprivate mutating func setBody(_ reading: BlobReading, _ framing: StructuredFraming?) {
        guard let framing else {
            body = reading.bytes.map { .bytes($0) } ?? .stream(length: reading.length, reading.body)
            return
        }
        let producer = StructuredBodyProducer(reading.body, length: reading.length)
        set(StructuredFraming.header, framing.text)
        set(StructuredFraming.lengthHeader, String(reading.length))
        body = .stream(length: producer.encodedLength, producer)
    }

    /// The headers that GET and HEAD share.
    mutating func setBlob(_ properties: BlobProperties, for principal: Principal) {
        let headers = properties.headers
        set("Content-Type", headers.contentType)
        set("Content-Encoding", headers.contentEncoding)
        set("Content-Language", headers.contentLanguage)
        set("Content-Disposition", headers.contentDisposition)
        set("Cache-Control", headers.cacheControl)
        setState(properties.version, properties.lastModified)
        set("x-ms-creation-time", HTTPDate.format(properties.createdOn))
        set("x-ms-blob-type", "BlockBlob")
        set("x-ms-server-encrypted", "true")
        setLease(properties.lease)
        setMetadata(properties.metadata)
        if properties.tags.count > 0, principal != .anonymous { set("x-ms-tag-count", String(properties.tags.count)) }
        guard let copy = properties.copy else { return }
        set("x-ms-copy-id", copy.id)
        set("x-ms-copy-source", copy.source)
        set("x-ms-copy-status", copy.status.rawValue)
        set("x-ms-copy-progress", copy.progressText)
        set("x-ms-copy-completion-time", copy.completedOn.map { HTTPDate.format($0) })
        set("x-ms-copy-status-description", copy.statusDescription)
    }

    mutating func setTier(_ properties: BlobProperties) {
        set("x-ms-access-tier", (properties.tier ?? .hot).rawValue)
        if properties.tier == nil { set("x-ms-access-tier-inferred", "true") }
        set("x-ms-access-tier-change-time", properties.tierChangedOn.map { HTTPDate.format($0) })
        guard let rehydration = properties.rehydration else { return }
        set("x-ms-archive-status", rehydration.archiveStatus)
        set("x-ms-rehydrate-priority", rehydration.priority.rawValue)
    }
}
