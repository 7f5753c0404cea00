import AzureWire
import HTTPExchange
import NIOCore
import NIOHTTP1
import Namespace
import StorageModel

/// What an operation answers, before the headers that every answer has.
struct Answer: Sendable {
    var status: HTTPResponseStatus
    var headers = HTTPHeaders()
    var body: ResponseBody = .empty
    /// Of a batch, for the audit trail.
    var parts: [PartRecord] = []

    init(_ status: HTTPResponseStatus, body: ResponseBody = .empty) {
        self.status = status
        self.body = body
        // What a blob's answer has, with the service's own on top.
        headers.reserveCapacity(20)
    }

    /// An XML document, or for HEAD its length.
    static func xml(_ document: ByteBuffer, isHead: Bool = false) -> Answer {
        var answer = Answer(.ok, body: isHead ? .headOnly(length: Int64(document.readableBytes)) : .bytes(document))
        answer.set("Content-Type", "application/xml")
        return answer
    }

    mutating func set(_ name: String, _ value: String?) {
        guard let value else { return }
        headers.add(name: name, value: value)
    }

    mutating func setState(_ version: Version, _ lastModified: Timestamp) {
        set("ETag", version.quotedETagText)
        set("Last-Modified", HTTPDate.format(lastModified))
    }

    mutating func setState(_ receipt: WriteReceipt) { setState(receipt.version, receipt.lastModified) }

    mutating func setMetadata(_ metadata: UserMetadata) {
        for entry in metadata.entries { set("x-ms-meta-\(entry.key)", entry.value) }
    }

    mutating func setLease(_ lease: LeaseView) {
        set("x-ms-lease-status", lease.isLocked ? "locked" : "unlocked")
        set("x-ms-lease-state", lease.state.rawValue)
        if let isInfinite = lease.isInfinite { set("x-ms-lease-duration", isInfinite ? "infinite" : "fixed") }
    }

    /// That the bytes are kept encrypted at rest is the disk's business; clients expect the header after every write.
    mutating func setEncrypted() { set("x-ms-request-server-encrypted", "true") }
}
