import AzureWire
import NIOCore
import Namespace
import StorageModel
import StorageTestKit

/// Answers back into the model's words. What is missing or contradicts itself is a mismatch of its own.
extension HTTPSubject {
    typealias Reply = HTTPConnection.Reply

    func answer(to operation: ModelOperation, _ reply: Reply) throws -> ModelOutcome {
        if reply.status >= 300 { return .refused(try Self.refusal(reply, operation)) }
        let wanted = Self.statuses(of: operation)
        guard wanted.contains(reply.status) else {
            throw ModelMismatch("\(operation.line): status \(reply.status), expected \(wanted)")
        }
        if case .read(let read) = operation { return .done(try Self.sight(of: read, reply)) }
        return .done(try Self.receipt(of: operation, reply))
    }

    static func refusal(_ reply: Reply, _ operation: ModelOperation) throws -> ModelRefusal {
        guard let code = reply["x-ms-error-code"] else {
            throw ModelMismatch("\(operation.line): status \(reply.status) without an error code")
        }
        if !reply.body.isEmpty, !String(decoding: reply.body, as: UTF8.self).contains("<Code>\(code)</Code>") {
            throw ModelMismatch("\(operation.line): \(code) in the header and something else in the body")
        }
        return ModelRefusal(
            [String(reply.status), code, reply["content-range"]].compactMap { $0 }.joined(separator: " "))
    }

    /// Source: "Response - Status code" on the page of each operation.
    static func statuses(of operation: ModelOperation) -> [Int] {
        switch operation {
        case .createContainer, .putBlob, .putBlock, .commit, .slice: [201]
        case .setContainerMetadata, .setProperties, .setMetadata: [200]
        case .deleteContainer, .delete: [202]
        case .setTags: [204]
        case .setTier: [200, 202]
        case .copy(_, let request, _): request.recordsCopy ? [202] : [201]
        case .leaseBlob(_, let action, _), .leaseContainer(_, let action, _):
            switch action {
            case .acquire: [201]
            case .renew, .change, .release: [200]
            case .breakAfter: [202]
            }
        case .read(.get(_, let range, _)): range == nil ? [200] : [206]
        case .read: [200]
        case .batch: [202]
        case .advance, .reap, .expire: []
        }
    }

    static func receipt(of operation: ModelOperation, _ reply: Reply) throws -> ModelReceipt {
        var receipt = ModelReceipt()
        switch operation {
        case .setTier: receipt.isPending = reply.status == 202
        case .createContainer, .setContainerMetadata, .putBlob, .commit, .setProperties, .setMetadata:
            receipt = try state(reply)
        case .copy(_, let request, _):
            receipt = try state(reply)
            if request.recordsCopy {
                guard reply["x-ms-copy-id"] != nil, reply["x-ms-copy-status"] == "success" else {
                    throw ModelMismatch("\(operation.line): no id or no status of the copy")
                }
            }
        case .leaseBlob, .leaseContainer:
            receipt = try state(reply)
            receipt.lease = reply["x-ms-lease-id"].map { LeaseID(stored: $0) }
            receipt.remaining = try reply["x-ms-lease-time"].map { try number($0) }
        case .deleteContainer, .putBlock, .slice, .setTags, .delete, .read, .batch, .advance, .reap, .expire: break
        }
        return receipt
    }

    private static func state(_ reply: Reply) throws -> ModelReceipt {
        var receipt = ModelReceipt(version: try version(reply["etag"]))
        receipt.modified = try date(reply["last-modified"])
        return receipt
    }

    // MARK: - Reads

    static func sight(of read: ModelRead, _ reply: Reply) throws -> ModelReceipt {
        switch read {
        case .get(_, let range, _):
            let (sight, shownRange) = try blob(reply, length: reply.body.count, isRange: range != nil)
            return ModelReceipt(seeing: .blob(sight, range: shownRange, bytes: reply.body))
        case .head:
            var (sight, _) = try blob(reply, length: try number(reply["content-length"]), isRange: false)
            sight.tier = try tier(
                reply["x-ms-access-tier"], isInferred: reply["x-ms-access-tier-inferred"] == "true",
                archive: reply["x-ms-archive-status"])
            return ModelReceipt(seeing: .blob(sight, range: nil, bytes: nil))
        case .tags:
            let tags = try document(reply).child("TagSet")?.children ?? []
            return ModelReceipt(seeing: .tags(tags.map(tagLine)))
        case .blocks(_, let kind, _): return try blocks(kind, reply)
        case .container(let name, _):
            let lease = try lease(
                reply["x-ms-lease-state"], reply["x-ms-lease-status"], reply["x-ms-lease-duration"])
            return ModelReceipt(
                seeing: .container(
                    ContainerSight(
                        name: name.value, version: try version(reply["etag"]),
                        modified: try date(reply["last-modified"]), metadata: metadata(reply), lease: lease)))
        case .containers: return try containers(reply)
        case .list(_, let listing): return try page(listing, reply)
        case .find: preconditionFailure("a search is several requests")
        }
    }

