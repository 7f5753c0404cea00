import AzureWire
import HTTPExchange
import NIOHTTP1
import Observability
import Testing

@testable import AzureBlob

@Suite struct BatchTests {
    private struct Part {
        var method: HTTPMethod = .DELETE
        var path: String
        var headers: [(String, String)] = []
        var signing = Fixture.Signing.sharedKey
    }

    private func text(_ parts: [Part], _ fixture: Fixture) -> [UInt8] {
        var text = ""
        for (index, part) in parts.enumerated() {
            let uri = "/devaccount\(part.path)"
            var headers = HTTPHeaders([("x-ms-date", fixture.date()), ("Content-Length", "0")] + part.headers)
            fixture.sign(
                &headers, part.method, uri, version: "2023-11-03", part.signing, account: "devaccount",
                isPathStyle: true)
            text +=
                "--b1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: \(index)\r\n\r\n"
            text += "\(part.method.rawValue) \(uri) HTTP/1.1\r\n"
            text += headers.map { "\($0.name): \($0.value)\r\n" }.joined() + "\r\n"
        }
        return Array((text + "--b1--\r\n").utf8)
    }

    private func submit(_ parts: [Part], _ fixture: Fixture, path: String = "/?comp=batch") async -> Reply {
        await fixture.send(.POST, path, [("Content-Type", "multipart/mixed; boundary=b1")], body: text(parts, fixture))
    }

    /// Status by Content-ID.
    private func statuses(_ reply: Reply) -> [String: String] {
        var found: [String: String] = [:]
        for part in reply.text.split(separator: "--batchresponse_").dropFirst(0) {
            guard let id = part.firstRange(of: "Content-ID: "), let line = part.firstRange(of: "HTTP/1.1 ") else {
                continue
            }
            found[String(part[id.upperBound...].prefix { $0 != "\r\n" })] = String(part[line.upperBound...].prefix(3))
        }
        return found
    }

    @Test func deleteMany() async throws {
        let fixture = try await Fixture.withContainer()
        for index in 0..<20 { await fixture.put("a\(index)", "x") }
        let parts = (0..<20).map { Part(path: "/box/a\($0)") } + [Part(path: "/box/none")]
        let reply = await submit(parts, fixture)
        #expect(reply.status == 202)
        #expect(reply["Content-Type"]?.hasPrefix("multipart/mixed; boundary=batchresponse_") == true)
        let statuses = statuses(reply)
        #expect(statuses.count == 21)
        for index in 0..<20 { #expect(statuses["\(index)"] == "202") }
        #expect(statuses["20"] == "404")
        #expect(reply.text.contains("x-ms-error-code: BlobNotFound"))
        #expect(reply.text.contains("<Code>BlobNotFound</Code>"))
        #expect(reply.text.contains("x-ms-version: 2023-11-03"))
        #expect(await fixture.send(.GET, "/box?restype=container&comp=list").elements("Name").isEmpty)
    }

    @Test func setTiers() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x")
        let reply = await submit(
            [Part(method: .PUT, path: "/box/a?comp=tier", headers: [("x-ms-access-tier", "Cool")])], fixture)
        #expect(statuses(reply) == ["0": "200"])
        #expect(await fixture.send(.HEAD, "/box/a")["x-ms-access-tier"] == "Cool")
    }

    @Test func everyPartIsAuthenticated() async throws {
        let fixture = try await Fixture.withContainer()
        for name in ["a", "b", "c"] { await fixture.put(name, "x") }
        let reply = await submit(
            [Part(path: "/box/a", signing: .none), Part(path: "/box/b", signing: .wrongKey), Part(path: "/box/c")],
            fixture)
        #expect(reply.status == 202)
        #expect(statuses(reply) == ["0": "401", "1": "403", "2": "202"])
        #expect(await fixture.send(.GET, "/box?restype=container&comp=list").elements("Name") == ["a", "b"])
    }

