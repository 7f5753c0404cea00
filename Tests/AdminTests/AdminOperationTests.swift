import HTTPExchange
import NIOHTTP1
import StorageModel
import Testing

@testable import Admin

@Suite("Routing of the admin endpoint") struct AdminOperationTests {
    private static let id = "0a0b0c0d-1111-2222-3333-444444444444"

    private func name() throws -> AccountName { try AccountName(validating: "harbor") }

    @Test("knows each operation by method and path") func operations() throws {
        let harbor = try name()
        let rows: [(HTTPMethod, String, AdminOperation)] = [
            (.GET, "/healthz/live", .live), (.GET, "/healthz/ready", .ready), (.GET, "/metrics", .metrics),
            (.GET, "/status", .status), (.GET, "/accounts", .listAccounts), (.POST, "/accounts", .createAccount),
            (.GET, "/accounts/harbor", .showAccount(harbor)), (.PATCH, "/accounts/harbor", .changeAccount(harbor)),
            (.DELETE, "/accounts/harbor", .deleteAccount(harbor)), (.GET, "/accounts/harbor/keys", .showKeys(harbor)),
            (.POST, "/accounts/harbor/keys/1/rotate", .rotateKey(harbor, 1)),
            (.POST, "/accounts/harbor/keys/2/rotate", .rotateKey(harbor, 2)),
            (.POST, "/accounts/harbor/revoke-delegation-keys", .revokeDelegationKeys(harbor)),
            (.GET, "/accounts/harbor/roles", .listRoles(harbor)),
            (.POST, "/accounts/harbor/roles", .assignRole(harbor)),
            (.DELETE, "/accounts/harbor/roles/\(Self.id)", .removeRole(harbor, id: Self.id)),
            (.DELETE, "/accounts/harbor/roles/\(Self.id.uppercased())", .removeRole(harbor, id: Self.id)),
        ]
        for (method, uri, expected) in rows {
            #expect(try AdminOperation(method, uri: uri) == expected)
            #expect(try AdminOperation(method, uri: uri + "?x=/y") == expected)
            if method == .GET { #expect(try AdminOperation(.HEAD, uri: uri) == expected) }
        }
        #expect(Set(rows.map(\.2.name)).count == rows.count - 2, "each has a name of its own")
    }

    @Test(
        "knows nothing else",
        arguments: [
            "/", "", "*", "/healthz", "/healthz/", "/metrics/", "//metrics", "/METRICS", "metrics", "/accounts/",
            "/accounts/Harbor", "/accounts/ab", "/accounts/harbor/", "/accounts/harbor/key", "/accounts/harbor/keys/",
            "/accounts/harbor/keys/1", "/accounts/harbor/keys/0/rotate", "/accounts/harbor/keys/3/rotate",
            "/accounts/harbor/keys/01/rotate", "/accounts/harbor/keys/1/rotate/", "/accounts/harbor/roles/",
            "/accounts/harbor/roles/1", "/accounts/harbor/roles/\(id)/x", "/accounts/%68arbor", "/accounts//roles",
            "http://host/metrics",
        ])
    func nothingElse(uri: String) {
        for method in [HTTPMethod.GET, .POST, .DELETE] {
            #expect(throws: AdminOperation.Unroutable.notFound) { try AdminOperation(method, uri: uri) }
        }
    }

    @Test(
        "says which methods there are",
        arguments: [
            ("/status", [HTTPMethod.POST, .PUT, .DELETE, .PATCH, .OPTIONS], [HTTPMethod.GET, .HEAD]),
            ("/accounts", [.PUT, .DELETE, .PATCH], [.GET, .HEAD, .POST]),
            ("/accounts/harbor", [.PUT, .POST], [.GET, .HEAD, .PATCH, .DELETE]),
            ("/accounts/harbor/keys", [.PUT, .POST, .DELETE], [.GET, .HEAD]),
            ("/accounts/harbor/keys/1/rotate", [.GET, .HEAD, .PUT], [.POST]),
            ("/accounts/harbor/roles/\(id)", [.GET, .PUT, .POST], [.DELETE]),
        ])
    func methods(uri: String, refused: [HTTPMethod], allowed: [HTTPMethod]) async throws {
        for method in refused {
            #expect(throws: AdminOperation.Unroutable.methodNotAllowed(allowed: allowed)) {
                try AdminOperation(method, uri: uri)
            }
            let response = try await AdminFixture().ask(method, uri)
            #expect(response.status == .methodNotAllowed)
            #expect(response.headers["Allow"] == [allowed.map(\.rawValue).joined(separator: ", ")])
        }
    }
}
