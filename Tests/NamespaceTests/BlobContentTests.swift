import Checksums
import Crypto
import Extents
import Metadata
import NIOCore
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// Bytes in, the same bytes out: every shape of manifest, every kind of range, and nothing left over.
@Suite struct BlobContentTests {
    typealias Fixture = NamespaceFixture

    /// Empty, inline up to 16 bytes, up to 4 pieces of 8 bytes in the record, one page, several pages of 1,024 pieces.
    static let lengths = [0, 1, 15, 16, 17, 24, 31, 32, 33, 40, 8_191, 8_192, 8_193, 8_200, 16_384, 16_385, 20_001]

    @Test(arguments: lengths) func putAndGet(length: Int) async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(length)
        try await fixture.put("a", bytes)
        #expect(try await fixture.get("a") == bytes)
        #expect(try await fixture.properties("a").length == Int64(length))
        let reading = try await fixture.namespace.openBlob(
            Fixture.blob("a"), range: nil, ifRange: nil, guard: .none)
        #expect(reading.range == nil && reading.length == Int64(length))
        #expect(try await Fixture.pull(reading.body) == bytes)
        // Overwritten by every other shape.
        for other in [0, 10, 20, 100, 9_000] {
            let bytes = Fixture.bytes(other, salt: 1)
            try await fixture.put("a", bytes)
            #expect(try await fixture.get("a") == bytes)
            try await fixture.put("a", Fixture.bytes(length))
        }
        #expect(try await fixture.check().findings.isEmpty)
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    @Test(arguments: [0, 16, 17, 32, 33, 70]) func everyRangeOfSmallBlobs(length: Int) async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(length)
        try await fixture.put("a", bytes)
        for first in 0...(length + 1) {
            for last in [nil] + (first...(length + 1)).map({ Int64($0) }) {
                try await Self.expectRange(RangeRequest(first: Int64(first), last: last), of: bytes, in: fixture)
            }
        }
    }

    @Test func rangesAtPageEdges() async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(24_581)
        try await fixture.put("a", bytes)
        let edges: [Int64] = [
            0, 1, 7, 8, 9, 8_191, 8_192, 8_193, 16_383, 16_384, 16_385, 24_575, 24_576, 24_580, 24_581,
        ]
        for first in edges {
            for last in [nil] + edges.filter({ $0 >= first }).map({ Optional($0) }) + [.max] {
                let range = RangeRequest(first: first, last: last)
                try await Self.expectRange(range, of: bytes, in: fixture, asFiles: (last ?? .max) - first < 100)
            }
        }
    }

    /// - Parameter asFiles: also as the edge reads it, which makes a file of every piece.
    static func expectRange(
        _ range: RangeRequest, of bytes: [UInt8], in fixture: NamespaceFixture, asFiles: Bool = true
    ) async throws {
        guard range.first < bytes.count else {
            await expect(.rangeNotSatisfiable(length: Int64(bytes.count))) {
                _ = try await fixture.get("a", range: range)
            }
            return
        }
        let end = min(Int(range.last.map { min($0, Int64(bytes.count - 1)) + 1 } ?? Int64(bytes.count)), bytes.count)
        let expected = Array(bytes[Int(range.first)..<end])
        let reading = try await fixture.namespace.openBlob(
            Fixture.blob("a"), range: range, ifRange: nil, guard: .none)
        #expect(reading.range == range.first..<Int64(end))
        if asFiles {
            #expect(try await Fixture.pull(reading.body) == expected, "\(range)")
        } else {
            reading.body.close()
        }
        #expect(try await fixture.get("a", range: range) == expected, "\(range)")
    }

    @Test func ifRange() async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(50)
        let receipt = try await fixture.put("a", bytes)
        let modified = receipt.lastModified
        let rows: [(RangeValidator, Bool)] = [
            (.version(receipt.version), true), (.version(Version(1)), false), (.version(nil), false),
            (.lastModified(modified), true), (.lastModified(Timestamp(seconds: modified.seconds)), true),
            (.lastModified(modified.adding(seconds: -1)), false),
        ]
        for (validator, counts) in rows {
            let reading = try await fixture.namespace.openBlob(
                Fixture.blob("a"), range: RangeRequest(first: 10, last: 19), ifRange: validator, guard: .none)
            #expect(reading.range == (counts ? 10..<20 : nil))
            #expect(try await Fixture.pull(reading.body) == (counts ? Array(bytes[10..<20]) : bytes))
        }
        // A range behind the end does not matter when the range does not count.
        let reading = try await fixture.namespace.openBlob(
            Fixture.blob("a"), range: RangeRequest(first: 99, last: nil), ifRange: .version(nil), guard: .none)
        #expect(try await Fixture.pull(reading.body) == bytes)
    }

    @Test(arguments: [10, 50, 9_000]) func bytesOfAtMost(length: Int) async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(length)
        try await fixture.put("a", bytes)
        for limit in [1, 3, 8, 1_000] where limit > 1 || length < 100 {
            let body = try await fixture.namespace.openBlob(
                Fixture.blob("a"), range: RangeRequest(first: 2, last: nil), ifRange: nil, guard: .none
            ).body
            var found: [UInt8] = []
            while let piece = try await body.nextBytes(atMost: limit) {
                #expect(piece.readableBytes > 0 && (length <= 16 || piece.readableBytes <= limit))
                found += piece.readableBytesView
            }
            body.close()
            #expect(found == Array(bytes.dropFirst(2)), "at most \(limit)")
        }
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    @Test func collectHasALimit() async throws {
        let fixture = try await Fixture.started()
        for length in [10, 50] {
            try await fixture.put("a", Fixture.bytes(length))
            for (limit, fits) in [(length, true), (length - 1, false)] {
                let body = try await fixture.namespace.openBlob(
                    Fixture.blob("a"), range: nil, ifRange: nil, guard: .none
                ).body
                if fits {
                    #expect(try await body.collect(limit: limit).readableBytes == length)
                } else {
                    await expect(.bodyTooLarge(limit: Int64(limit))) { _ = try await body.collect(limit: limit) }
                }
            }
        }
    }

    @Test func digests() async throws {
        let fixture = try await Fixture.started()
        for length in [0, 10, 100] {
            let bytes = Fixture.bytes(length)
            let md5 = Array(Insecure.MD5.hash(data: bytes))
            let crc = CRC64NVME.checksum(bytes)
            var body = Fixture.body(bytes)
            let plain = try await fixture.namespace.putBlob(
                Fixture.blob("a"), body: body, attributes: BlobAttributes(), guard: .none)
            #expect(plain.digests == BodyDigests(length: Int64(length), crc64: crc, md5: nil))
            #expect(try await fixture.properties("a").headers.contentMD5 == nil)
            body = Fixture.body(bytes)
            (body.wantsMD5, body.expectedMD5, body.expectedCRC64) = (true, md5, crc)
            let hashed = try await fixture.namespace.putBlob(
                Fixture.blob("a"), body: body, attributes: BlobAttributes(), guard: .none)
            #expect(hashed.digests.md5 == md5)
            #expect(try await fixture.properties("a").headers.contentMD5 == md5)
        }
    }

    /// Whatever is wrong with a body, nothing of it stays.
    @Test(arguments: [10, 100]) func refusedBodies(length: Int) async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", [7])
        let used = fixture.extents.usage().usedBytes
        let bytes = Fixture.bytes(length)
        let wrongMD5 = [UInt8](repeating: 1, count: 16)
        let md5 = Array(Insecure.MD5.hash(data: bytes))
        let crc = CRC64NVME.checksum(bytes)
        let limit = Int64(length - 1)
        let rows: [(StorageFailure.Code, (inout IncomingBody) -> Void)] = [
            (.md5Mismatch(given: wrongMD5, computed: md5), { $0.expectedMD5 = wrongMD5 }),
            (.crc64Mismatch(given: 1, computed: crc), { $0.expectedCRC64 = 1 }),
            (.bodyTooLarge(limit: limit), { $0.maximumLength = limit }),
            (.bodyTooLarge(limit: limit), { ($0.length, $0.maximumLength) = (nil, limit) }),
            (.bodyTooLarge(limit: 5), { ($0.length, $0.maximumLength) = (nil, 5) }),
            (.bodyTruncated, { $0.length = Int64(length + 1) }),
            (.bodyTruncated, { $0.source = BrokenSource(after: $0.source) }),
        ]
        for (code, spoil) in rows {
            for block in [false, true] {
                var body = Fixture.body(bytes)
                spoil(&body)
                let spoilt = body
                await expect(code, "length \(length), block \(block)") {
                    if block {
                        _ = try await fixture.namespace.putBlock(
                            Fixture.blob("b"), id: BlockID(text: "AAAA"), body: spoilt, lease: nil)
                    } else {
                        _ = try await fixture.namespace.putBlob(
                            Fixture.blob("a"), body: spoilt, attributes: BlobAttributes(), guard: .none)
                    }
                }
            }
        }
        #expect(try await fixture.get("a") == [7])
        #expect(fixture.extents.usage().usedBytes == used && fixture.extents.usage().reservedBytes == 0)
        await expect(.blobNotFound) {
            _ = try await fixture.namespace.blockList(Fixture.blob("b"), kind: .all, guard: .none)
        }
    }

    @Test func bodiesInManyPieces() async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(1_000)
        for step in [1, 3, 16, 17, 999] {
            var body = Fixture.body(bytes)
            body.source = SteppedSource(bytes, step: step)
            _ = try await fixture.namespace.putBlob(
                Fixture.blob("a"), body: body, attributes: BlobAttributes(), guard: .none)
            #expect(try await fixture.get("a") == bytes)
        }
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    /// What can be refused is refused before the body is asked for.
    @Test func earlyRefusal() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", [1])
        let rows: [(String, Guard, StorageFailure.Code)] = [
            ("a", Guard(conditions: Conditions(ifNoneMatch: .any)), .blobAlreadyExists),
            ("a/b", .none, .nameConflict), ("c/", .none, .invalidName(.segment)),
            ("a", Guard(lease: LeaseTableTests.a), .leaseNotPresent(.blob)),
        ]
        for (name, held, code) in rows {
            let source = UntouchedSource()
            await expect(code) {
                _ = try await fixture.namespace.putBlob(
                    Fixture.blob(name), body: IncomingBody(source: source, length: 100, maximumLength: 1_000),
                    attributes: BlobAttributes(), guard: held)
            }
            #expect(!source.wasAsked)
        }
        let source = UntouchedSource()
        await expect(.containerNotFound) {
            _ = try await fixture.namespace.putBlock(
                Fixture.blob("a", in: Fixture.container("none")), id: BlockID(text: "AAAA"),
                body: IncomingBody(source: source, length: 100, maximumLength: 1_000), lease: nil)
        }
        await expect(.bodyTooLarge(limit: 99)) {
            _ = try await fixture.namespace.putBlob(
                Fixture.blob("new"), body: IncomingBody(source: source, length: 100, maximumLength: 99),
                attributes: BlobAttributes(), guard: .none)
        }
        #expect(!source.wasAsked)
    }

    @Test func outOfSpaceLeavesNothing() async throws {
        var options = Fixture.Options()
        options.maximumExtentLength = 4096
        options.budgetBytes = 3 * 4096
        let fixture = try await Fixture.started(options)
        try await fixture.put("a", Fixture.bytes(8_000))
        await expect(.outOfSpace) { try await fixture.put("b", Fixture.bytes(8_000)) }
        var chunked = Fixture.body(Fixture.bytes(8_000))
        chunked.length = nil
        let body = chunked
        await expect(.outOfSpace) {
            _ = try await fixture.namespace.putBlob(
                Fixture.blob("b"), body: body, attributes: BlobAttributes(), guard: .none)
        }
        await expect(.blobNotFound) { _ = try await fixture.get("b") }
        try await fixture.put("c", Fixture.bytes(4_000))
        #expect(fixture.extents.usage().usedBytes == 3 * 4096)
        try await fixture.expectNothingLeft(deleting: ["a", "c"])
    }
}

