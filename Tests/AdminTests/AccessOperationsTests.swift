import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import StorageModel
import StorageTestKit
import Testing

@testable import Admin

@Suite("Accounts and roles over the admin API") struct AccessOperationsTests {
    private static let oid = "0a0b0c0d-1111-2222-3333-444444444444"
    private static let key = Base64.encode((0..<64).map { UInt8($0) })

    private func configured() throws -> Account {
        Account(name: try AccountName(validating: "quarry"), keys: [[UInt8](repeating: 9, count: 32)])
    }

    @Test("an account's life") func life() async throws {
        let fixture = try await AdminFixture(configured: [configured()])
        let created = await fixture.ask(
            .POST, "/accounts",
            #"{"name": "harbor", "allowSAS": false, "limits": {"principal": {"concurrentRequests": 3}}}"#)
        #expect(created.status == .created)
        let document = """
            {"name":"harbor","configured":false,"enabled":true,"allowSharedKey":true,"allowSAS":false,\
            "allowPublicAccess":false,"requireTLS":false,"minimumTLS":"1.2","keys":[{"number":1,\
            "createdAt":"2024-03-01T12:00:00.123Z"},{"number":2,"createdAt":"2024-03-01T12:00:00.123Z"}],\
            "limits":{"account":{},"principal":{"concurrentRequests":3}},"roles":0}
            """
        #expect(text(created) == document + "\n")
        #expect(text(await fixture.ask(.GET, "/accounts/harbor")) == document + "\n")
        let list = text(await fixture.ask(.GET, "/accounts"))
        #expect(list.hasPrefix("{\"accounts\":[\(document),{\"name\":\"quarry\",\"configured\":true,"))

        let keys = await fixture.ask(.GET, "/accounts/harbor/keys")
        #expect(keys.headers["Cache-Control"] == ["no-store"])
        let revealed = try await fixture.store.revealKeys(of: AccountName(validating: "harbor"))
        let times = "\"createdAt\":\"2024-03-01T12:00:00.123Z\""
        #expect(
            text(keys) == """
                {"keys":[{"number":1,"key":"\(Base64.encode(revealed[0].bytes))",\(times)},\
                {"number":2,"key":"\(Base64.encode(revealed[1].bytes))",\(times)}]}

                """)
        let rotated = await fixture.ask(.POST, "/accounts/harbor/keys/2/rotate")
        let fresh = try await fixture.store.revealKeys(of: AccountName(validating: "harbor"))
        #expect(text(rotated) == "{\"number\":2,\"key\":\"\(Base64.encode(fresh[1].bytes))\",\(times)}\n")
        #expect(fresh[1].bytes != revealed[1].bytes && fresh[0].bytes == revealed[0].bytes)

        let epoch = fixture.store[try AccountName(validating: "harbor")]?.delegationEpoch
        #expect(await fixture.ask(.POST, "/accounts/harbor/revoke-delegation-keys").status == .ok)
        #expect(fixture.store[try AccountName(validating: "harbor")]?.delegationEpoch == epoch.map { $0 + 1 })
        let deleted = await fixture.ask(.DELETE, "/accounts/harbor")
        #expect(deleted.status == .noContent && text(deleted).isEmpty)
        #expect(await fixture.code(.GET, "/accounts/harbor") == "404 AccountNotFound")
    }

