import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import Observability
import StorageModel
import StorageTestKit
import Testing

@testable import AzureBlob

/// Shared access signatures beside their permissions: time, place, policies, and what a user is told.
@Suite struct SignatureTests {
    static let fixture = AuthorizationTableTests.fixture

    /// The field that is wrong, the code, and a part of the detail that names it.
    struct Refusal: Sendable, CustomStringConvertible {
        var description: String
        var change: @Sendable (SignatureMaker, Fixture) -> SignatureMaker
        var code = "AuthenticationFailed"
        var detail = ""
    }

    static let refusals: [Refusal] = [
        Refusal(
            description: "expired", change: { $0.with("se", SignatureMaker.time($1, 0)) },
            detail: "Signature not valid in the specified time frame"),
        Refusal(
            description: "not yet valid", change: { $0.with("st", SignatureMaker.time($1, 60)) },
            detail: "Signature not valid in the specified time frame"),
        Refusal(description: "no expiry", change: { maker, _ in maker.with("se", nil) }, detail: "se is mandatory"),
        Refusal(
            description: "broken expiry", change: { maker, _ in maker.with("se", "tomorrow") },
            detail: "se is not a valid time: tomorrow"),
        Refusal(
            description: "broken start", change: { maker, _ in maker.with("st", "yesterday") },
            detail: "st is not a valid time: yesterday"),
        Refusal(
            description: "no permissions", change: { maker, _ in maker.with("sp", nil) }, detail: "sp is mandatory"),
        Refusal(
            description: "unknown permission", change: { maker, _ in maker.with("sp", "rz") },
            detail: "sp has a letter that is no permission: rz"),
        Refusal(
            description: "other address", change: { maker, _ in maker.with("sip", "10.0.0.2-10.0.0.9") },
            code: "AuthorizationSourceIPMismatch"),
        Refusal(
            description: "broken address", change: { maker, _ in maker.with("sip", "10.0.0") },
            detail: "sip is no IPv4 address"),
        Refusal(
            description: "IPv6 address", change: { maker, _ in maker.with("sip", "::1") },
            detail: "sip is no IPv4 address"),
        Refusal(
            description: "https only", change: { maker, _ in maker.with("spr", "https") },
            code: "AuthorizationProtocolMismatch"),
        Refusal(
            description: "http alone", change: { maker, _ in maker.with("spr", "http") },
            detail: "spr is not https or https,http"),
        Refusal(
            description: "encryption scope", change: { maker, _ in maker.with("ses", "scope") },
            detail: "ses: encryption scopes"),
        Refusal(
            description: "missing policy", change: { maker, _ in maker.with("si", "none") },
            detail: "si: the stored access policy does not exist: none"),
        Refusal(
            description: "directory", change: { maker, _ in maker.with("sr", "d").with("sdd", "1") },
            detail: "sr=d: directory signatures need a hierarchical namespace"),
        Refusal(
            description: "old layout", change: { maker, _ in maker.with("sv", "2012-02-12") },
            detail: "sv is not a supported version"),
        Refusal(
            description: "snapshot of another kind", change: { maker, _ in maker.with("sr", "bs") },
            detail: "Signature did not match"),
    ]

    @Test(arguments: refusals) func refused(row: Refusal) async throws {
        let fixture = try await Self.fixture()
        var query: String
        if row.description == "snapshot of another kind" {
            // Signed as a blob, sent as a snapshot.
            query = try SignatureMaker.blob(fixture, "r").query().replacing("sr=b&", with: "sr=bs&")
        } else if row.description == "old layout" {
            query = try SignatureMaker.blob(fixture, "r").query().replacing("sv=2022-11-02", with: "sv=2012-02-12")
        } else {
            query = try row.change(.blob(fixture, "r"), fixture).query()
        }
        // What is wrong must be found by itself, not by a version header.
        let reply = await fixture.send(.GET, "/box/a", signature: query)
        #expect(reply.status == 403 && reply.error == row.code, "\(row): \(reply.status) \(reply.text)")
        if !row.detail.isEmpty {
            #expect(reply.elements("AuthenticationErrorDetail").first?.contains(row.detail) == true, "\(reply.text)")
        }
        query = ""
    }