/// Gives all bytes of another source and then finds that the sender is gone.
final class BrokenSource: BodySource {
    private let inner: any BodySource
    init(after inner: any BodySource) { self.inner = inner }
    func next() async throws(StorageFailure) -> ByteBuffer? {
        guard let piece = try await inner.next() else { throw StorageFailure(.bodyTruncated) }
        return piece
    }
}

final class SteppedSource: BodySource {
    private let rest: Locked<ArraySlice<UInt8>>
    private let step: Int
    init(_ bytes: [UInt8], step: Int) {
        rest = Locked(bytes[...])
        self.step = step
    }
    func next() async throws(StorageFailure) -> ByteBuffer? {
        rest.withLock { rest in
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(step) }
            return ByteBuffer(bytes: rest.prefix(step))
        }
    }
}

/// Notices whether anybody pulls.
final class UntouchedSource: BodySource {
    private let asked = Locked(false)
    var wasAsked: Bool { asked.withLock { $0 } }
    func next() async throws(StorageFailure) -> ByteBuffer? {
        asked.withLock { $0 = true }
        return nil
    }
}

extension NamespaceFixture {
    /// After these blobs are deleted and the trash is reaped nothing at all is left.
    func expectNothingLeft(
        deleting names: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for name in names { try await delete(name) }
        #expect(try await reap() == false, sourceLocation: sourceLocation)
        #expect(extents.usage().usedBytes == 0, sourceLocation: sourceLocation)
        #expect(extents.usage().reservedBytes == 0, sourceLocation: sourceLocation)
        #expect(extents.stored.isEmpty, sourceLocation: sourceLocation)
        #expect(try await check().findings.isEmpty, sourceLocation: sourceLocation)
        // Containers, their properties and the change log may stay; no record that belongs to a blob.
        let kept = Set("cClA".utf8)
        let left = metadata.contents.filter { !kept.contains($0.key[0]) }.map(\.key)
        #expect(left.isEmpty, sourceLocation: sourceLocation)
    }
}
