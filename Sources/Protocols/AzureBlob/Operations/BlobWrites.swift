import Access
import AzureWire
import HTTPExchange
import NIOCore
import NIOHTTP1
import Namespace
import StorageModel

// Put Blob, Put Block, Put Block List, Get Block List.
extension AzureBlobService {
    func putBlob(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        try Self.checkBlobType(headers)
        var body = try call.incoming(limit: BodyLimits.putBlob(call.version))
        let checksums = try TransactionalChecksums(headers)
        let attributes = BlobAttributes(
            headers: try headers.putBlobContentHeaders(), metadata: try headers.metadata(), tags: try headers.tags(),
            tier: try headers.tier())
        let held = try call.creationGuard()
        // The blob's own MD5 is verified here, unlike in other writes, and counts before that of the body.
        body.expectedMD5 = attributes.headers.contentMD5 ?? checksums.md5
        body.expectedCRC64 = checksums.crc64
        body.wantsMD5 = true
        let receipt = try await namespace.putBlob(blob, body: body, attributes: attributes, guard: held)

        var answer = Answer(.created)
        answer.setState(receipt.write)
        answer.set("Content-MD5", receipt.digests.md5.map { Base64.encode($0) })
        if call.version >= .contentCRC64 {
            answer.set("x-ms-content-crc64", ChecksumHeaders.crc64Text(receipt.digests.crc64))
        }
        answer.set(StructuredFraming.header, headers[StructuredFraming.header])
        answer.setEncrypted()
        return answer
    }

    /// - Throws: 400 for anything but a block blob.
    static func checkBlobType(_ headers: RequestHeaders) throws(AzureError) {
        let name = "x-ms-blob-type"
        let type = try headers.required(name)
        guard type.lowercased() == "blockblob" else { throw .invalidHeaderValue(name, type) }
    }

    func putBlock(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let id = try Self.blockID(call)
        let checksums = try TransactionalChecksums(call.headers)
        let lease = try call.headers.lease()
        var body = try call.incoming(limit: BodyLimits.putBlock(call.version))
        body.source = try await Self.requireBytes(body)
        body.expectedMD5 = checksums.md5
        body.expectedCRC64 = checksums.crc64
        body.wantsMD5 = checksums.md5 != nil
        let digests = try await namespace.putBlock(blob, id: id, body: body, lease: lease)
        var answer = Self.blockAnswer(digests, md5: checksums.md5, call.version)
        answer.set(StructuredFraming.header, call.headers[StructuredFraming.header])
        return answer
    }

    static func blockAnswer(_ digests: BodyDigests, md5: [UInt8]?, _ version: ServiceVersion) -> Answer {
        var answer = Answer(.created)
        answer.set("Content-MD5", md5.map { Base64.encode($0) })
        if version >= .contentCRC64 { answer.set("x-ms-content-crc64", ChecksumHeaders.crc64Text(digests.crc64)) }
        answer.setEncrypted()
        return answer
    }

    static func blockID(_ call: Call) throws(AzureError) -> BlockID {
        guard let text = call.query["blockid"] else { throw .missingRequiredQueryParameter("blockid") }
        guard let id = BlockListBody.blockID(text) else {
            throw .invalidQueryParameter("blockid", text, reason: "Not a valid base64 string of 1 to 64 bytes.")
        }
        return id
    }

    /// A block has at least one byte. A chunked body tells only when it begins.
    private static func requireBytes(_ body: IncomingBody) async throws -> any BodySource {
        if let length = body.length {
            guard length > 0 else { throw AzureError.invalidHeaderValue("Content-Length", "0") }
            return body.source
        }
        guard let first = try await body.source.next() else {
            throw AzureError.invalidHeaderValue("Content-Length", "0")
        }
        return ResumedBody(first: first, rest: body.source)
    }

    func putBlockList(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        let attributes = BlobAttributes(
            headers: try headers.blobContentHeaders(), metadata: try headers.metadata(), tags: try headers.tags(),
            tier: try headers.tier())
        let held = Guard(conditions: try headers.conditions(.write), lease: try headers.lease())
        let document = try await call.document(limit: BodyLimits.blockList)
        let list = try BlockListBody.parse(document)
        let receipt = try await namespace.commitBlocks(blob, list: list, attributes: attributes, guard: held)

        var answer = Answer(.created)
        answer.setState(receipt)
        if headers.has("Content-MD5") {
            answer.set("Content-MD5", headers["Content-MD5"])
        } else if call.version >= .contentCRC64 {
            answer.set("x-ms-content-crc64", ChecksumHeaders.crc64Text(BodyChecksums.crc64(document)))
        }
        answer.setEncrypted()
        return answer
    }

    func getBlockList(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        let text = call.query["blocklisttype"] ?? "committed"
        let kind: BlockListKind
        switch text.lowercased() {
        case "committed": kind = .committed
        case "uncommitted": kind = .uncommitted
        case "all": kind = .all
        default: throw AzureError.invalidQueryParameter("blocklisttype", text)
        }
        let held = Guard(conditions: try headers.tagConditions(), lease: try headers.lease())
        // Public access shows nothing that is uncommitted, not even that a name has blocks.
        let listing = try await namespace.blockList(
            blob, kind: kind, guard: held, seesUncommitted: call.grant.principal != .anonymous)

        let document = AzureWire.BlockListing(
            committed: kind == .uncommitted ? nil : listing.committed.map { .init(id: $0.id, size: $0.size) },
            uncommitted: kind == .committed ? nil : listing.uncommitted.map { .init(id: $0.id, size: $0.size) })
        var answer = Answer.xml(document.xml())
        if let properties = listing.committedBlob { answer.setState(properties.version, properties.lastModified) }
        answer.set("x-ms-blob-content-length", String(listing.committedBlob?.length ?? 0))
        return answer
    }
}

/// A body of which one piece has been taken already.
private final class ResumedBody: BodySource {
    private let first: Locked<ByteBuffer?>
    private let rest: any BodySource

    init(first: ByteBuffer, rest: any BodySource) {
        self.first = Locked(first)
        self.rest = rest
    }

    func next() async throws(StorageFailure) -> ByteBuffer? {
        let piece = first.withLock { held in
            defer { held = nil }
            return held
        }
        if let piece { return piece }
        return try await rest.next()
    }
}
