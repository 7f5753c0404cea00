import Checksums
import Testing

@Suite struct CRC64NVMETests {
    /// The vectors of the crc-md5 fact sheet; the check value is that of the NVM Express specification.
    static let vectors: [(bytes: [UInt8], checksum: UInt64)] = [
        ([], 0x0000_0000_0000_0000),
        (Array("123456789".utf8), 0xAE8B_1486_0A79_9888),
        (Array("a".utf8), 0x8C2F_8445_B4CB_FC3C),
        (Array("hello world".utf8), 0x8D29_D5C3_F6EA_8EBE),
        (Array("Hello World".utf8), 0x6596_32CB_7E4B_E261),
        ([UInt8](repeating: 0, count: 32), 0xCF34_7343_4D4E_CF3B),
        ([UInt8](repeating: 0xFF, count: 32), 0xA0A0_6974_C34D_63C4),
        (Array(0...255), 0xFF71_E212_79D9_966E),
        ([UInt8](repeating: 0, count: 4096), 0x6482_D367_EB22_B64E),
    ]

    @Test(arguments: CRC64NVME.Path.allCases) func publishedVectors(_ path: CRC64NVME.Path) {
        for (bytes, checksum) in Self.vectors { #expect(CRC64NVME.checksum(bytes, path: path) == checksum) }
    }

    /// The structured message of the fact sheet: two segments and the whole.
    @Test func combineOfPublishedSegments() {
        #expect(CRC64NVME.checksum(Array("hello ".utf8)) == 0xC343_0818_B459_6582)
        #expect(CRC64NVME.combine(0xC343_0818_B459_6582, 0x34A6_F418_FB37_58BF, length: 5) == 0x8D29_D5C3_F6EA_8EBE)
    }

    @Test(arguments: CRC64NVME.Path.allCases) func everyLengthAndAlignment(_ path: CRC64NVME.Path) {
        let bytes = noise(count: 4096 + 64)
        bytes.withUnsafeBytes { bytes in
            for alignment in [0, 1, 7, 8, 15, 16, 33] {
                // The bitwise reference grows byte by byte, so that each length costs one byte and not the whole.
                var register = UInt64.max
                var wrong: [Int] = []
                for length in 0...4096 {
                    let slice = UnsafeRawBufferPointer(rebasing: bytes[alignment..<(alignment + length)])
                    if CRC64NVME.checksum(slice, path: path) != ~register { wrong.append(length) }
                    register = referenceStep(register, bytes[alignment + length])
                }
                #expect(wrong.isEmpty, "alignment \(alignment)")
            }
        }
    }

    @Test(arguments: CRC64NVME.Path.allCases) func piecesMakeTheWhole(_ path: CRC64NVME.Path) {
        let bytes = noise(count: 100_000)
        for pieceLength in [1, 7, 128, 129, 4096, 65_537] {
            var checksum = CRC64NVME(path: path)
            bytes.withUnsafeBytes { bytes in
                for start in stride(from: 0, to: bytes.count, by: pieceLength) {
                    checksum.update(
                        UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + pieceLength, bytes.count)]))
                }
            }
            #expect(checksum.value == CRC64NVME.checksum(bytes), "pieces of \(pieceLength)")
        }
    }

    @Test func combineAtEverySplit() {
        let bytes = noise(count: 3000)
        let whole = CRC64NVME.checksum(bytes)
        for split in 0...bytes.count {
            let left = CRC64NVME.checksum(Array(bytes[..<split]))
            let right = CRC64NVME.checksum(Array(bytes[split...]))
            #expect(CRC64NVME.combine(left, right, length: Int64(bytes.count - split)) == whole)
        }
    }

    /// A length beyond any buffer, out of halves: the checksum of 2^n zeros by doubling.
    @Test func combineOfHugeLengths() {
        var doubled = CRC64NVME.checksum([0])
        for power in 0..<40 { doubled = CRC64NVME.combine(doubled, doubled, length: 1 << Int64(power)) }
        // Associativity: a terabyte of zeros and a few bytes, grouped both ways.
        let tail = CRC64NVME.checksum(Array("123456789".utf8))
        let small = CRC64NVME.checksum([UInt8](repeating: 0, count: 4096))
        let left = CRC64NVME.combine(CRC64NVME.combine(small, doubled, length: 1 << 40), tail, length: 9)
        let right = CRC64NVME.combine(small, CRC64NVME.combine(doubled, tail, length: 9), length: (1 << 40) + 9)
        #expect(left == right)
    }

    private func noise(count: Int) -> [UInt8] {
        var state: UInt64 = 0x243F_6A88_85A3_08D3
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }

    private func referenceStep(_ register: UInt64, _ byte: UInt8) -> UInt64 {
        var register = register ^ UInt64(byte)
        for _ in 0..<8 { register = register >> 1 ^ (register & 1 == 1 ? 0x9A6C_9329_AC4B_C9B5 : 0) }
        return register
    }
}
