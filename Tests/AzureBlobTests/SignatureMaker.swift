import AzureWire
import HTTPExchange
import NIOHTTP1
import StorageModel
import StorageTestKit
import Testing

@testable import AzureBlob

/// Makes shared access signatures as a client does, out of the fields of the query.
struct SignatureMaker {
    var fields: [(name: String, value: String)]
    var target: SignedTarget

    /// - Parameter validFor: seconds from the fixture's now.
    static func account(
        _ fixture: Fixture, _ permissions: String, types: String = "sco", services: String = "b",
        validFor seconds: Int64 = 3600
    ) -> SignatureMaker {
        SignatureMaker(
            fields: [
                ("sv", "2022-11-02"), ("ss", services), ("srt", types), ("sp", permissions),
                ("se", Self.time(fixture, seconds)),
            ], target: SignedTarget(account: Fixture.account))
    }

    static func container(
        _ fixture: Fixture, _ permissions: String, _ container: String = "box", validFor seconds: Int64 = 3600
    ) -> SignatureMaker {
        SignatureMaker(
            fields: [
                ("sv", "2022-11-02"), ("sr", "c"), ("sp", permissions), ("se", Self.time(fixture, seconds)),
            ], target: SignedTarget(account: Fixture.account, container: container))
    }

    static func blob(
        _ fixture: Fixture, _ permissions: String, _ blob: String = "a", validFor seconds: Int64 = 3600
    ) -> SignatureMaker {
        SignatureMaker(
            fields: [
                ("sv", "2022-11-02"), ("sr", "b"), ("sp", permissions), ("se", Self.time(fixture, seconds)),
            ], target: SignedTarget(account: Fixture.account, container: "box", blob: blob))
    }

    /// The time as clients write it.
    static func time(_ fixture: Fixture, _ seconds: Int64) -> String {
        ISODate.format(Timestamp(seconds: fixture.world.now.seconds + seconds))
    }

    /// With one more field, or another value of it; `nil` takes it away.
    func with(_ name: String, _ value: String?) -> SignatureMaker {
        var copy = self
        copy.fields.removeAll { $0.name == name }
        if let value { copy.fields.append((name, value)) }
        return copy
    }

    /// The query, signature included.
    func query(key: [UInt8] = Fixture.key) throws -> String {
        let unsigned = Self.text(fields) + "&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"
        let parsed = try SharedAccessSignature(try #require(QueryString(unsigned)))
        let signature = AccountKey(bytes: key).sign(Array(parsed.stringToSign(target).utf8))
        return Self.text(fields + [("sig", Base64.encode(signature))])
    }

    private static func text(_ fields: [(name: String, value: String)]) -> String {
        fields.map { field in
            let value = field.value.utf8.map { byte in
                let isPlain = byte.isLetter || (0x30...0x39).contains(byte) || "-._~".utf8.contains(byte)
                return isPlain
                    ? String(Unicode.Scalar(byte)) : "%" + String(UInt16(byte) + 0x100, radix: 16).dropFirst()
            }
            return "\(field.name)=\(value.joined())"
        }.joined(separator: "&")
    }
}

extension UInt8 {
    fileprivate var isLetter: Bool { (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self) }
}

extension Fixture {
    /// A request that carries a signature and no other credential.
    func send(
        _ method: HTTPMethod, _ pathAndQuery: String, signature: String, _ headers: [(String, String)] = [],
        body: [UInt8]? = nil, version: String? = "2023-11-03", from peer: Peer = Fixture.plainPeer
    ) async -> Reply {
        let separator = pathAndQuery.contains("?") ? "&" : "?"
        return await send(
            method, pathAndQuery + separator + signature, headers, body: body, version: version, signing: .none,
            from: peer)
    }
}
