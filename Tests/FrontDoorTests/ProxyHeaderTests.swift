import NIOCore
import StorageModel
import Testing

@testable import FrontDoor

@Suite struct ProxyHeaderTests {
    /// Bytes of hexadecimal text with spaces.
    static func bytes(_ text: String) -> [UInt8] {
        let digits = text.filter { !$0.isWhitespace }
        return stride(from: 0, to: digits.count, by: 2).compactMap { at in
            let start = digits.index(digits.startIndex, offsetBy: at)
            return UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16)
        }
    }

    static let signature = bytes("0D0A0D0A000D0A515549540A")

    /// A header of this family whose length is right.
    static func header(_ versionAndCommand: UInt8, _ family: UInt8, _ rest: [UInt8]) -> [UInt8] {
        signature + [versionAndCommand, family, UInt8(rest.count >> 8), UInt8(rest.count & 0xFF)] + rest
    }

    static let four = bytes("C000020A C6336405 C350 01BB")
    static let six = bytes("20010DB8 00000000 00000000 00000001 20010DB8 00000000 00000000 00000002 C350 01BB")
    static let linkEntry = bytes("EE 0005 01 78563412")

    private func parse(_ bytes: [UInt8]) throws(ProxyHeader.Malformed) -> ProxyHeader.Outcome {
        try ProxyHeader.parse(ByteBuffer(bytes: bytes))
    }

    private func client(_ text: String, _ port: UInt16) -> ProxyHeader.Source {
        IPAddress(text).map { .client($0, port: port) } ?? .socket
    }

    /// The example of the Private Link documentation.
    @Test func privateLink() throws {
        let bytes = Self.bytes("0D0A0D0A000D0A515549540A 21 11 0014 C000020A C6336405 C350 01BB EE 0005 01 78563412")
        #expect(
            try parse(bytes)
                == .complete(
                    ProxyHeader(source: client("192.0.2.10", 50_000), privateLinkID: 0x1234_5678), byteCount: 36))
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var bytes: [UInt8]
        var source: String?
        var link: UInt32?
    }

    static let taken: [Row] = [
        Row(testDescription: "IPv4", bytes: header(0x21, 0x11, four), source: "192.0.2.10"),
        Row(testDescription: "IPv6", bytes: header(0x21, 0x21, six), source: "2001:db8::1"),
        Row(
            testDescription: "IPv4 in IPv6",
            bytes: header(
                0x21, 0x21,
                bytes("00000000 00000000 0000FFFF C000020A") + [UInt8](repeating: 0, count: 16)
                    + bytes("C350 01BB")), source: "192.0.2.10"),
        Row(testDescription: "LOCAL", bytes: header(0x20, 0x00, [])),
        Row(testDescription: "LOCAL with an address", bytes: header(0x20, 0x11, four)),
        Row(testDescription: "LOCAL with anything", bytes: header(0x20, 0xFF, bytes("EE 00FF 01"))),
        Row(testDescription: "unspecified", bytes: header(0x21, 0x00, bytes("010203"))),
        Row(testDescription: "unix", bytes: header(0x21, 0x31, [UInt8](repeating: 0x61, count: 216))),
        Row(
            testDescription: "unix with a link",
            bytes: header(0x21, 0x31, [UInt8](repeating: 0x61, count: 216) + linkEntry), link: 0x1234_5678),
        Row(
            testDescription: "link 0", bytes: header(0x21, 0x11, four + bytes("EE 0005 01 00000000")),
            source: "192.0.2.10", link: 0),
        Row(
            testDescription: "unknown entries around a link",
            bytes: header(0x21, 0x11, four + bytes("04 0003 000000 E0 0000") + linkEntry + bytes("05 0001 41")),
            source: "192.0.2.10", link: 0x1234_5678),
        Row(
            testDescription: "another kind of Azure entry", bytes: header(0x21, 0x11, four + bytes("EE 0002 02 FF")),
            source: "192.0.2.10"),
        Row(
            testDescription: "an empty Azure entry", bytes: header(0x21, 0x11, four + bytes("EE 0000")),
            source: "192.0.2.10"),
        Row(
            testDescription: "the longest",
            bytes: header(0x21, 0x11, four + bytes("04 0FF1") + [UInt8](repeating: 0, count: 4081)),
            source: "192.0.2.10"),
    ]

    @Test(arguments: taken) func takenHeaders(row: Row) throws {
        let expected = ProxyHeader(source: row.source.map { client($0, 50_000) } ?? .socket, privateLinkID: row.link)
        // What follows belongs to the connection.
        #expect(try parse(row.bytes + [1, 2, 3]) == .complete(expected, byteCount: row.bytes.count))
        for count in 0..<row.bytes.count {
            #expect(try parse(Array(row.bytes[..<count])) == .incomplete, "the first \(count) bytes")
        }
    }

    @Test(arguments: [
        ("v1", Array("PROXY TCP4 192.0.2.10 198.51.100.5 50000 443\r\n".utf8), ProxyHeader.Malformed.signature),
        ("HTTP", Array("GET / HTTP/1.1\r\n".utf8), .signature),
        ("TLS", [0x16, 0x03, 0x01], .signature),
        ("the signature's last byte", signature.dropLast() + [0x0B], .signature),
        ("version 1", header(0x11, 0x11, four), .version), ("version 3", header(0x31, 0x11, four), .version),
        ("command 2", header(0x22, 0x11, four), .command), ("command 15", header(0x2F, 0x11, four), .command),
        ("UDP", header(0x21, 0x12, four), .family), ("UDP of IPv6", header(0x21, 0x22, six), .family),
        ("an unknown family", header(0x21, 0x41, four), .family),
        ("an unspecified transport", header(0x21, 0x10, four), .family),
        ("an address cut short", header(0x21, 0x11, Array(four.dropLast())), .length),
        ("IPv6 with an IPv4 length", header(0x21, 0x21, four), .length),
        ("no address", header(0x21, 0x11, []), .length),
        ("a unix path cut short", header(0x21, 0x31, [UInt8](repeating: 0, count: 215)), .length),
        ("too long", signature + bytes("21 11 1001"), .length),
        ("far too long", signature + bytes("21 11 FFFF"), .length),
        ("too long, though local", signature + bytes("20 00 1001"), .length),
        ("an entry's head cut short", header(0x21, 0x11, four + bytes("EE 00")), .entry),
        ("an entry that goes on behind the end", header(0x21, 0x11, four + bytes("EE 0006 01 78563412")), .entry),
        ("a short link", header(0x21, 0x11, four + bytes("EE 0004 01 785634")), .entry),
        ("a long link", header(0x21, 0x11, four + bytes("EE 0006 01 7856341200")), .entry),
        ("two links", header(0x21, 0x11, four + linkEntry + linkEntry), .entry),
        ("a short checksum", header(0x21, 0x11, four + bytes("03 0003 000000")), .entry),
        ("a wrong checksum", header(0x21, 0x11, four + bytes("03 0004 00000000")), .checksum),
    ]) func refusedHeaders(name: String, bytes: [UInt8], reason: ProxyHeader.Malformed) {
        #expect(throws: reason) { try parse(bytes) }
    }

    /// RFC 3720, appendix B.4, and the customary check value.
    @Test func checksumVectors() {
        #expect(CRC32C.of(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.of([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.of([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.of([0, 0, 9], zeroing: 2..<3) == CRC32C.of([0, 0, 0]))
    }

    @Test func checkedHeader() throws {
        var bytes = Self.header(0x21, 0x11, Self.four + Self.bytes("03 0004 00000000") + Self.linkEntry)
        let sum = CRC32C.of(bytes)
        let at = bytes.count - Self.linkEntry.count - 4
        for index in 0..<4 { bytes[at + index] = UInt8(truncatingIfNeeded: sum >> (24 - 8 * UInt32(index))) }
        let expected = ProxyHeader(source: client("192.0.2.10", 50_000), privateLinkID: 0x1234_5678)
        #expect(try parse(bytes + [7]) == .complete(expected, byteCount: bytes.count))
        // Whatever bit changes, it is never another valid header; but without its type a checksum is none.
        for index in 16..<bytes.count where index != at - 3 {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << bit
                #expect(throws: ProxyHeader.Malformed.self) { try parse(damaged) }
            }
        }
        var twice = Self.header(
            0x21, 0x11, Self.four + Self.bytes("03 0004 00000000") + Self.bytes("03 0004 00000000"))
        let sumOfTwice = CRC32C.of(twice)
        for index in 0..<4 { twice[at + index] = UInt8(truncatingIfNeeded: sumOfTwice >> (24 - 8 * UInt32(index))) }
        #expect(throws: ProxyHeader.Malformed.entry) { try parse(twice) }
    }
}