    private static func blob(
        _ reply: Reply, length: Int, isRange: Bool
    ) throws -> (BlobSight, Range<Int64>?) {
        var (total, range) = (Int64(length), Range<Int64>?.none)
        if isRange {
            let words = (reply["content-range"] ?? "").split { " -/".contains($0) }
            guard words.count == 4, words[0] == "bytes", let first = Int64(words[1]), let last = Int64(words[2]),
                let whole = Int64(words[3]), last >= first, last - first + 1 == total
            else { throw ModelMismatch("Content-Range \(reply["content-range"] ?? "missing") of \(length) bytes") }
            (total, range) = (whole, first..<(last + 1))
        }
        var headers = ContentHeaders(
            contentType: reply["content-type"] ?? "missing", contentEncoding: reply["content-encoding"],
            contentLanguage: reply["content-language"], contentDisposition: reply["content-disposition"],
            cacheControl: reply["cache-control"])
        headers.contentMD5 = reply[isRange ? "x-ms-blob-content-md5" : "content-md5"].flatMap { Base64.decode($0) }
        var sight = BlobSight(
            version: try version(reply["etag"]), createdOn: try date(reply["x-ms-creation-time"]),
            modified: try date(reply["last-modified"]), length: total, headers: headers,
            lease: try lease(reply["x-ms-lease-state"], reply["x-ms-lease-status"], reply["x-ms-lease-duration"]))
        sight.metadata = metadata(reply)
        sight.tagCount = try reply["x-ms-tag-count"].map { try number($0) } ?? 0
        sight.showsCopy = reply["x-ms-copy-id"] != nil
        return (sight, range)
    }

    private static func metadata(_ reply: Reply) -> [String] {
        reply.headers.filter { $0.key.hasPrefix("x-ms-meta-") }.map { "\($0.key.dropFirst(10))=\($0.value)" }.sorted()
    }

    private static func blocks(_ kind: BlockListKind, _ reply: Reply) throws -> ModelReceipt {
        let document = try document(reply)
        func lines(_ name: String) throws -> [String]? {
            try document.child(name)?.children.map { block in
                "\(block.child("Name")?.text ?? "missing") \(try number(block.child("Size")?.text))"
            }
        }
        return ModelReceipt(
            seeing: .blocks(
                version: try reply["etag"].map { try version($0) },
                length: try number(reply["x-ms-blob-content-length"]), committed: try lines("CommittedBlocks"),
                uncommitted: try lines("UncommittedBlocks")))
    }

    // MARK: - Values

    static func document(_ reply: Reply) throws -> XMLElement {
        do { return try XMLElement(reading: ByteBuffer(bytes: reply.body)) } catch {
            throw ModelMismatch("a body that is no XML: \(String(decoding: reply.body, as: UTF8.self))")
        }
    }

    static func version(_ text: String?) throws -> Version {
        guard var text else { throw ModelMismatch("no ETag") }
        if text.hasPrefix("\""), text.hasSuffix("\"") { text = String(text.dropFirst().dropLast()) }
        guard let version = Version(etagText: text) else { throw ModelMismatch("the ETag \(text)") }
        return version
    }

    static func date(_ text: String?) throws -> Int64 {
        guard let text, let date = HTTPDate.parse(text) else { throw ModelMismatch("the date \(text ?? "missing")") }
        return date.seconds
    }

    static func number(_ text: String?) throws -> Int {
        guard let text, let number = Int(text) else { throw ModelMismatch("the number \(text ?? "missing")") }
        return number
    }

    static func lease(_ state: String?, _ status: String?, _ duration: String?) throws -> String {
        guard let state, let status else { throw ModelMismatch("no state or status of the lease") }
        let isLocked = state == "leased" || state == "breaking"
        guard status == (isLocked ? "locked" : "unlocked"), (duration != nil) == (state == "leased") else {
            throw ModelMismatch("a lease that is \(state), \(status) and \(duration ?? "without duration")")
        }
        return duration.map { "\(state) \($0)" } ?? state
    }

    static func tier(_ tier: String?, isInferred: Bool, archive: String?) throws -> String {
        guard let tier else { throw ModelMismatch("no tier") }
        var text = isInferred ? "\(tier) inferred" : tier
        if let archive {
            guard let name = archive.split(separator: "-").last, archive == "rehydrate-pending-to-\(name)" else {
                throw ModelMismatch("the archive status \(archive)")
            }
            text += " to \(name.prefix(1).uppercased())\(name.dropFirst())"
        }
        return text
    }

    static func tagLine(_ tag: XMLElement) -> String {
        "\(tag.child("Key")?.text ?? "missing")=\(tag.child("Value")?.text ?? "missing")"
    }
}