    @Test func accepted() async throws {
        let changes: [@Sendable (SignatureMaker, Fixture) -> SignatureMaker] = [
            { maker, _ in maker }, { $0.with("st", SignatureMaker.time($1, 10)) },
            { $0.with("st", SignatureMaker.time($1, -3600)) }, { maker, _ in maker.with("sip", "10.0.0.1") },
            { maker, _ in maker.with("sip", "10.0.0.0-10.0.0.1") }, { maker, _ in maker.with("spr", "https,http") },
            { maker, _ in maker.with("sp", "wr") }, { maker, _ in maker.with("sv", "2015-04-05") },
            { maker, _ in maker.with("sv", "2018-11-09") }, { maker, _ in maker.with("sv", "2026-06-06") },
            { $0.with("se", String(SignatureMaker.time($1, 86_400 * 2).prefix(10))) },
        ]
        for (number, change) in changes.enumerated() {
            let fixture = try await Self.fixture()
            for key in [Fixture.key, Fixture.secondKey] {
                let query = try change(.blob(fixture, "r"), fixture).query(key: key)
                let reply = await fixture.send(.GET, "/box/a", signature: query)
                #expect(reply.status == 200, "change \(number): \(reply.text)")
            }
        }
    }

    @Test func tampered() async throws {
        let fixture = try await Self.fixture()
        let query = try SignatureMaker.container(fixture, "r").with("sip", "10.0.0.1").query()
        let changed = [
            query.replacing("sp=r", with: "sp=rw"), query.replacing("sip=10.0.0.1", with: "sip=10.0.0.1-10.0.0.9"),
            query.replacing("sr=c", with: "sr=b"), query.replacing("&sip=10.0.0.1", with: ""),
            query + "&rscc=no-cache", query.replacing("sv=2022-11-02", with: "sv=2022-11-03"),
        ]
        #expect(await fixture.send(.GET, "/box/a", signature: query).status == 200)
        for text in changed {
            let reply = await fixture.send(.GET, "/box/a", signature: text)
            #expect(reply.error == "AuthenticationFailed", "\(text)")
            #expect(reply.elements("AuthenticationErrorDetail").first?.hasPrefix("Signature did not match") == true)
        }
        let wrong = try SignatureMaker.container(fixture, "r").query(key: [1])
        #expect(await fixture.send(.GET, "/box/a", signature: wrong).error == "AuthenticationFailed")
    }

    /// Each term comes from the signature or from the policy, never from both.
    @Test func storedPolicies() async throws {
        let fixture = try await Self.fixture()
        let (past, future) = (SignatureMaker.time(fixture, -60), SignatureMaker.time(fixture, 3600))
        func policy(_ id: String, _ terms: String) -> String {
            "<SignedIdentifier><Id>\(id)</Id><AccessPolicy>\(terms)</AccessPolicy></SignedIdentifier>"
        }
        let document =
            "<SignedIdentifiers>"
            + policy("all", "<Start>\(past)</Start><Expiry>\(future)</Expiry><Permission>r</Permission>")
            + policy("old", "<Expiry>\(past)</Expiry><Permission>r</Permission>")
            + policy("late", "<Start>\(future)</Start><Permission>r</Permission>")
            + policy("bare", "<Permission>r</Permission>")
            + "</SignedIdentifiers>"
        let set = await fixture.send(.PUT, "/box?restype=container&comp=acl", body: Array(document.utf8))
        #expect(set.status == 200)
        let plain = SignatureMaker.container(fixture, "r")
        let rows: [(SignatureMaker, Int)] = [
            (plain.with("si", "all").with("sp", nil).with("se", nil), 200),
            (plain.with("si", "all").with("se", nil), 403), (plain.with("si", "all").with("sp", nil), 403),
            (plain.with("si", "all").with("sp", nil).with("se", nil).with("st", past), 403),
            (plain.with("si", "old").with("sp", nil).with("se", nil), 403),
            (plain.with("si", "bare").with("sp", nil), 200),
            (plain.with("si", "bare").with("sp", nil).with("se", nil), 403),
            (plain.with("si", "late").with("sp", nil), 403),
            (plain.with("si", "ALL").with("sp", nil).with("se", nil), 403),
        ]
        for (number, row) in rows.enumerated() {
            let reply = await fixture.send(.GET, "/box/a", signature: try row.0.query())
            #expect(reply.status == row.1, "row \(number): \(reply.text)")
        }
        // A policy that is taken away takes its signatures along.
        let query = try rows[0].0.query()
        let cleared = await fixture.send(
            .PUT, "/box?restype=container&comp=acl", body: Array("<SignedIdentifiers/>".utf8))
        #expect(cleared.status == 200)
        #expect(await fixture.send(.GET, "/box/a", signature: query).error == "AuthenticationFailed")
    }

