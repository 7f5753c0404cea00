import StorageModel
import Testing

@testable import AzureWire

/// Signatures that others computed: the vectors of the documentation's layouts, replayed against the Python SDK.
@Suite struct SharedAccessSignatureTests {
    static let times = "st=2024-03-01T00%3A00%3A00Z&se=2024-03-02T00%3A00%3A00Z"
    static let emulatorKey =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    static let delegationKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    static let blob = SignedTarget(account: "devstoreaccount1", container: "box", blob: "dir/a b.txt")

    static func parse(_ query: String) throws -> SharedAccessSignature {
        try SharedAccessSignature(try #require(QueryString(query)))
    }

    static func signature(_ query: String, _ target: SignedTarget, key: String) throws -> String {
        let placeholder = "&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"
        let text = try parse(query + placeholder).stringToSign(target)
        return Base64.encode(try #require(AccountKey(base64: key)).sign(Array(text.utf8)))
    }

    @Test(arguments: [
        ("2018-11-09", "40DKvsFPeIMYgGaRtjU8ZLPhrXOcH30NaDqFCO+6SF4="),
        ("2020-12-06", "BYsJ0wBXVkKdCYhpOmoyIalotUD/mmz7LVy7bbIkhns="),
    ])
    func account(version: String, expected: String) throws {
        let query = "sv=\(version)&ss=b&srt=sco&sp=rwdlac&spr=https&" + Self.times
        let found = try Self.signature(query, SignedTarget(account: "devstoreaccount1"), key: Self.emulatorKey)
        #expect(found == expected)
    }

    @Test(arguments: [
        ("2015-04-05", "JmLoI8o8iGo4W9nzI5nC2rD1MP4Y9yHaoUNlcfjKJDs="),
        ("2018-11-09", "dA3ZS+V082f+Qm7uSyWg9tgfvy06YZXCiyzEh5eBOQ4="),
        ("2020-12-06", "L2J3qHvRlecqKPNex0NDw19g/lP0BSDM+s2u8WGLLrw="),
    ])
    func service(version: String, expected: String) throws {
        let query = "sv=\(version)&sr=b&sp=r&spr=https&" + Self.times
        #expect(try Self.signature(query, Self.blob, key: Self.emulatorKey) == expected)
    }

    @Test func container() throws {
        let query = "sv=2022-11-02&sr=c&sp=rl&sip=10.0.0.1-10.0.0.9&spr=https,http&rsct=text/css&" + Self.times
        let target = SignedTarget(account: "devstoreaccount1", container: "box")
        let found = try Self.signature(query, target, key: Self.emulatorKey)
        #expect(found == "bNdtRffQtQ3zoFLxjA3RnwTqacVS2z31vg31hP8Calk=")
    }

    @Test(arguments: [
        ("2018-11-09", "pIIvEPGCBtUzW+CsPOrCj7YejUwxEJpeU2dJUoSB+b0="),
        ("2020-02-10", "tFvRwDlTOjHJ7RRNEHE4JuFk9i7Y3qcdkYFcT87hr3M="),
        ("2020-12-06", "bye11Hn13UIusX74bfoTdcNN3rjUaR7y3JuKiUTaxZ0="),
        ("2025-07-05", "LxXsx+NLkW5M5QfJmEtQj7TkzWzmsUglW4vICGNuahg="),
        ("2026-04-06", "CBUFVVKTtu4coDCFMGqVMixvwHeDWuy/RBsKCa9f9AE="),
    ])
    func userDelegation(version: String, expected: String) throws {
        let query =
            "sv=\(version)&sr=b&sp=r&spr=https&skoid=00000000-0000-0000-0000-0000000000aa"
            + "&sktid=00000000-0000-0000-0000-0000000000bb&skt=2024-03-01T00%3A00%3A00Z&ske=2024-03-07T00%3A00%3A00Z"
            + "&sks=b&skv=\(version)&" + Self.times
        #expect(try Self.signature(query, Self.blob, key: Self.delegationKey) == expected)
    }

    /// Signed headers and parameters stand in their own order, each on a line of its own.
    @Test func signedRequestParts() throws {
        let query =
            "sv=2026-04-06&sr=b&sp=r&se=x&skoid=o&sktid=t&skt=a&ske=b&sks=b&skv=v&srh=X-Ms-B,a&srq=q,p"
            + "&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"
        let text = try Self.parse(query).stringToSign(
            Self.blob, header: { ["x-ms-b": "1", "a": "2"][$0] }, parameter: { ["q": "3"][$0] })
        #expect(text.contains("\nb\n\n\nX-Ms-B:1\na:2\n\n\nq:3\np:\n\n\n\n\n"))
    }

    @Test func before2015() throws {
        let query =
            "sv=2014-02-14&sr=b&sp=r&se=x&si=p&sip=1.2.3.4&rscc=a&sig=" + String(repeating: "A", count: 43) + "%3D"
        let text = try Self.parse(query).stringToSign(Self.blob)
        #expect(text == "r\n\nx\n/devstoreaccount1/box/dir/a b.txt\np\n2014-02-14\na\n\n\n\n")
    }

    @Test(arguments: [
        ("", "sv is mandatory. Cannot be empty"), ("sv=2012-02-12", "sv is not a supported version: 2012-02-12"),
        ("sv=tomorrow", "sv is not a supported version: tomorrow"),
        ("sv=2020-12-06&sr=b", "sig is mandatory. Cannot be empty"),
        ("sv=2020-12-06&sr=b&sig=abc", "Signature is not a valid base64 string of 32 bytes"),
        ("sv=2020-12-06&sr=b&sig=AAAA", "Signature is not a valid base64 string of 32 bytes"),
        ("sv=2020-12-06&SIG", "sr is mandatory. Cannot be empty"),
        ("sv=2020-12-06&sr=f&SIG", "sr is not a signed resource of the Blob service: f"),
        ("sv=2020-12-06&ss=b&SIG", "srt is mandatory. Cannot be empty"),
        ("sv=2020-12-06&srt=o&SIG", "ss is mandatory. Cannot be empty"),
        ("sv=2020-12-06&sr=b&skoid=a&SIG", "sktid is mandatory. Cannot be empty"),
        ("sv=2020-12-06&sr=b&sp=r&sp=w&SIG", "sp is given more than once"),
        ("sv=2020-12-06&sr=b&sp=r%0Ast&SIG", "sp has a control character"),
        (
            "sv=2026-04-06&sr=b&skoid=a&sktid=b&skt=c&ske=d&sks=b&skv=e&srq=rev&rev=1%0Acomp:&SIG",
            "rev has a control character"
        ),
        ("sv=2026-04-06&sr=b&skoid=a&sktid=b&skt=c&ske=d&sks=b&skv=e&srh=a:b&SIG", "srh is not a list of names"),
    ])
    func malformed(query: String, detail: String) throws {
        let query = query.replacing("SIG", with: "sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D")
        #expect(throws: SharedAccessSignature.Malformed(detail: detail)) { try Self.parse(query) }
    }

    /// A client that forgot to escape the plus signs of its signature is understood.
    @Test func plusSigns() throws {
        let signature = [UInt8](repeating: 0xFB, count: 32)
        let text = Base64.encode(signature)
        #expect(text.contains("+"))
        #expect(try Self.parse("sv=2020-12-06&sr=b&sig=" + text).signature == signature)
    }
}
