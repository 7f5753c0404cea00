import Extents
import Metadata
package import NIOCore
package import StorageModel

extension Namespace {
    /// Properties under read conditions.
    package func blobProperties(
        _ address: BlobAddress, guard held: Guard
    ) async throws(StorageFailure) -> BlobProperties {
        let now = world.now()
        return try await metadata.read(.point) { reader throws(StorageFailure) in
            try self.findForRead(address, guard: held, at: now, reader).properties(at: now)
        }
    }

    /// Tags; a failed condition is always `.preconditionFailed`.
    package func tags(_ address: BlobAddress, guard held: Guard) async throws(StorageFailure) -> Tags {
        do { return try await blobProperties(address, guard: held).tags } catch {
            throw error.code == .notModified ? StorageFailure(.preconditionFailed) : error
        }
    }

    /// Opens a blob's bytes as of now. Whatever happens to the name later, the body gives these bytes.
    ///
    /// - Throws: `.rangeNotSatisfiable` for a range that starts behind the end, `.blobArchived`.
    package func openBlob(
        _ address: BlobAddress, range: RangeRequest?, ifRange: RangeValidator?, guard held: Guard
    ) async throws(StorageFailure) -> BlobReading {
        let now = world.now()
        let ticket = readers.enterLookup()
        let found: (record: BlobRecord, inline: [UInt8]?)
        do {
            found = try await metadata.read(.point) { reader throws(StorageFailure) in
                let record = try self.findForRead(address, guard: held, at: now, reader)
                guard record.content == .inline else { return (record, nil) }
                return (record, try Self.inlineBytes(record, reader))
            }
        } catch {
            readers.leaveLookup(ticket, holding: nil)
            throw error
        }
        let record = found.record
        let range = Self.isStill(record, ifRange) ? range : nil
        let resolved = range?.resolve(length: record.length)
        guard range == nil || resolved != nil, !record.isArchived(at: now) || configuration.servesArchived else {
            readers.leaveLookup(ticket, holding: nil)
            if range == nil || resolved != nil { throw StorageFailure(.blobArchived) }
            throw StorageFailure(.rangeNotSatisfiable(length: record.length))
        }
        let bytes = resolved ?? 0..<record.length
        let body: any BodyProducer
        if let inline = found.inline {
            readers.leaveLookup(ticket, holding: nil)
            body = BufferBody(ByteBuffer(bytes: inline[Int(bytes.lowerBound)..<Int(bytes.upperBound)]))
        } else if bytes.isEmpty {
            readers.leaveLookup(ticket, holding: nil)
            body = BufferBody(ByteBuffer())
        } else {
            readers.leaveLookup(ticket, holding: record.contentID)
            let extentBody = ExtentBody(of: record, range: bytes, namespace: self)
            do throws(StorageFailure) { try await extentBody.prepare() } catch {
                extentBody.close()
                throw error
            }
            body = extentBody
        }
        return BlobReading(properties: record.properties(at: now), range: resolved, body: body)
    }

    private func findForRead(
        _ address: BlobAddress, guard held: Guard, at now: Timestamp, _ reader: any MetadataReader
    ) throws(StorageFailure) -> BlobRecord {
        let container = try reader.container(address.container).id
        let record = try reader.blob(container, address.blob)
        try LeaseRules.checkGiven(record.lease, given: held.lease, subject: .blob, at: now)
        try ConditionRules.checkRead(held.conditions, record.subject(in: address.container.container))
        return record
    }

    private static func inlineBytes(
        _ record: BlobRecord, _ reader: any MetadataReader
    ) throws(StorageFailure) -> [UInt8] {
        guard let value = try reader.get(Keys.content(record.contentID, at: 0)),
            case .inline(let bytes) = try ContentPage(decoding: value), Int64(bytes.count) == record.length
        else { throw StorageFailure(.damaged, cause: "inline content \(record.contentID.rawValue) is missing or cut") }
        return bytes
    }

    /// The range of an `If-Range` request counts only while the blob is still the one that the client knows.
    private static func isStill(_ record: BlobRecord, _ validator: RangeValidator?) -> Bool {
        switch validator {
        case nil: true
        case .version(let version)?: version == record.version
        case .lastModified(let date)?: record.lastModified.seconds == date.seconds
        }
    }
}

extension BlobReading {
    /// The bytes, when they are in memory already: such a body need not be pulled or closed.
    package var bytes: ByteBuffer? { (body as? BufferBody)?.bytes }
}

/// Bytes that are in memory.
final class BufferBody: BodyProducer {
    let bytes: ByteBuffer
    private let buffer: Locked<ByteBuffer?>
    init(_ buffer: ByteBuffer) {
        bytes = buffer
        self.buffer = Locked(buffer.readableBytes > 0 ? buffer : nil)
    }
    func next() async throws(StorageFailure) -> BodyPiece? {
        buffer.withLock { buffer in
            defer { buffer = nil }
            return buffer.map { .bytes($0) }
        }
    }
    func close() {}
}

extension BodyProducer {
    /// The next bytes in memory, read on the store's threads: for answers that need to see what they send.
    package func nextBytes(atMost limit: Int) async throws(StorageFailure) -> ByteBuffer? {
        if let extents = self as? ExtentBody { return try await extents.readNext(atMost: limit) }
        guard let piece = try await next() else { return nil }
        guard case .bytes(let bytes) = piece else {
            throw StorageFailure(.internal, cause: "a body of files that is no blob's")
        }
        return bytes
    }

    /// The whole body in memory, read on the store's threads; closes it.
    /// - Throws: `.bodyTooLarge` behind `limit` bytes.
    package func collect(limit: Int) async throws(StorageFailure) -> ByteBuffer {
        defer { close() }
        if let extents = self as? ExtentBody { return try await extents.readAll(limit: limit) }
        var collected = ByteBuffer()
        while let piece = try await next() {
            guard case .bytes(let bytes) = piece, collected.readableBytes + bytes.readableBytes <= limit else {
                throw StorageFailure(.bodyTooLarge(limit: Int64(limit)))
            }
            collected.writeImmutableBuffer(bytes)
        }
        return collected
    }
}