    @Test func responseHeaders() async throws {
        let fixture = try await Self.fixture()
        let query = try SignatureMaker.blob(fixture, "r").with("rscc", "no-store").with("rscd", "attachment; x=1")
            .with("rsce", "br").with("rscl", "de").with("rsct", "text/x").query()
        for method in [HTTPMethod.GET, .HEAD] {
            let reply = await fixture.send(method, "/box/a", signature: query)
            #expect(reply.status == 200)
            #expect(reply["Cache-Control"] == "no-store" && reply["Content-Disposition"] == "attachment; x=1")
            #expect(reply["Content-Encoding"] == "br" && reply["Content-Language"] == "de")
            #expect(reply.headers["Content-Type"] == ["text/x"])
        }
        // An account SAS does not sign them: whoever handles the link could make them up.
        let account = try SignatureMaker.account(fixture, "r").query() + "&rsct=text/html&rscd=inline"
        let plain = await fixture.send(.GET, "/box/a", signature: account)
        #expect(plain.status == 200 && plain["Content-Type"] != "text/html" && plain["Content-Disposition"] == nil)
        let metadata = await fixture.send(.GET, "/box/a?comp=metadata", signature: query)
        #expect(metadata.status == 200 && metadata["Cache-Control"] == nil)
        let hostile = query.replacing("rscc=no-store", with: "rscc=a%0D%0Ax%3A%20y")
        #expect(await fixture.send(.GET, "/box/a", signature: hostile).error == "AuthenticationFailed")
    }

    @Test func servicesAndTypes() async throws {
        let fixture = try await Self.fixture()
        let rows: [(services: String, types: String, code: String?)] = [
            ("b", "o", nil), ("bqtf", "sco", nil), ("q", "sco", "AuthorizationServiceMismatch"),
            ("bz", "o", "AuthenticationFailed"), ("b", "ox", "AuthenticationFailed"),
        ]
        for row in rows {
            let maker = SignatureMaker.account(fixture, "r", types: row.types, services: row.services)
            let reply = await fixture.send(.GET, "/box/a", signature: try maker.query())
            #expect(reply.error == row.code, "\(row)")
        }
        let other = SignatureMaker.account(fixture, "r").with("si", "x")
        #expect(await fixture.send(.GET, "/box/a", signature: try other.query()).error == "AuthenticationFailed")
    }

    @Test func rootContainer() async throws {
        let fixture = try await Self.fixture()
        #expect(await fixture.send(.PUT, "/$root?restype=container").status == 201)
        let put = await fixture.send(.PUT, "/top", [("x-ms-blob-type", "BlockBlob")], body: [1])
        #expect(put.status == 201)
        let query = try SignatureMaker.container(fixture, "r", "$root").query()
        #expect(await fixture.send(.GET, "/top", signature: query).status == 200)
        #expect(await fixture.send(.GET, "/$root/top", signature: query).status == 200)
    }

    /// The Authorization header is what counts; a signature beside it is not looked at.
    @Test func headerBeforeSignature() async throws {
        let fixture = try await Self.fixture()
        let query = try SignatureMaker.blob(fixture, "r").query(key: [1])
        #expect(await fixture.send(.GET, "/box/a?" + query).status == 200)
    }

    /// A request without a version header has the version of its signature.
    @Test func version() async throws {
        let fixture = try await Self.fixture()
        let query = try SignatureMaker.blob(fixture, "r").query()
        let reply = await fixture.send(.GET, "/box/a", signature: query, version: nil)
        #expect(reply.status == 200 && reply["x-ms-version"] == "2022-11-02")
        let chosen = await fixture.send(.GET, "/box/a?api-version=2019-12-12", signature: query, version: nil)
        #expect(chosen["x-ms-version"] == "2019-12-12")
    }

    @Test func switches() async throws {
        let fixture = try await Self.fixture()
        var account = try #require(fixture.accounts[try AccountName(validating: Fixture.account)])
        let signature = try SignatureMaker.blob(fixture, "r").query()
        func codes(from peer: Peer = Fixture.plainPeer) async -> [String?] {
            fixture.accounts.set(account)
            return [
                await fixture.send(.GET, "/box/a", from: peer).error,
                await fixture.send(.GET, "/box/a", signature: signature, from: peer).error,
            ]
        }
        #expect(await codes() == [nil, nil])
        account.switches.allowsSharedKey = false
        #expect(await codes() == ["KeyBasedAuthenticationNotPermitted", nil])
        account.switches.allowsSharedAccessSignatures = false
        #expect(await codes() == ["KeyBasedAuthenticationNotPermitted", "KeyBasedAuthenticationNotPermitted"])
        account.switches = AccountSwitches(isEnabled: false)
        #expect(await codes() == ["AccountIsDisabled", "AccountIsDisabled"])
        account.switches = AccountSwitches(requiresTLS: true)
        #expect(await codes() == ["AccountRequiresHttps", "AccountRequiresHttps"])
        #expect(await codes(from: Fixture.tlsPeer) == [nil, nil])
        account.switches.minimumTLS = .tls13
        #expect(await codes(from: Fixture.tlsPeer) == [nil, nil])
        let old = Peer(address: "10.0.0.1:1", ip: IPAddress("10.0.0.1"), tls: .tls12)
        #expect(await codes(from: old) == ["TlsVersionNotPermitted", "TlsVersionNotPermitted"])
        // A key that is rotated away takes its signatures along.
        account.switches = AccountSwitches()
        account.keys = [SigningKey(number: 2, bytes: Fixture.secondKey)]
        #expect(await codes() == ["AuthenticationFailed", "AuthenticationFailed"])
        #expect(await fixture.send(.GET, "/box/a", signing: .secondKey).status == 200)
    }

