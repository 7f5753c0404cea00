import NIOCore
import StorageModel

/// The PROXY protocol's version 2 header, with which a load balancer says whom it speaks for.
///
/// Layout and type numbers: "The PROXY protocol", section 2.2 (haproxy.org, proxy-protocol.txt). The Private Link entry:
/// "What is Azure Private Link service", TCP proxy v2.
struct ProxyHeader: Equatable, Sendable {
    enum Source: Equatable, Sendable {
        /// The sender speaks for itself (a health probe), or for a peer whose address says nothing to us: the socket's
        /// own address counts.
        case socket
        case client(IPAddress, port: UInt16)
    }

    var source: Source
    /// LINKID of the consumer's private endpoint.
    var privateLinkID: UInt32?

    /// Why the bytes are no header that is taken.
    enum Malformed: String, Error {
        case signature, version, command, family, length
        /// An entry that does not fit, or that stands twice.
        case entry
        case checksum
    }

    enum Outcome: Equatable, Sendable {
        /// More bytes are needed.
        case incomplete
        /// The header, and how many bytes it took.
        case complete(ProxyHeader, byteCount: Int)
    }

    static let fixedBytes = 16
    /// What may follow the fixed part. Senders write less than 536 bytes; certificates' names may be in entries.
    static let maximumVariableBytes = 4096

    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    /// Reads a header at the beginning of what has arrived, from its reader index on. Refuses as early as possible.
    static func parse(_ bytes: ByteBuffer) throws(Malformed) -> Outcome {
        let view = bytes.readableBytesView
        guard zip(view, signature).allSatisfy({ $0 == $1 }) else { throw .signature }
        var rest = bytes
        guard rest.readSlice(length: signature.count) != nil, let versionAndCommand = rest.readInteger(as: UInt8.self)
        else { return .incomplete }
        guard versionAndCommand >> 4 == 2 else { throw .version }
        let isLocal: Bool
        switch versionAndCommand & 0x0F {
        case 0: isLocal = true
        case 1: isLocal = false
        default: throw .command
        }
        guard let family = rest.readInteger(as: UInt8.self), let length = rest.readInteger(as: UInt16.self) else {
            return .incomplete
        }
        guard length <= maximumVariableBytes else { throw .length }
        guard var variable = rest.readSlice(length: Int(length)) else { return .incomplete }
        let byteCount = fixedBytes + Int(length)
        // "The receiver must ignore address and protocol": whatever follows is skipped.
        if isLocal || family == 0x00 {
            return .complete(ProxyHeader(source: .socket), byteCount: byteCount)
        }
        var header = ProxyHeader(source: try source(family, &variable))
        try header.readEntries(&variable, of: view.prefix(byteCount))
        return .complete(header, byteCount: byteCount)
    }

    private static func source(_ family: UInt8, _ bytes: inout ByteBuffer) throws(Malformed) -> Source {
        let addressBytes: Int
        switch family {
        case 0x11: addressBytes = 4
        case 0x21: addressBytes = 16
        // Two paths of 108 bytes each.
        case 0x31, 0x32:
            guard bytes.readSlice(length: 216) != nil else { throw .length }
            return .socket
        // Datagrams do not come over a connection.
        default: throw .family
        }
        guard let source = bytes.readBytes(length: addressBytes), bytes.readSlice(length: addressBytes) != nil,
            let port = bytes.readInteger(as: UInt16.self), bytes.readInteger(as: UInt16.self) != nil,
            let address = IPAddress(bytes: source)
        else { throw .length }
        return .client(address, port: port)
    }

    /// Entries of a type, a length of two bytes and a value. Those that are not known are skipped.
    private mutating func readEntries(_ bytes: inout ByteBuffer, of header: ByteBufferView) throws(Malformed) {
        var hasChecksum = false
        while let type = bytes.readInteger(as: UInt8.self) {
            guard let length = bytes.readInteger(as: UInt16.self) else { throw .entry }
            let valueOffset = header.count - bytes.readableBytes
            guard var value = bytes.readSlice(length: Int(length)) else { throw .entry }
            switch type {
            case EntryType.checksum:
                guard !hasChecksum, length == 4, let given = value.readInteger(as: UInt32.self) else { throw .entry }
                hasChecksum = true
                // Computed with zeros in its own place.
                guard CRC32C.of(header, zeroing: valueOffset..<(valueOffset + 4)) == given else { throw .checksum }
            case EntryType.azure:
                guard value.readInteger(as: UInt8.self) == EntryType.azurePrivateLink else { continue }
                guard privateLinkID == nil, length == 5,
                    let id = value.readInteger(endianness: .little, as: UInt32.self)
                else { throw .entry }
                privateLinkID = id
            default: continue
            }
        }
    }

    private enum EntryType {
        static let checksum: UInt8 = 0x03
        static let azure: UInt8 = 0xEE
        /// The first byte of an Azure entry's value.
        static let azurePrivateLink: UInt8 = 0x01
    }
}

/// CRC-32C (Castagnoli), reflected, as iSCSI has it (RFC 3720, appendix B.4). For headers: a table of 256 is fast enough.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }

    /// Offsets in `zeroed` count as zero bytes.
    static func of(_ bytes: some Sequence<UInt8>, zeroing zeroed: Range<Int> = 0..<0) -> UInt32 {
        var value = UInt32.max
        for (offset, byte) in bytes.enumerated() {
            let byte = zeroed.contains(offset) ? 0 : byte
            value = value >> 8 ^ table[Int((value ^ UInt32(byte)) & 0xFF)]
        }
        return ~value
    }
}
