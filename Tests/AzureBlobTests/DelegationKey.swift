import AzureWire
import NIOHTTP1
import StorageModel
import Testing

@testable import AzureBlob

/// A user delegation key as a client holds it.
struct DelegationKey {
    var fields: [(name: String, value: String)]
    var value: [UInt8]

    static func body(_ fixture: Fixture, from start: Int64? = nil, to expiry: Int64 = 86_400) -> [UInt8] {
        let begin = start.map { "<Start>\(SignatureMaker.time(fixture, $0))</Start>" } ?? ""
        return Array("<KeyInfo>\(begin)<Expiry>\(SignatureMaker.time(fixture, expiry))</Expiry></KeyInfo>".utf8)
    }

    static func fetch(
        _ fixture: Fixture, _ token: TestToken = TestToken(), from start: Int64? = nil, to expiry: Int64 = 86_400
    ) async throws -> DelegationKey {
        let reply = try await fixture.send(
            .POST, "/?restype=service&comp=userdelegationkey", token: token,
            body: body(fixture, from: start, to: expiry))
        try #require(reply.status == 200, "\(reply.text)")
        func field(_ name: String) throws -> String { try #require(reply.elements(name).first) }
        return DelegationKey(
            fields: [
                ("skoid", try field("SignedOid")), ("sktid", try field("SignedTid")), ("skt", try field("SignedStart")),
                ("ske", try field("SignedExpiry")), ("sks", try field("SignedService")),
                ("skv", try field("SignedVersion")),
            ], value: try #require(Base64.decode(try field("Value"))))
    }

    func maker(_ fixture: Fixture, _ permissions: String, container: String = "box") -> SignatureMaker {
        var maker = SignatureMaker.container(fixture, permissions, container)
        maker.fields += fields
        return maker
    }

    func query(_ fixture: Fixture, _ permissions: String, container: String = "box") throws -> String {
        try maker(fixture, permissions, container: container).query(key: value)
    }
}
