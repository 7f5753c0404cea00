import Extents
import Metadata
import NIOCore
package import StorageModel

extension Namespace {
    /// Copies a blob within the node: the destination gets the source's manifest, no bytes move.
    ///
    /// - Throws: `.copySourceNotFound`, `.copySourceArchived`, `.sourceConditionNotMet`; and what a write to the
    ///   destination can throw, `.infiniteLeaseRequired` for a finite lease included.
    package func copyBlob(
        to address: BlobAddress, _ request: CopyRequest, guard held: Guard
    ) async throws(StorageFailure) -> CopyReceipt {
        let now = world.now()
        let copyID = world.uuid()
        let verified = try await verifySource(request)
        let committed = try await naming(.empty) { transaction throws(StorageFailure) in
            let target = try self.checkContentWrite(address, guard: held, at: now, transaction)
            if request.recordsCopy, LeaseRules.view(of: target.existing?.lease, at: now).isInfinite == false {
                throw StorageFailure(.infiniteLeaseRequired)
            }
            let source = try self.findSource(request.source, request.sourceConditions, at: now, transaction)
            if let verified, verified != source.version { throw StorageFailure(.sourceConditionNotMet) }
            let tags: Tags =
                switch request.tags {
                case .replace(let tags): tags
                case .copy: source.tags
                }
            let attributes = BlobAttributes(
                headers: request.headers ?? source.headers, metadata: request.metadata ?? source.metadata, tags: tags,
                tier: request.tier)
            let copy =
                request.recordsCopy
                ? CopyRecord(
                    id: copyID, status: .success, source: request.sourceURL, bytesDone: source.length,
                    bytesTotal: source.length, completedOn: now) : nil
            try self.install(
                try self.share(source, transaction), length: source.length, attributes: attributes, copy: copy,
                on: target, operation: .copyBlob, at: now, transaction)
            return attributes.headers.contentMD5
        }
        return CopyReceipt(write: try committed.receipt(now), copyID: copyID, contentMD5: committed.result)
    }

    /// Reads the source when its MD5 is to be checked: the stored Content-MD5 is a property that nobody vouches for.
    /// - Returns: the version whose bytes have this MD5.
    private func verifySource(_ request: CopyRequest) async throws(StorageFailure) -> Version? {
        guard let expected = request.expectedMD5 else { return nil }
        let reading: BlobReading
        do throws(StorageFailure) {
            reading = try await openBlob(
                request.source, range: nil, ifRange: nil, guard: Guard(conditions: request.sourceConditions))
        } catch { throw Self.asSourceFailure(error) }
        defer { reading.body.close() }
        let meter = BodyMeter(hashesMD5: true)
        try await measure(reading.body, with: meter)
        if let computed = meter.finish().md5, computed != expected {
            throw StorageFailure(.md5Mismatch(given: expected, computed: computed))
        }
        return reading.properties.version
    }

    /// Put Block From URL within the node: the block is slices of the source's extents.
    package func putBlockFromBlob(
        _ address: BlobAddress, id: BlockID, source: BlobAddress, range: RangeRequest?, sourceConditions: Conditions,
        expectedMD5: [UInt8]?, expectedCRC64: UInt64?, lease: LeaseID?
    ) async throws(StorageFailure) -> BodyDigests {
        let reading: BlobReading
        do throws(StorageFailure) {
            reading = try await openBlob(source, range: range, ifRange: nil, guard: Guard(conditions: sourceConditions))
        } catch { throw Self.asSourceFailure(error) }
        defer { reading.body.close() }
        if let last = range?.last, last >= reading.properties.length {
            throw StorageFailure(.rangeNotSatisfiable(length: reading.properties.length))
        }
        guard reading.length > 0 else {
            throw StorageFailure(.invalidInput, detail: "A block holds at least one byte.")
        }
        guard reading.length <= Limits.blockBytes else { throw StorageFailure(.bodyTooLarge(limit: Limits.blockBytes)) }
        // What the answer and the checks need has to be read; the block itself shares the extents afterwards.
        let meter = BodyMeter(hashesMD5: expectedMD5 != nil)
        try await measure(reading.body, with: meter)
        let digests = meter.finish()
        if let expectedMD5, let computed = digests.md5, expectedMD5 != computed {
            throw StorageFailure(.md5Mismatch(given: expectedMD5, computed: computed))
        }
        if let expectedCRC64, expectedCRC64 != digests.crc64 {
            throw StorageFailure(.crc64Mismatch(given: expectedCRC64, computed: digests.crc64))
        }
        let bytes = reading.range ?? 0..<reading.properties.length
        let sourceVersion = reading.properties.version
        let now = world.now()
        let inline = try await inlineBlock(source, bytes, sourceVersion)
        _ = try await naming(inline.map { .extents($0) } ?? .empty) { transaction throws(StorageFailure) in
            let pieces: [ManifestPiece]
            if let inline {
                transaction.introduce(inline)
                pieces = inline.map { ManifestPiece(extent: $0, offset: 0, length: $0.length, block: nil) }
            } else {
                let record = try self.findSource(source, .none, at: now, transaction)
                guard record.version == sourceVersion else { throw StorageFailure(.sourceConditionNotMet) }
                pieces = try ManifestSlice.pieces(of: record, in: bytes, transaction)
                guard pieces.count <= Self.piecesPerBlock else {
                    throw StorageFailure(
                        .invalidInput, detail: "The source range consists of too many small pieces for one block.")
                }
                try transaction.hold(pieces.distinctExtents)
            }
            try self.stage(
                StagedBlockRecord(length: digests.length, pieces: pieces), as: id, at: address, lease: lease, now,
                transaction)
        }
        return digests
    }

    /// Bounds the record of a staged block to some 500 KiB.
    private static let piecesPerBlock = 10_000

