import Metadata
import StorageModel

/// The layout of the key space. The first byte tells the kind of record; docs/formats/metadata.md describes each one.
/// The kinds `p`, `r` and `o` belong to Access (its `AccessKeys`).
/// Numbers are big-endian so that keys sort by them.
enum Keys {
    enum Kind: UInt8, CaseIterable {
        case storeIdentity = 0x49  // I
        case serviceProperties = 0x41  // A
        case container = 0x63  // c
        case containerByID = 0x43  // C
        case blob = 0x62  // b
        case content = 0x64  // d
        case manifestSharing = 0x6D  // m
        case stagedBlock = 0x73  // s
        case uncommittedBlob = 0x75  // u
        case uncommittedCount = 0x6E  // n
        case lastBlockWrite = 0x74  // t
        case extent = 0x78  // x
        case trash = 0x67  // g
        case change = 0x6C  // l
        case tagIndex = 0x54  // T
    }

    static let storeIdentity: [UInt8] = [Kind.storeIdentity.rawValue]

    static func serviceProperties(_ account: AccountName) -> [UInt8] {
        [Kind.serviceProperties.rawValue] + account.value.utf8
    }

    static func container(_ address: ContainerAddress) -> [UInt8] {
        containers(of: address.account) + address.container.value.utf8
    }
    static func containers(of account: AccountName) -> [UInt8] {
        [Kind.container.rawValue] + account.value.utf8 + [0]
    }
    static func containerByID(_ id: ContainerID) -> [UInt8] {
        [Kind.containerByID.rawValue] + id.rawValue.bigEndianBytes
    }

    static func blob(_ container: ContainerID, _ name: String) -> [UInt8] { named(.blob, container, name) }
    static func blobs(in container: ContainerID) -> [UInt8] { named(.blob, container, "") }
    static func uncommittedBlob(_ container: ContainerID, _ name: String) -> [UInt8] {
        named(.uncommittedBlob, container, name)
    }
    static func uncommittedCount(_ container: ContainerID, _ name: String) -> [UInt8] {
        named(.uncommittedCount, container, name)
    }
    static func lastBlockWrite(_ container: ContainerID, _ name: String) -> [UInt8] {
        named(.lastBlockWrite, container, name)
    }

    static func named(_ kind: Kind, _ container: ContainerID, _ name: String) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(9 + name.utf8.count)
        key.append(kind.rawValue)
        key.append(bigEndian: container.rawValue)
        key.append(contentsOf: name.utf8)
        return key
    }

    /// Names hold no NUL, so it ends them.
    static func stagedBlocks(_ container: ContainerID, _ name: String) -> [UInt8] {
        named(.stagedBlock, container, name) + [0]
    }
    static func stagedBlock(_ container: ContainerID, _ name: String, _ id: BlockID) -> [UInt8] {
        stagedBlocks(container, name) + id.text.utf8
    }

    static func content(_ id: ContentID, at offset: Int64) -> [UInt8] {
        contentPages(id) + UInt64(offset).bigEndianBytes
    }
    static func contentPages(_ id: ContentID) -> [UInt8] { [Kind.content.rawValue] + id.rawValue.bigEndianBytes }
    static func manifestSharing(_ id: ContentID) -> [UInt8] {
        [Kind.manifestSharing.rawValue] + id.rawValue.bigEndianBytes
    }

    static func extent(group: UInt64, position: UInt64) -> [UInt8] {
        [Kind.extent.rawValue] + group.bigEndianBytes + position.bigEndianBytes
    }
    static func extents(inGroup group: UInt64) -> [UInt8] { [Kind.extent.rawValue] + group.bigEndianBytes }

    static func change(_ version: Version) -> [UInt8] { [Kind.change.rawValue] + version.rawValue.bigEndianBytes }

    static func tagIndexValues(_ account: AccountName, key: String) -> [UInt8] {
        [Kind.tagIndex.rawValue] + account.value.utf8 + [0] + key.utf8 + [0]
    }
    static func tagIndex(
        _ account: AccountName, key: String, value: String, container: ContainerID, name: String
    ) -> [UInt8] {
        tagIndexValues(account, key: key) + value.utf8 + [0] + container.rawValue.bigEndianBytes + name.utf8
    }

    static func all(_ kind: Kind) -> KeyRange { KeyRange(prefix: [kind.rawValue]) }
}

/// A container's identity: the version that created it. A container made anew under the same name is another one.
struct ContainerID: Hashable, Sendable {
    var rawValue: UInt64
    init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// The identity of a manifest: the version that wrote it. Blobs copied from one another share it.
struct ContentID: Hashable, Sendable {
    var rawValue: UInt64
    init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

extension UInt64 {
    var bigEndianBytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 8) { buffer, count in
            for index in 0..<8 { buffer[index] = UInt8(truncatingIfNeeded: self >> UInt64(56 - 8 * index)) }
            count = 8
        }
    }
    init(bigEndianBytes bytes: some Sequence<UInt8>) {
        self = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension [UInt8] {
    mutating func append(bigEndian value: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) { append(UInt8(truncatingIfNeeded: value >> UInt64(shift))) }
    }
}
