import StorageModel
import Testing

@testable import Access

/// The vectors were computed with Python's `cryptography` (AESGCM) and `hmac` from the description in
/// docs/operations/secrets.md and docs/formats/metadata.md.
@Suite("The node key") struct NodeKeyTests {
    static let bytes = (0..<32).map { UInt8($0) }
    static let secret = Array("sixteen byte key".utf8)
    static let nonce = (100..<112).map { UInt8($0) }
    static let sealed = hex(
        "6465666768696a6b6c6d6e6f5a0618081ff0f342c6796bf979311568a3d268c046f1bd210edc3a6bb43c6dd7")

    static func hex(_ text: String) -> [UInt8] {
        stride(from: 0, to: text.count, by: 2).compactMap { at in
            UInt8(text.dropFirst(at).prefix(2), radix: 16)
        }
    }
    static func key(_ bytes: [UInt8] = bytes) throws -> NodeKey { try #require(NodeKey(bytes: bytes)) }
    static func account(_ name: String = "harbor") throws -> AccountName { try AccountName(validating: name) }

    @Test("has 32 bytes", arguments: [0, 16, 31, 33, 64]) func length(count: Int) {
        #expect(NodeKey(bytes: [UInt8](repeating: 1, count: count)) == nil)
    }

    @Test("seals as others compute it, and opens it") func vector() throws {
        let sealed = try Self.key().seal(
            Self.secret, account: Self.account(), number: 1, format: 1, nonce: Self.nonce)
        #expect(sealed == Self.sealed)
        #expect(try Self.key().open(Self.sealed, account: Self.account(), number: 1, format: 1) == Self.secret)
    }

    @Test("opens nothing for another account, key number, format or node key")
    func moved() throws {
        let other = try Self.key(Self.bytes.reversed())
        let rows: [(NodeKey, String, Int, UInt8)] = [
            (try Self.key(), "harbors", 1, 1), (try Self.key(), "harbor", 2, 1), (try Self.key(), "harbor", 1, 2),
            (other, "harbor", 1, 1),
        ]
        for (key, name, number, format) in rows {
            let failure = #expect(throws: StorageFailure.self) {
                try key.open(Self.sealed, account: Self.account(name), number: number, format: format)
            }
            #expect(failure?.code == .damaged)
        }
    }

    @Test("opens nothing that was changed or cut") func changed() throws {
        let key = try Self.key()
        for index in Self.sealed.indices {
            var bytes = Self.sealed
            bytes[index] ^= 1
            #expect(throws: StorageFailure.self, "byte \(index)") {
                try key.open(bytes, account: Self.account(), number: 1, format: 1)
            }
            #expect(throws: StorageFailure.self, "cut at \(index)") {
                try key.open(Array(Self.sealed[..<index]), account: Self.account(), number: 1, format: 1)
            }
        }
    }

    struct Parts {
        var tenant = "00000000-0000-0000-0000-0000000000bb"
        var object = "00000000-0000-0000-0000-0000000000aa"
        var application = "00000000-0000-0000-0000-0000000000cc"
        var account = "harbor"
        var start: Int64 = 1_709_294_400
        var expiry: Int64 = 1_709_298_000
        var service = "b"
        var version = "2023-11-03"
        var epoch: UInt64 = 7

        func key(_ node: NodeKey) throws -> [UInt8] {
            node.userDelegationKey(
                tenant: tenant, objectID: object, application: application,
                account: try AccountName(validating: account),
                start: Timestamp(seconds: start), expiry: Timestamp(seconds: expiry), service: service,
                version: version, epoch: epoch)
        }
    }

    @Test("derives user delegation keys as others compute them") func delegationVector() throws {
        #expect(
            try Parts().key(Self.key())
                == Self.hex("780189b17195a1c1222e875338ebffc88d645be93bf462c4ae573fc469f63573"))
    }

    @Test("derives another key for every part that differs, and for parts that only look alike")
    func delegationParts() throws {
        let changes: [(inout Parts) -> Void] = [
            { _ in }, { $0.tenant = "t" }, { $0.object = "o" }, { $0.application = "" },
            { ($0.object, $0.application) = ($0.object + $0.application, "") }, { $0.account = "quarry" },
            { $0.start += 1 },
            { $0.expiry += 1 }, { $0.service = "q" }, { $0.version = "2024-05-04" }, { $0.epoch += 1 },
            { ($0.service, $0.version) = ("b2", "023-11-03") }, { ($0.service, $0.version) = ("", "b2023-11-03") },
            { ($0.start, $0.expiry) = ($0.expiry, $0.start) }, { ($0.tenant, $0.object) = ($0.object, $0.tenant) },
        ]
        var keys: Set<[UInt8]> = []
        for change in changes {
            var parts = Parts()
            change(&parts)
            keys.insert(try parts.key(Self.key()))
        }
        keys.insert(try Parts().key(Self.key(Self.bytes.reversed())))
        #expect(keys.count == changes.count + 1)
        #expect(keys.allSatisfy { $0.count == 32 })
    }
}
