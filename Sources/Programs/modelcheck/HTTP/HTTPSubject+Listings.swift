import AzureWire
import Foundation
import Namespace
import StorageModel
import StorageTestKit

/// The documents of listings and searches.
extension HTTPSubject {
    static func containers(_ reply: Reply) throws -> ModelReceipt {
        let document = try document(reply)
        let sights = try (document.child("Containers")?.children ?? []).map { entry in
            let properties = entry.child("Properties")
            return ContainerSight(
                name: entry.child("Name")?.text ?? "missing", version: try version(properties?.child("Etag")?.text),
                modified: try date(properties?.child("Last-Modified")?.text), metadata: metadata(entry),
                lease: try lease(properties))
        }
        let marker = marker(document)
        var receipt = ModelReceipt(seeing: .containers(sights, hasMore: marker != nil))
        receipt.token = marker
        return receipt
    }

    static func page(_ listing: ModelListing, _ reply: Reply) throws -> ModelReceipt {
        let document = try document(reply)
        let entries = try (document.child("Blobs")?.children ?? []).map { entry -> ModelSight.PageEntry in
            guard let name = entry.child("Name")?.text else { throw ModelMismatch("an entry without name") }
            if entry.name == "BlobPrefix" { return .prefix(Array(name.utf8)) }
            guard let properties = entry.child("Properties") else { throw ModelMismatch("no properties of \(name)") }
            // A blob that has only staged blocks has neither ETag nor date.
            guard properties.child("Etag") != nil else { return .uncommitted(name: Array(name.utf8)) }
            return .blob(name: Array(name.utf8), try blob(entry, properties, listing))
        }
        let marker = marker(document)
        var receipt = ModelReceipt(seeing: .page(entries, hasMore: marker != nil))
        receipt.token = marker
        return receipt
    }

    private static func marker(_ document: XMLElement) -> String? {
        document.child("NextMarker").flatMap { $0.text.isEmpty ? nil : $0.text }
    }

    private static func blob(
        _ entry: XMLElement, _ properties: XMLElement, _ listing: ModelListing
    ) throws -> BlobSight {
        func text(_ name: String) -> String? {
            properties.child(name).flatMap { $0.text.isEmpty ? nil : $0.text }
        }
        var sight = BlobSight(
            version: try version(text("Etag")), createdOn: try date(text("Creation-Time")),
            modified: try date(text("Last-Modified")), length: Int64(try number(text("Content-Length"))),
            headers: ContentHeaders(
                contentType: text("Content-Type") ?? "missing", contentEncoding: text("Content-Encoding"),
                contentLanguage: text("Content-Language"), contentDisposition: text("Content-Disposition"),
                cacheControl: text("Cache-Control"), contentMD5: text("Content-MD5").flatMap { Base64.decode($0) }),
            lease: try lease(properties))
        sight.tier = try tier(
            text("AccessTier"), isInferred: text("AccessTierInferred") == "true", archive: text("ArchiveStatus"))
        sight.metadata = listing.showsMetadata ? metadata(entry) : nil
        if listing.showsTags {
            sight.tags = (entry.child("Tags")?.child("TagSet")?.children ?? []).map(tagLine)
            sight.tagCount = try text("TagCount").map { try number($0) } ?? 0
        } else if entry.child("Tags") != nil {
            throw ModelMismatch("tags that were not asked for")
        }
        if !listing.showsMetadata, entry.child("Metadata") != nil {
            throw ModelMismatch("metadata that was not asked for")
        }
        sight.showsCopy = listing.showsCopies ? text("CopyId") != nil : nil
        return sight
    }

    private static func metadata(_ entry: XMLElement) -> [String] {
        (entry.child("Metadata")?.children ?? []).map { "\($0.name)=\($0.text)" }
    }

    private static func lease(_ properties: XMLElement?) throws -> String {
        try lease(
            properties?.child("LeaseState")?.text, properties?.child("LeaseStatus")?.text,
            properties?.child("LeaseDuration")?.text)
    }

    // MARK: - Searches

    /// Find Blobs by Tags, page by page.
    func find(_ container: ContainerName?, _ filter: TagFilter, _ limit: Int) throws -> ModelOutcome {
        var found: [String] = []
        var next: String?
        repeat {
            var query: [(name: String, value: String)] = [("comp", "blobs"), ("maxresults", "\(limit)")]
            if container != nil { query.append(("restype", "container")) }
            query.append(("where", BlobRequest.text(filter)))
            if let next { query.append(("marker", next)) }
            let reply = try send(BlobRequest("GET", container.map { path($0) } ?? root, query))
            guard reply.status == 200 else {
                return .refused(try Self.refusal(reply, .read(.find(container, filter, limit: limit))))
            }
            let document = try Self.document(reply)
            for blob in document.child("Blobs")?.children ?? [] {
                let tags = (blob.child("Tags")?.child("TagSet")?.children ?? []).map(Self.tagLine)
                let name = "\(blob.child("ContainerName")?.text ?? "missing")/\(blob.child("Name")?.text ?? "missing")"
                found.append("\(name) \(tags.joined(separator: ","))")
            }
            next = Self.marker(document)
        } while next != nil
        return .done(
            ModelReceipt(seeing: .found(found.sorted { Array($0.utf8).lexicographicallyPrecedes($1.utf8) })))
    }

    // MARK: - Batches

    func perform(batch parts: [ModelOperation]) throws -> ModelOutcome {
        let boundary = "batch_model"
        var body = ""
        for (index, part) in parts.enumerated() {
            let request = request(part)
            body += "--\(boundary)\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
            body += "Content-ID: \(index)\r\n\r\n\(request.method) \(request.target) HTTP/1.1\r\n"
            for header in request.signed(account: account.name.value, key: account.key, now: clock.now) {
                body += "\(header.name): \(header.value)\r\n"
            }
            body += "\r\n"
        }
        var request = BlobRequest("POST", root, [("comp", "batch")])
        request.set("Content-Type", "multipart/mixed; boundary=\(boundary)")
        request.body = Array((body + "--\(boundary)--\r\n").utf8)
        let reply = try send(request)
        guard reply.status == 202 else { return .refused(try Self.refusal(reply, .batch(parts))) }
        var receipt = ModelReceipt()
        let texts = String(decoding: reply.body, as: UTF8.self).components(separatedBy: "--batchresponse_").dropFirst()
        for (index, text) in texts.prefix(parts.count).enumerated() {
            guard let part = Self.reply(ofPart: text), part["content-id"] == "\(index)" else {
                throw ModelMismatch("part \(index) of a batch is answered with \(text)")
            }
            receipt.parts.append(try answer(to: parts[index], part))
        }
        return .done(receipt)
    }

    private static func reply(ofPart text: String) -> Reply? {
        var (status, headers, body) = (0, [String: String](), "")
        for line in text.components(separatedBy: "\r\n").dropFirst() {
            if line.hasPrefix("HTTP/1.1 ") {
                status = Int(line.dropFirst(9).prefix(3)) ?? 0
            } else if line.hasPrefix("<") {
                body += line
            } else if let colon = line.firstIndex(of: ":") {
                headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
            }
        }
        return status == 0 ? nil : Reply(status: status, headers: headers, body: Array(body.utf8))
    }
}