    private func measure(_ body: any BodyProducer, with meter: BodyMeter) async throws(StorageFailure) {
        if let extents = body as? ExtentBody {
            while let chunk = try await extents.readNext() { chunk.withUnsafeReadableBytes { meter.update($0) } }
            return
        }
        while case .bytes(let chunk)? = try await body.next() { chunk.withUnsafeReadableBytes { meter.update($0) } }
    }

    /// A source whose bytes live in the metadata store has no extents to share: its part becomes extents of its own.
    private func inlineBlock(
        _ source: BlobAddress, _ bytes: Range<Int64>, _ version: Version
    ) async throws(StorageFailure) -> [Extent]? {
        let reading: BlobReading
        do throws(StorageFailure) {
            reading = try await openBlob(
                source, range: RangeRequest(first: bytes.lowerBound, last: bytes.upperBound - 1), ifRange: nil,
                guard: Guard(conditions: Conditions(ifMatch: .versions([version]))))
        } catch { throw Self.asSourceFailure(error) }
        defer { reading.body.close() }
        guard reading.body is BufferBody, case .bytes(let buffer)? = try await reading.body.next() else { return nil }
        let writer = try await extents.openWriter(expectedLength: Int64(buffer.readableBytes))
        do { try await writer.append(buffer) } catch {
            await writer.discard()
            throw error
        }
        return try await writer.seal()
    }

    private func findSource(
        _ source: BlobAddress, _ conditions: Conditions, at now: Timestamp, _ reader: any MetadataReader
    ) throws(StorageFailure) -> BlobRecord {
        do throws(StorageFailure) {
            let container = try reader.container(source.container)
            let record = try reader.blob(container.id, source.blob).settled(at: now)
            try ConditionRules.checkRead(conditions, record.subject(in: source.container.container))
            if record.tier == .archive, !configuration.servesArchived { throw StorageFailure(.copySourceArchived) }
            return record
        } catch { throw Self.asSourceFailure(error) }
    }

    private static func asSourceFailure(_ failure: StorageFailure) -> StorageFailure {
        switch failure.code {
        case .containerNotFound, .blobNotFound: StorageFailure(.copySourceNotFound)
        case .preconditionFailed, .notModified: StorageFailure(.sourceConditionNotMet)
        case .blobArchived: StorageFailure(.copySourceArchived)
        default: failure
        }
    }

    /// The content of another blob, shared: one more holder for its extents or its manifest.
    private func share(
        _ source: BlobRecord, _ transaction: any MetadataTransaction
    ) throws(StorageFailure) -> NewContent {
        switch source.content {
        case .empty: return .empty
        case .inline:
            guard let value = try transaction.get(Keys.content(source.contentID, at: 0)),
                case .inline(let bytes) = try ContentPage(decoding: value)
            else { throw StorageFailure(.damaged, cause: "inline content \(source.contentID.rawValue) is missing") }
            return .inline(ByteBuffer(bytes: bytes))
        case .pieces(let pieces):
            try transaction.hold(pieces.distinctExtents)
            return .pieces(pieces)
        case .pages:
            let key = Keys.manifestSharing(source.contentID)
            let sharers = try ManifestSharingRecord.read(transaction, key)
            transaction.set(key, ManifestSharingRecord.encode(sharers + 1))
            return .shared(source.contentID, source.content)
        }
    }
}

/// Kind `m`: how many blob and trash records name a paged manifest. Absent means one.
enum ManifestSharingRecord {
    static let format: UInt8 = 1
    static func encode(_ sharers: UInt64) -> [UInt8] {
        var writer = RecordWriter(format: format)
        writer.unsigned(sharers)
        return writer.bytes
    }
    static func decode(_ bytes: [UInt8]) throws(StorageFailure) -> UInt64 {
        var reader = try RecordReader(bytes, newest: format)
        let sharers = try reader.unsigned()
        try reader.finish()
        return sharers
    }
    static func read(_ reader: any MetadataReader, _ key: [UInt8]) throws(StorageFailure) -> UInt64 {
        guard let value = try reader.get(key) else { return 1 }
        return try decode(value)
    }
}

/// Cuts a byte range out of a manifest.
enum ManifestSlice {
    static func pieces(
        of record: BlobRecord, in range: Range<Int64>, _ reader: any MetadataReader
    ) throws(StorageFailure) -> [ManifestPiece] {
        var result: [ManifestPiece] = []
        var offset: Int64 = 0
        func cut(_ pieces: [ManifestPiece]) {
            for piece in pieces {
                let end = offset + Int64(piece.length)
                let from = max(offset, range.lowerBound)
                let to = min(end, range.upperBound)
                if from < to {
                    result.append(
                        ManifestPiece(
                            extent: piece.extent, offset: piece.offset + Int(from - offset), length: Int(to - from),
                            block: nil))
                }
                offset = end
            }
        }
        switch record.content {
        case .empty, .inline: break
        case .pieces(let pieces): cut(pieces)
        case .pages:
            let cursor = try reader.cursor(in: KeyRange(prefix: Keys.contentPages(record.contentID)))
            var entry = try cursor.seekBackward(Keys.content(record.contentID, at: range.lowerBound))
            while let page = entry, offset < range.upperBound {
                offset = Int64(UInt64(bigEndianBytes: page.key[9...]))
                guard offset < range.upperBound, case .pieces(let pieces) = try ContentPage(decoding: page.value) else {
                    break
                }
                cut(pieces)
                entry = try cursor.next()
            }
        }
        guard result.reduce(Int64(0), { $0 + Int64($1.length) }) == Int64(range.count) else {
            throw StorageFailure(.damaged, cause: "manifest \(record.contentID.rawValue) does not cover its range")
        }
        return result
    }
}
