import Access
import HTTPExchange
import NIOHTTP1
import StorageModel
import StorageTestKit
import Testing

@testable import AzureBlob

/// Limits of accounts and principals as a client sees them.
@Suite struct LimitTests {
    @Test func busy() async throws {
        let fixture = try await AuthorizationTableTests.fixture()
        try await fixture.assign(.reader)
        let name = try AccountName(validating: Fixture.account)
        var account = try #require(fixture.accounts[name])
        account.limits = AccountLimits(principal: RequestLimits(requestsPerSecond: 2))
        fixture.accounts.set(account)
        // Each principal has its own two; the anonymous have none of their own.
        for signing in [Fixture.Signing.sharedKey, .secondKey] {
            #expect(await fixture.send(.GET, "/box/a", signing: signing).status == 200)
            #expect(await fixture.send(.GET, "/box/a", signing: signing).status == 200)
            let busy = await fixture.send(.GET, "/box/a", signing: signing)
            #expect(busy.status == 503 && busy.error == "ServerBusy" && busy["Retry-After"] == "1")
        }
        // A signature counts for the key that it was made with.
        let signature = try SignatureMaker.blob(fixture, "r").query()
        #expect(await fixture.send(.GET, "/box/a", signature: signature).status == 503)
        #expect(try await fixture.send(.GET, "/box/a", token: TestToken()).status == 200)
        #expect(await fixture.send(.GET, "/box/a", signing: .none).status == 409)
        fixture.world.advance(seconds: 1)
        #expect(await fixture.send(.GET, "/box/a").status == 200)

        account.limits = AccountLimits(account: RequestLimits(requestsPerSecond: 0))
        fixture.accounts.set(account)
        #expect(await fixture.send(.GET, "/box/a").error == "ServerBusy")
        #expect(await fixture.send(.GET, "/box/a", signing: .wrongKey).error == "AuthenticationFailed")
    }

    /// A part counts for the rates of its own principal, and of the account.
    @Test(arguments: [
        AccountLimits(principal: RequestLimits(requestsPerSecond: 3)),
        // One of these is the batch's own.
        AccountLimits(account: RequestLimits(requestsPerSecond: 4)),
        AccountLimits(principal: RequestLimits(requestsPerSecond: 3, concurrentRequests: 1)),
    ])
    func partsOfBatches(limits: AccountLimits) async throws {
        let fixture = try await AuthorizationTableTests.fixture()
        for index in 0..<12 { await fixture.put("part\(index)", "x") }
        var account = try #require(fixture.accounts[try AccountName(validating: Fixture.account)])
        account.limits = limits
        fixture.accounts.set(account)
        let query = try SignatureMaker.container(fixture, "d").query()
        var body = ""
        for index in 0..<12 {
            body += "--b\r\nContent-Type: application/http\r\nContent-ID: \(index)\r\n\r\n"
            body += "DELETE /devaccount/box/part\(index)?\(query) HTTP/1.1\r\n\r\n\r\n"
        }
        let reply = await fixture.send(
            .POST, "/box?restype=container&comp=batch", [("Content-Type", "multipart/mixed; boundary=b")],
            body: Array((body + "--b--\r\n").utf8), signing: .secondKey)
        #expect(reply.status == 202)
        let statuses = reply.parts.map(\.status.code)
        #expect(statuses.count { $0 == 202 } == 3 && statuses.count { $0 == 503 } == 9, "\(statuses)")
        #expect(reply.text.contains("x-ms-error-code: ServerBusy") && reply.text.contains("Retry-After: 1"))
        #expect(reply.parts.allSatisfy { $0.audit.redactedURI?.contains("sig=REDACTED") == true })
        fixture.world.advance(seconds: 4)
        let left = await fixture.send(.GET, "/box?restype=container&comp=list&prefix=part")
        #expect(left.elements("Name").count == 9)
    }

    /// A batch takes one place, whatever it holds.
    @Test func batches() async throws {
        let fixture = try await AuthorizationTableTests.fixture()
        var account = try #require(fixture.accounts[try AccountName(validating: Fixture.account)])
        account.limits = AccountLimits(account: RequestLimits(concurrentRequests: 1))
        fixture.accounts.set(account)
        let query = try SignatureMaker.container(fixture, "d").query()
        let part = "DELETE /devaccount/box/a?\(query) HTTP/1.1\r\n\r\n\r\n"
        let body = "--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n" + part + "--b--\r\n"
        let reply = await fixture.send(
            .POST, "/box?restype=container&comp=batch", [("Content-Type", "multipart/mixed; boundary=b")],
            body: Array(body.utf8))
        #expect(reply.status == 202 && reply.text.contains("HTTP/1.1 202"), "\(reply.text)")
    }
}
