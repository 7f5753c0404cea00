import StorageModel
import Testing

@testable import Namespace

/// Bytes that no writer makes are damage, never a value.
@Suite struct RecordTests {
    private static func isDamaged(_ decode: () throws(StorageFailure) -> Void) -> Bool {
        do throws(StorageFailure) {
            try decode()
            return false
        } catch {
            return error.code == .damaged
        }
    }

    @Test(
        arguments: [
            [0x80, 0x00], [0x85, 0x80, 0x00], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
        ] as [[UInt8]])
    func numbersHaveOneSpelling(number: [UInt8]) {
        #expect(Self.isDamaged { () throws(StorageFailure) in _ = try ManifestSharingRecord.decode([1] + number) })
    }

    @Test(arguments: [0, 1, 127, 128, 1 << 32, .max] as [UInt64])
    func numbersComeBack(number: UInt64) throws {
        #expect(try ManifestSharingRecord.decode(ManifestSharingRecord.encode(number)) == number)
    }

    @Test func aBlockHasNoNegativeLength() {
        var writer = RecordWriter(format: StagedBlockRecord.format)
        writer.unsigned(UInt64(bitPattern: -1))
        writer.unsigned(0)
        #expect(Self.isDamaged { () throws(StorageFailure) in _ = try StagedBlockRecord(decoding: writer.bytes) })
    }

    /// The trash lists extents as whole pieces without a block: anything else was something else.
    @Test(
        arguments: [(0, 0, 100, false), (1, 0, 100, true), (0, 1, 99, true), (0, 0, 99, true)]
            as [(UInt64, Int, Int, Bool)])
    func trashListsWholeExtents(id: UInt64, offset: Int, length: Int, isDamaged: Bool) {
        for block in [nil, "AAAA"] {
            var writer = RecordWriter(format: TrashRecord.format)
            writer.fixed(id)
            writer.byte(4)
            writer.unsigned(1)
            for number in [1, 2, 100] as [UInt64] { writer.unsigned(number) }
            writer.fixed(7)
            writer.unsigned(UInt64(offset))
            writer.unsigned(UInt64(length))
            writer.optional(block) { $0.text($1) }
            let isRefused = Self.isDamaged { () throws(StorageFailure) in _ = try TrashRecord(decoding: writer.bytes) }
            #expect(isRefused == (isDamaged || block != nil))
        }
    }
}
