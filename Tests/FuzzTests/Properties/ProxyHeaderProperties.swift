import NIOCore
import StorageModel

@testable import FrontDoor

/// A header is taken or refused by its own bytes alone, however they arrive, and what is written comes back.
enum ProxyHeaderProperties {
    static func check(_ input: [UInt8]) throws {
        try prefixes(of: input)
        // Behind a beginning that is right, more of the input gets to be read.
        let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
        try prefixes(of: signature + input)
        let length = min(input.count, ProxyHeader.maximumVariableBytes)
        let fixed: [UInt8] = [0x21, 0x11, UInt8(length >> 8), UInt8(length & 0xFF)]
        try prefixes(of: signature + fixed + input)
        try roundTrip(input, signature)
    }

    private static func parse(_ bytes: some Sequence<UInt8>) -> Result<ProxyHeader.Outcome, ProxyHeader.Malformed> {
        Result { () throws(ProxyHeader.Malformed) in try ProxyHeader.parse(ByteBuffer(bytes: bytes)) }
    }

    /// Whatever is decided stays decided when more bytes come.
    private static func prefixes(of input: [UInt8]) throws {
        let whole = parse(input)
        if case .success(.complete(_, let byteCount)) = whole {
            let most = ProxyHeader.fixedBytes + ProxyHeader.maximumVariableBytes
            try hold((ProxyHeader.fixedBytes...min(input.count, most)).contains(byteCount), "\(byteCount) bytes")
            try hold(parse(input[..<byteCount]) == whole, "what follows has changed the header")
            try hold(parse(input[..<(byteCount - 1)]) == .success(.incomplete), "complete before its end")
        }
        var choices = Choices(input)
        for _ in 0..<8 {
            let cut = choices.below(input.count + 1)
            let part = parse(input[..<cut])
            try hold(part == whole || part == .success(.incomplete), "\(part) after \(cut) bytes, then \(whole)")
        }
    }

    private static func roundTrip(_ input: [UInt8], _ signature: [UInt8]) throws {
        var choices = Choices(input)
        let isIPv6 = choices.below(2) == 0
        let address = (0..<(isIPv6 ? 16 : 4)).map { _ in UInt8(choices.below(256)) }
        let port = UInt16(choices.below(65_536))
        let link = choices.below(2) == 0 ? UInt32(truncatingIfNeeded: choices.next()) : nil
        var variable = address + address.map { ~$0 } + [UInt8(port >> 8), UInt8(port & 0xFF), 1, 187]
        let checksumAt = ProxyHeader.fixedBytes + variable.count + 3
        variable += [0x03, 0, 4, 0, 0, 0, 0]
        variable += [0xE5, UInt8(min(input.count, 255) >> 8), UInt8(min(input.count, 255))] + input.prefix(255)
        if let link { variable += [0xEE, 0, 5, 1] + (0..<4).map { UInt8(truncatingIfNeeded: link >> (8 * $0)) } }
        var header = signature + [0x21, isIPv6 ? 0x21 : 0x11]
        header += [UInt8(variable.count >> 8), UInt8(variable.count & 0xFF)] + variable
        let checksum = CRC32C.of(header)
        for index in 0..<4 { header[checksumAt + index] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * index)) }
        let client = try must(IPAddress(bytes: address), "an address that is none")
        let expected = ProxyHeader(source: .client(client, port: port), privateLinkID: link)
        try hold(
            parse(header + input) == .success(.complete(expected, byteCount: header.count)), "not what was written")
        // One bit less or more is found by the checksum or before; but without its type a checksum is none.
        let at = ProxyHeader.fixedBytes + choices.below(variable.count)
        guard at != checksumAt - 3 else { return }
        header[at] ^= 1 << UInt8(choices.below(8))
        if case .success = parse(header) { try hold(false, "taken with a changed bit at \(at)") }
    }
}
