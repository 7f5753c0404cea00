import AzureWire
import NIOCore
import NIOHTTP1
import Testing

@testable import AzureBlob

/// Bodies in segments with checksums, in both directions. The framing itself is tested with its codec, against bytes
/// that others computed; here it counts that what is stored and what is read is the content.
@Suite struct StructuredBodyTests {
    private static let framing = ("x-ms-structured-body", "XSM/1.0; properties=crc64")
    private static let type = ("x-ms-blob-type", "BlockBlob")
    /// `hello world` in segments of 6 bytes, as the fact sheet on structured bodies has it.
    private static let message: [UInt8] = hex(
        "01440000000000000001000200010006000000000000006865 6c6c6f20826559b4180843c3020005000000000000"
            + "00776f726c64bf5837fb18f4a634be8eeaf6c3d5298d")

    private static func hex(_ text: String) -> [UInt8] {
        let digits = text.filter { $0 != " " }.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    @Test(arguments: ["/box/a", "/box/a?comp=block&blockid=AAAA"]) func upload(path: String) async throws {
        let fixture = try await Fixture.withContainer()
        let length = ("x-ms-structured-content-length", "11")
        let reply = await fixture.send(.PUT, path, [Self.type, Self.framing, length], body: Self.message)
        #expect(reply.status == 201)
        #expect(reply["x-ms-structured-body"] == Self.framing.1)
        #expect(reply["x-ms-content-crc64"] == "vo7q9sPVKY0=")
        if path.contains("block") {
            let list = Array("<BlockList><Latest>AAAA</Latest></BlockList>".utf8)
            #expect(await fixture.send(.PUT, "/box/a?comp=blocklist", body: list).status == 201)
        }
        #expect(await fixture.send(.GET, "/box/a").text == "hello world")
    }

    @Test(
        arguments: [
            (30, 1, "11", "Crc64Mismatch"), (67, 1, "11", "Crc64Mismatch"), (0, 1, "11", "InvalidInput"),
            (13, 4, "11", "InvalidInput"), (nil, 0, "10", "InvalidInput"), (nil, 0, "x", "InvalidHeaderValue"),
        ] as [(Int?, UInt8, String, String)])
    func damagedUploads(at index: Int?, by change: UInt8, length: String, code: String) async throws {
        let fixture = try await Fixture.withContainer()
        var body = Self.message
        if let index { body[index] ^= change }
        let headers = [Self.type, Self.framing, ("x-ms-structured-content-length", length)]
        let reply = await fixture.send(.PUT, "/box/a", headers, body: body)
        #expect(reply.status == 400)
        #expect(reply.error == code)
        #expect(await fixture.send(.HEAD, "/box/a").status == 404)
    }

    @Test(arguments: [0, 1, 5_000, 5 << 20]) func download(length: Int) async throws {
        let fixture = try await Fixture.withContainer()
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 2) }
        await fixture.send(.PUT, "/box/a", [Self.type], body: bytes)
        let whole = await fixture.send(.GET, "/box/a", [Self.framing])
        #expect(whole.status == 200)
        #expect(whole["x-ms-structured-body"] == Self.framing.1)
        #expect(whole["x-ms-structured-content-length"] == "\(length)")
        #expect(try Self.content(of: whole.body) == bytes)
        guard length > 10 else { return }
        let part = await fixture.send(.GET, "/box/a", [Self.framing, ("x-ms-range", "bytes=3-\(length - 2)")])
        #expect(part.status == 206)
        #expect(part["Content-Range"] == "bytes 3-\(length - 2)/\(length)")
        #expect(try Self.content(of: part.body) == Array(bytes[3..<(length - 1)]))
    }

    private static func content(of message: [UInt8]) throws -> [UInt8] {
        var decoder = StructuredMessageDecoder(encodedLength: Int64(message.count), crc64: StructuredFraming.crc64)
        var piece = ByteBuffer(bytes: message)
        var content: [UInt8] = []
        while let part = try decoder.next(&piece) { content += part.readableBytesView }
        try decoder.finish()
        return content
    }

    @Test func notWithARangeChecksum() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "hello")
        let headers = [Self.framing, ("x-ms-range", "bytes=0-1"), ("x-ms-range-get-content-md5", "true")]
        #expect(await fixture.send(.GET, "/box/a", headers).error == "InvalidHeaderValue")
    }
}