    /// Each part has its own facts for the audit line and the counts, under its own request id.
    @Test func everyPartIsWrittenDown() async throws {
        let fixture = try await Fixture.withContainer()
        for name in ["a", "b"] { await fixture.put(name, "x") }
        let reply = await submit(
            [
                Part(path: "/box/a"), Part(path: "/box/b", signing: .wrongKey),
                Part(path: "/box/none", headers: [("If-Match", "*")], signing: .secondKey),
            ], fixture)
        #expect(reply.audit.operationName == "BlobBatch")
        try #require(reply.parts.count == 3)
        #expect(reply.parts.map(\.status.code) == [202, 403, 412])
        #expect(reply.parts.map(\.audit.operationName) == ["DeleteBlob", "DeleteBlob", "DeleteBlob"])
        #expect(reply.parts.allSatisfy { $0.audit.category == .delete && $0.audit.accountName == Fixture.account })
        #expect(reply.parts[0].audit.statusText == "Success" && reply.parts[0].audit.objectKey == "/devaccount/box/a")
        #expect(reply.parts[0].audit.requester?.authenticationHash?.hasPrefix("key1(") == true)
        #expect(reply.parts[1].audit.statusText == "AuthenticationFailed" && reply.parts[1].audit.requester == nil)
        #expect(reply.parts[2].audit.requester?.authenticationHash?.hasPrefix("key2(") == true)
        #expect(reply.parts[2].requestHeaders.first(name: "If-Match") == "*")
        #expect(Set(reply.parts.map(\.id)).count == 3)
        for part in reply.parts { #expect(reply.text.contains("x-ms-request-id: \(part.id)\r\n")) }
    }

    @Test func containerScope() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.send(.PUT, "/box2?restype=container")
        await fixture.put("a", "x")
        await fixture.send(.PUT, "/box2/a", [("x-ms-blob-type", "BlockBlob")], body: [1])
        let reply = await submit(
            [Part(path: "/box/a"), Part(path: "/box2/a")], fixture, path: "/box?restype=container&comp=batch")
        #expect(statuses(reply) == ["0": "202", "1": "400"])
        #expect(await fixture.send(.HEAD, "/box2/a").status == 200)
    }

    @Test func onlyDeleteAndTier() async throws {
        let fixture = try await Fixture.withContainer()
        await fixture.put("a", "x")
        let reply = await submit([Part(path: "/box?restype=container")], fixture)
        #expect(statuses(reply) == ["0": "400"])
        #expect(await fixture.send(.HEAD, "/box/a").status == 200)
        let mixed = await submit(
            [
                Part(path: "/box/a"),
                Part(method: .PUT, path: "/box/a?comp=tier", headers: [("x-ms-access-tier", "Cool")]),
            ], fixture)
        #expect(mixed.status == 400)
        #expect(await fixture.send(.HEAD, "/box/a").status == 200)
    }

    @Test func refusedBatches() async throws {
        let fixture = try await Fixture.withContainer()
        let many = await submit((0..<257).map { Part(path: "/box/\($0)", signing: .none) }, fixture)
        #expect(many.error == "ExceedsMaxBatchRequestCount")
        #expect(await fixture.send(.POST, "/?comp=batch", body: [1]).error == "MissingRequiredHeader")
        #expect(
            await fixture.send(.POST, "/?comp=batch", [("Content-Type", "multipart/mixed")], body: [1]).error
                == "InvalidHeaderValue")
        #expect(
            await fixture.send(.POST, "/?comp=batch", [("Content-Type", "multipart/mixed; boundary=b1")], body: [1])
                .error == "InvalidInput")
        #expect(await fixture.send(.POST, "/?comp=batch", body: [1], signing: .none).status == 401)
        #expect(
            await submit([Part(path: "/box/a")], fixture, path: "/nobox?restype=container&comp=batch").error
                == "ContainerNotFound")
    }
}
