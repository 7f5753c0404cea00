import AzureWire
import NIOCore
import Testing

/// CRC-64/NVME, bit by bit, from the parameters of the NVM Express specification.
func referenceCRC64(_ start: UInt64, _ bytes: some Sequence<UInt8>) -> UInt64 {
    var crc = ~start
    for byte in bytes {
        crc ^= UInt64(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x9A6C_9329_AC4B_C9B5 : crc >> 1 }
    }
    return ~crc
}

@Suite struct StructuredMessageTests {
    static let crc64: StructuredMessage.CRC64 = { referenceCRC64($0, $1) }

    /// `hello world` in segments of six bytes.
    static let vector: [UInt8] = bytes(
        "01440000000000000001000200" + "0100060000000000000068656c6c6f20" + "826559b4180843c3"
            + "02000500000000000000776f726c64" + "bf5837fb18f4a634"
            + "be8eeaf6c3d5298d")

    static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
    }

    static func decode(
        _ message: [UInt8], pieces size: Int, encodedLength: Int64? = nil
    ) throws(StructuredMessage.Problem) -> [UInt8] {
        var decoder = StructuredMessageDecoder(encodedLength: encodedLength, crc64: crc64)
        var content: [UInt8] = []
        var at = 0
        while at < message.count {
            var piece = ByteBuffer(bytes: message[at..<min(message.count, at + size)])
            at += size
            while let data = try decoder.next(&piece) { content += data.readableBytesView }
        }
        try decoder.finish()
        return content
    }

    static func encode(_ content: [UInt8], segmentLength: Int64, pieces size: Int) -> [UInt8] {
        var encoder = StructuredMessageEncoder(
            contentLength: Int64(content.count), segmentLength: segmentLength, crc64: crc64)
        var message: [UInt8] = []
        for at in stride(from: 0, to: max(content.count, 1), by: size) {
            var piece = ByteBuffer(bytes: content[min(at, content.count)..<min(content.count, at + size)])
            while let bytes = encoder.next(&piece) { message += bytes.readableBytesView }
        }
        #expect(encoder.isComplete)
        #expect(encoder.encodedLength == Int64(message.count))
        return message
    }

    @Test func referenceItself() {
        #expect(referenceCRC64(0, "123456789".utf8) == 0xAE8B_1486_0A79_9888)
        #expect(referenceCRC64(referenceCRC64(0, "hello ".utf8), "world".utf8) == 0x8D29_D5C3_F6EA_8EBE)
    }

    @Test(arguments: [1, 2, 3, 7, 13, 68, 100])
    func vectorBothWays(pieces: Int) throws {
        #expect(Self.vector.count == 68)
        #expect(Self.encode(Array("hello world".utf8), segmentLength: 6, pieces: pieces) == Self.vector)
        #expect(try Self.decode(Self.vector, pieces: pieces, encodedLength: 68) == Array("hello world".utf8))
    }

    @Test func emptyContentIsOneEmptySegment() throws {
        let message = Self.encode([], segmentLength: 6, pieces: 10)
        let zeros = String(repeating: "00", count: 24)
        #expect(message == Self.bytes("012700000000000000" + "01000100" + "0100" + zeros))
        #expect(try Self.decode(message, pieces: 5) == [])
    }

    @Test func withoutChecksums() throws {
        let message = Self.bytes("011a0000000000000000000100" + "01000300000000000000616263")
        #expect(message.count == 26)
        #expect(try Self.decode(message, pieces: 4, encodedLength: 26) == Array("abc".utf8))
    }

    @Test func everyFlippedByteOfTheVectorIsNoticed() {
        for index in Self.vector.indices {
            var message = Self.vector
            message[index] ^= 0x04
            #expect(throws: StructuredMessage.Problem.self) { try Self.decode(message, pieces: 9, encodedLength: 68) }
        }
    }

    @Test func everyCutIsNoticed() {
        for count in 0..<68 {
            #expect(throws: StructuredMessage.Problem.truncated) {
                try Self.decode(Array(Self.vector.prefix(count)), pieces: 11)
            }
        }
        #expect(throws: StructuredMessage.Problem.malformed("bytes follow the message")) {
            try Self.decode(Self.vector + [0], pieces: 100)
        }
        #expect(throws: StructuredMessage.Problem.malformed("bytes follow the message")) {
            try Self.decode(Self.vector + [0], pieces: 68)
        }
    }

    @Test func problems() {
        var wrong = Self.vector
        wrong[30] ^= 1
        #expect(
            throws: StructuredMessage.Problem.crcMismatch(given: 0xC343_0818_B459_6482, computed: 0xC343_0818_B459_6582)
        ) {
            try Self.decode(wrong, pieces: 68)
        }
        #expect(throws: StructuredMessage.Problem.malformed("the message's length is not that of the body")) {
            try Self.decode(Self.vector, pieces: 68, encodedLength: 69)
        }
        let noSegments = Self.bytes("010d0000000000000000000000")
        #expect(throws: StructuredMessage.Problem.malformed("the message has no segment")) {
            try Self.decode(noSegments, pieces: 13)
        }
        let huge = Self.bytes("0144000000000000000100020001" + "00ffffffffffffff7f")
        #expect(throws: StructuredMessage.Problem.malformed("a segment is longer than the message")) {
            try Self.decode(huge, pieces: 100)
        }
    }

    @Test func manySegments() throws {
        let content = (0..<70_000).map { UInt8(truncatingIfNeeded: $0) }
        let message = Self.encode(content, segmentLength: 1, pieces: 4_096)
        #expect(try Self.decode(message, pieces: 10_000) == content)
    }

    @Test func absurdLengths() {
        for length in [Int64.max, Int64.min, -1] {
            let encoder = StructuredMessageEncoder(contentLength: length, segmentLength: 0, crc64: Self.crc64)
            #expect(encoder.encodedLength > 0)
        }
    }

    @Test(arguments: ["XSM/1.0; properties=crc64", "xsm/1.0;properties=crc64", " XSM/1.0 ; properties = CRC64 "])
    func supported(text: String) { #expect(StructuredMessage.isSupported(text)) }

    @Test(arguments: [
        "", "XSM/1.0", "XSM/2.0; properties=crc64", "XSM/1.0; properties=md5", "XSM/1.0; properties=crc64; x=y",
    ])
    func unsupported(text: String) { #expect(!StructuredMessage.isSupported(text)) }
}