    @Test("every switch and limit can be set, and only that changes") func changes() async throws {
        let fixture = try await AdminFixture()
        _ = await fixture.ask(.POST, "/accounts", #"{"name":"harbor","keys":["\#(Self.key)"]}"#)
        let rows: [(String, String)] = [
            (#"{"enabled":false}"#, #""enabled":false"#), (#"{"allowSharedKey":false}"#, #""allowSharedKey":false"#),
            (#"{"allowSAS":false}"#, #""allowSAS":false"#),
            (#"{"allowPublicAccess":true}"#, #""allowPublicAccess":true"#),
            (#"{"requireTLS":true}"#, #""requireTLS":true"#), (#"{"minimumTLS":"1.0"}"#, #""minimumTLS":"1.0""#),
            (#"{"minimumTLS":"1.3"}"#, #""minimumTLS":"1.3""#),
            (#"{"limits":{"account":{"requestsPerSecond":7}}}"#, #""account":{"requestsPerSecond":7}"#),
            (
                #"{"limits":{"account":{"bytesPerSecond":8}}}"#,
                #""account":{"requestsPerSecond":7,"bytesPerSecond":8}"#
            ),
            (
                #"{"limits":{"account":{"requestsPerSecond":null,"bytesPerSecond":null}}}"#, #""account":{}"#
            ),
            (#"{"limits":{"principal":{"concurrentRequests":9}}}"#, #""principal":{"concurrentRequests":9}"#),
            (#"{"enabled":true,"allowSAS":true}"#, #""enabled":true"#), ("{}", #""minimumTLS":"1.3""#),
        ]
        for (body, expected) in rows {
            let response = await fixture.ask(.PATCH, "/accounts/harbor", body)
            #expect(response.status == .ok, "\(body)")
            #expect(text(response).contains(expected), "\(body)")
            #expect(text(response) == text(await fixture.ask(.GET, "/accounts/harbor")))
        }
        let last = text(await fixture.ask(.GET, "/accounts/harbor"))
        for kept in [#""allowSharedKey":false"#, #""requireTLS":true"#, #""allowSAS":true"#] {
            #expect(last.contains(kept))
        }
    }

    @Test("roles") func roles() async throws {
        let fixture = try await AdminFixture()
        _ = await fixture.ask(.POST, "/accounts", #"{"name":"harbor"}"#)
        let rows: [(String, String)] = [
            (
                #"{"role":"reader","object":"\#(Self.oid.uppercased())"}"#,
                #""role":"reader","roleName":"Storage Blob Data Reader","object":"\#(Self.oid)"}"#
            ),
            (
                #"{"role":"Storage Blob Data Owner","group":"\#(Self.oid)","tenant":"\#(Self.oid)","container":"box"}"#,
                #""group":"\#(Self.oid)","tenant":"\#(Self.oid)","container":"box"}"#
            ),
            (
                #"{"role":"contributor","application":"\#(Self.oid)","container":"box","prefix":"a/\"b"}"#,
                #""application":"\#(Self.oid)","container":"box","prefix":"a/\"b"}"#
            ),
        ]
        for (body, expected) in rows {
            let response = await fixture.ask(.POST, "/accounts/harbor/roles", body)
            #expect(response.status == .created && text(response).hasSuffix(expected + "\n"), "\(text(response))")
            #expect(await fixture.code(.POST, "/accounts/harbor/roles", body) == "409 RoleAssignmentExists")
        }
        let assignments = try #require(fixture.store[try AccountName(validating: "harbor")]).roles.assignments
        #expect(assignments.count == rows.count)
        let list = text(await fixture.ask(.GET, "/accounts/harbor/roles"))
        for (assignment, id) in assignments.map({ ($0, $0.id) }) {
            #expect(list.contains(id))
            #expect(await fixture.ask(.DELETE, "/accounts/harbor/roles/\(assignment.id)").status == .noContent)
            #expect(await fixture.code(.DELETE, "/accounts/harbor/roles/\(id)") == "404 RoleAssignmentNotFound")
        }
        #expect(text(await fixture.ask(.GET, "/accounts/harbor/roles")) == "{\"roles\":[]}\n")
    }

    @Test("documents that cannot be used are refused, and change nothing")
    func documents() async throws {
        let fixture = try await AdminFixture()
        _ = await fixture.ask(.POST, "/accounts", #"{"name":"harbor"}"#)
        let before = text(await fixture.ask(.GET, "/accounts/harbor"))
        let rows: [(HTTPMethod, String, [String])] = [
            (
                .POST, "/accounts",
                [
                    "", "{", "[]", "null", "7", #""name""#, "{}", #"{"name":"AB"}"#, #"{"name":7}"#,
                    #"{"name":"quarry","more":1}"#, #"{"name":"quarry","keys":[]}"#, #"{"name":"quarry","keys":["x"]}"#,
                    #"{"name":"quarry","keys":["AAAA"]}"#, #"{"name":"quarry","keys":"\#(Self.key)"}"#,
                    #"{"name":"quarry","keys":[1]}"#,
                    #"{"name":"quarry","keys":["\#(Self.key)","\#(Self.key)","\#(Self.key)"]}"#,
                    #"{"name":"quarry"}{}"#, "{\"name\":\"\u{FFFF}\"}",
                ]
            ),
            (
                .PATCH, "/accounts/harbor",
                [
                    #"{"enabled":"yes"}"#, #"{"enabled":1}"#, #"{"enabled":null}"#, #"{"name":"other"}"#,
                    #"{"minimumTLS":"1.4"}"#, #"{"minimumTLS":1.2}"#, #"{"minimumTLS":""}"#, #"{"limits":7}"#,
                    #"{"limits":{"more":{}}}"#, #"{"limits":{"account":{"more":1}}}"#,
                    #"{"limits":{"account":{"requestsPerSecond":0}}}"#,
                    #"{"limits":{"account":{"requestsPerSecond":-1}}}"#,
                    #"{"limits":{"account":{"requestsPerSecond":1.5}}}"#,
                    #"{"limits":{"account":{"requestsPerSecond":"1"}}}"#, #"{"enabled":false,"more":1}"#,
                ]
            ),
            (
                .POST, "/accounts/harbor/roles",
                [
                    "{}", #"{"role":"reader"}"#, #"{"object":"\#(Self.oid)"}"#,
                    #"{"role":"king","object":"\#(Self.oid)"}"#, #"{"role":"reader","object":"me"}"#,
                    #"{"role":"reader","object":"\#(Self.oid)","group":"\#(Self.oid)"}"#,
                    #"{"role":"reader","object":"\#(Self.oid)","tenant":"contoso"}"#,
                    #"{"role":"reader","object":"\#(Self.oid)","prefix":"a"}"#,
                    #"{"role":"reader","object":"\#(Self.oid)","container":"B"}"#,
                    #"{"role":"reader","object":"\#(Self.oid)","container":"box","prefix":""}"#,
                    #"{"role":"reader","object":"\#(Self.oid)","scope":"/"}"#,
                ]
            ),
        ]
        for (method, uri, bodies) in rows {
            for body in bodies { #expect(await fixture.code(method, uri, body) == "400 InvalidInput", "\(body)") }
        }
        let deep = String(repeating: "[", count: 20_000) + String(repeating: "]", count: 20_000)
        #expect(await fixture.code(.POST, "/accounts", deep) == "400 InvalidInput")
        #expect(text(await fixture.ask(.GET, "/accounts/harbor")) == before)
        #expect(fixture.store.names.count == 1)
    }

    @Test("a body has its bound, whatever its framing", arguments: [false, true])
    func bounded(isChunked: Bool) async throws {
        let fixture = try await AdminFixture()
        let fitting = #"{"name":"harbor"}"#.padded(to: AccessOperations.maximumBody)
        #expect(await fixture.ask(.POST, "/accounts", fitting + " ", isChunked: isChunked).status == .payloadTooLarge)
        #expect(fixture.store.names.isEmpty)
        #expect(await fixture.ask(.POST, "/accounts", fitting, isChunked: isChunked).status == .created)
    }

    @Test("what is not possible has a code") func refusals() async throws {
        let full = try await AdminFixture(configured: [configured()], isEmpty: false)
        _ = await full.ask(.POST, "/accounts", #"{"name":"harbor"}"#)
        let rows: [(HTTPMethod, String, String, String)] = [
            (.POST, "/accounts", #"{"name":"harbor"}"#, "409 AccountAlreadyExists"),
            (.POST, "/accounts", #"{"name":"quarry"}"#, "409 AccountAlreadyExists"),
            (.DELETE, "/accounts/harbor", "", "409 AccountNotEmpty"),
            (.DELETE, "/accounts/quarry", "", "409 AccountIsConfigured"),
            (.GET, "/accounts/quarry/keys", "", "409 AccountIsConfigured"),
            (.POST, "/accounts/quarry/keys/1/rotate", "", "409 AccountIsConfigured"),
            (.GET, "/accounts/nowhere", "", "404 AccountNotFound"),
            (.PATCH, "/accounts/nowhere", "{}", "404 AccountNotFound"),
            (.DELETE, "/accounts/nowhere", "", "404 AccountNotFound"),
            (.GET, "/accounts/nowhere/keys", "", "404 AccountNotFound"),
            (.GET, "/accounts/nowhere/roles", "", "404 AccountNotFound"),
            (.POST, "/accounts/nowhere/keys/1/rotate", "", "404 AccountNotFound"),
            (.POST, "/accounts/nowhere/revoke-delegation-keys", "", "404 AccountNotFound"),
            (.POST, "/accounts/nowhere/roles", #"{"role":"reader","group":"\#(Self.oid)"}"#, "404 AccountNotFound"),
            (.DELETE, "/accounts/nowhere/roles/\(Self.oid)", "", "404 AccountNotFound"),
            (.GET, "/nowhere", "", "404 NotFound"),
        ]
        for (method, uri, body, expected) in rows {
            #expect(await full.code(method, uri, body) == expected, "\(method) \(uri)")
        }
    }

    @Test("a store that fails costs one clear answer, and the cause goes to the log")
    func storeFailures() async throws {
        let rows: [(StorageFailure.Code, String, String?)] = [
            (.unavailable, "503 OutcomeUnknown", "5"), (.readOnly, "503 NotWritable", "5"),
            (.outOfSpace, "503 NotWritable", "5"), (.busy(retryAfterSeconds: 3), "503 Busy", "3"),
            (.damaged, "500 InternalError", nil), (.internal, "500 InternalError", nil),
        ]
        for (code, expected, retryAfter) in rows {
            let fixture = try await AdminFixture()
            fixture.metadata.failCall(1, .before, with: StorageFailure(code, cause: "disk 7 is sick"))
            let response = await fixture.ask(.POST, "/accounts", #"{"name":"harbor"}"#)
            #expect(response.headers.first(name: "Retry-After") == retryAfter)
            #expect(!text(response).contains("disk 7 is sick"))
            #expect(fixture.log.text.contains("disk 7 is sick"))
            fixture.metadata.failCall(1, .before, with: StorageFailure(code))
            #expect(await fixture.code(.POST, "/accounts", #"{"name":"harbor"}"#) == expected)
        }
    }

    /// The keys and the token are looked for in everything that was logged and in what the types print.
    @Test("neither keys nor token are logged or printed") func secrets() async throws {
        let fixture = try await AdminFixture()
        var shown: [String] = []
        _ = await fixture.ask(.POST, "/accounts", #"{"name":"harbor","keys":["\#(Self.key)"]}"#)
        _ = await fixture.ask(.POST, "/accounts", #"{"name":"harbor","keys":["\#(Self.key)"],"x":1}"#)
        _ = await fixture.ask(.POST, "/accounts/harbor/keys/2/rotate?key=\(Self.key)")
        _ = await fixture.ask(.GET, "/accounts/harbor/keys")
        _ = await fixture.ask(.GET, "/accounts/harbor/keys", authorization: "Bearer \(AdminFixture.token)x")
        fixture.metadata.failCall(1, .after)
        _ = await fixture.ask(.POST, "/accounts/harbor/keys/1/rotate")
        fixture.metadata.reset()
        let name = try AccountName(validating: "harbor")
        let keys = try await fixture.store.revealKeys(of: name)
        shown.append("\(keys) \(try #require(fixture.store[name])) \(fixture.store) \(fixture.service)")
        shown.append(fixture.log.text)
        for body in [#"{"name":"other","keys":["\#(Self.key)!"]}"#, #"{"\#(Self.key)":1,"name":"other"}"#] {
            shown.append(text(await fixture.ask(.POST, "/accounts", body)))
        }
        #expect(fixture.log.count >= 5)
        let secrets = keys.map { Base64.encode($0.bytes) } + [Self.key, AdminFixture.token]
        for secret in secrets.dropLast() {
            for text in shown { #expect(!text.contains(secret), "a key in \(text)") }
        }
        for text in shown { #expect(!text.contains(AdminFixture.token), "the token in \(text)") }
        for key in keys { for text in shown { #expect(!text.contains("\(key.bytes.prefix(8))".dropLast())) } }
    }
}

extension String {
    fileprivate func padded(to count: Int) -> String { self + String(repeating: " ", count: count - utf8.count) }
}