    @Test func httpsOnly() async throws {
        let fixture = try await Self.fixture()
        let query = try SignatureMaker.blob(fixture, "r").with("spr", "https").query()
        #expect(await fixture.send(.GET, "/box/a", signature: query, from: Fixture.tlsPeer).status == 200)
    }

    @Test func audit() async throws {
        let fixture = try await Self.fixture()
        let query = try SignatureMaker.blob(fixture, "r").query()
        let reply = await fixture.send(.GET, "/box/a", signature: query)
        let requester = try #require(reply.audit.requester)
        #expect(requester.authenticationType == "SAS" && reply.audit.statusText == "SASSuccess")
        let hash = try #require(requester.authenticationHash)
        #expect(hash.hasPrefix("key1(") && hash.contains("),SasSignature(") && hash.utf8.count == 5 + 64 + 15 + 64 + 1)
        let signature = try #require(QueryString(query)?["sig"])
        #expect(!hash.contains(signature))
        #expect(reply.audit.redactedURI?.contains("sig=REDACTED") == true)
    }

    /// The parts of a batch are let in one by one.
    @Test func batch() async throws {
        let fixture = try await Self.fixture()
        func part(_ id: Int, _ query: String) -> String {
            "--b\r\nContent-Type: application/http\r\nContent-ID: \(id)\r\n\r\nDELETE /devaccount/box/a?\(query) HTTP/1.1\r\n\r\n\r\n"
        }
        let container = try SignatureMaker.container(fixture, "r").query()
        let body =
            part(0, try SignatureMaker.container(fixture, "r").query()) + part(1, "")
            + part(2, try SignatureMaker.container(fixture, "d").query()) + "--b--\r\n"
        let reply = await fixture.send(
            .POST, "/box?restype=container&comp=batch", signature: container,
            [("Content-Type", "multipart/mixed; boundary=b")], body: Array(body.utf8))
        #expect(reply.status == 202, "\(reply.text)")
        let statuses = reply.text.split(separator: "HTTP/1.1 ").dropFirst().map { $0.prefix(3) }
        #expect(statuses == ["403", "401", "202"], "\(reply.text)")
    }

    /// The source of a copy is read by its own signature, or by the caller's own right in the same account.
    @Test func copySources() async throws {
        let fixture = try await Self.fixture()
        let base = "http://127.0.0.1:10000/devaccount/box/"
        let (read, list) = (
            try SignatureMaker.blob(fixture, "r").query(), try SignatureMaker.blob(fixture, "l").query()
        )
        let rows: [(caller: String?, source: String, status: Int, code: String?)] = [
            (nil, base + "a", 202, nil), (nil, base + "a?" + read, 202, nil),
            (nil, base + "a?" + list, 403, "CannotVerifyCopySource"),
            (nil, base + "a?" + read.replacing("sp=r", with: "sp=rw"), 403, "CannotVerifyCopySource"),
            ("w", base + "a?" + read, 202, nil), ("w", base + "a", 403, "CannotVerifyCopySource"),
            ("rw", base + "a", 202, nil),
        ]
        for (number, row) in rows.enumerated() {
            let headers = [("x-ms-copy-source", row.source)]
            let reply: Reply
            if let letters = row.caller {
                let signature = try SignatureMaker.container(fixture, letters).query()
                reply = await fixture.send(.PUT, "/box/copy", signature: signature, headers)
            } else {
                reply = await fixture.send(.PUT, "/box/copy", headers)
            }
            #expect(reply.status == row.status && reply.error == row.code, "row \(number): \(reply.text)")
            guard row.code == nil else { continue }
            // Kept without what would open the source to whoever reads the copy's properties.
            #expect(await fixture.send(.HEAD, "/box/copy")["x-ms-copy-source"] == base + "a")
        }
    }
}
