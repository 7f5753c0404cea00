import Access
import NIOHTTP1
import StorageModel
import Testing

@testable import AzureBlob

/// Operation × credential × permission × scope: what each credential opens, as the service's documentation has it.
/// The needs are written here once more, by hand, from the permission tables, and not taken from the code.
@Suite struct AuthorizationTableTests {
    struct Row: Sendable, CustomStringConvertible {
        var description: String
        var method: HTTPMethod
        var target: String
        var headers: [(String, String)] = []
        var body: String?
        var success: Int
        /// The letters of an account SAS of which one is enough; empty: none is.
        var account: String
        /// The resource types of which an account SAS needs one.
        var types: String
        /// The same for a container SAS; `nil`: no service SAS at all.
        var container: String?
        /// The same for a blob SAS.
        var blob: String?
        /// The roles that allow it: r(eader), c(ontributor), o(wner), d(elegator).
        var roles: String
    }

    static let letters = "racwdxyltfmeopiu"
    private static let put = [("x-ms-blob-type", "BlockBlob")]
    private static let source = "http://127.0.0.1:10000/devaccount/box/a"

    static let rows: [Row] = [
        // Service
        Row(
            description: "List Containers", method: .GET, target: "/?comp=list", success: 200, account: "l",
            types: "s", roles: "rco"),
        Row(
            description: "Get Service Properties", method: .GET, target: "/?restype=service&comp=properties",
            success: 200, account: "r", types: "s", roles: ""),
        Row(
            description: "Set Service Properties", method: .PUT, target: "/?restype=service&comp=properties",
            body: "<StorageServiceProperties/>", success: 202, account: "w", types: "s", roles: ""),
        Row(
            // Let in, and then told that only the secondary endpoint has them.
            description: "Get Service Stats", method: .GET, target: "/?restype=service&comp=stats", success: 400,
            account: "r", types: "s", roles: ""),
        Row(
            description: "Get Account Information", method: .GET, target: "/?restype=account&comp=properties",
            success: 200, account: letters, types: "sco", roles: "rco"),
        Row(
            description: "Find Blobs by Tags", method: .GET, target: "/?comp=blobs&where=a%3D%27b%27", success: 200,
            account: "f", types: "so", roles: "o"),
        // Container
        Row(
            description: "Create Container", method: .PUT, target: "/new?restype=container", success: 201,
            account: "cw", types: "c", roles: "co"),
        Row(
            description: "Delete Container", method: .DELETE, target: "/box?restype=container", success: 202,
            account: "d", types: "c", roles: "co"),
        Row(
            description: "Get Container Properties", method: .GET, target: "/box?restype=container", success: 200,
            account: "r", types: "c", roles: "rco"),
        Row(
            description: "Get Container Metadata", method: .HEAD, target: "/box?restype=container&comp=metadata",
            success: 200, account: "r", types: "c", roles: "rco"),
        Row(
            description: "Set Container Metadata", method: .PUT, target: "/box?restype=container&comp=metadata",
            success: 200, account: "w", types: "c", roles: "co"),
        Row(
            description: "Get Container ACL", method: .GET, target: "/box?restype=container&comp=acl", success: 200,
            account: "", types: "", roles: "o"),
        Row(
            description: "Set Container ACL", method: .PUT, target: "/box?restype=container&comp=acl", success: 200,
            account: "", types: "", roles: "o"),
        Row(
            description: "Acquire Container Lease", method: .PUT, target: "/box?restype=container&comp=lease",
            headers: [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1")], success: 201, account: "w",
            types: "c", roles: "co"),
        Row(
            description: "Break Container Lease", method: .PUT, target: "/leased?restype=container&comp=lease",
            headers: [("x-ms-lease-action", "break")], success: 202, account: "wd", types: "c", roles: "co"),
        Row(
            description: "List Blobs", method: .GET, target: "/box?restype=container&comp=list", success: 200,
            account: "l", types: "c", container: "l", roles: "rco"),
        Row(
            description: "Find in Container", method: .GET,
            target: "/box?restype=container&comp=blobs&where=a%3D%27b%27", success: 200, account: "f", types: "c",
            container: "f", roles: "o"),
        Row(
            description: "Container: Account Information", method: .GET,
            target: "/box?restype=account&comp=properties", success: 200, account: letters, types: "sco",
            container: letters, roles: "rco"),
        // Blob
        Row(
            description: "Get Blob", method: .GET, target: "/box/a", success: 200, account: "r", types: "o",
            container: "r", blob: "r", roles: "rco"),
        Row(
            description: "Get Blob Properties", method: .HEAD, target: "/box/a", success: 200, account: "r",
            types: "o", container: "r", blob: "r", roles: "rco"),
        Row(
            description: "Get Blob Metadata", method: .GET, target: "/box/a?comp=metadata", success: 200,
            account: "r", types: "o", container: "r", blob: "r", roles: "rco"),
        Row(
            description: "Get Block List", method: .GET, target: "/box/a?comp=blocklist", success: 200,
            account: "r", types: "o", container: "r", blob: "r", roles: "rco"),
        Row(
            description: "Put Blob, new", method: .PUT, target: "/box/b", headers: put, body: "x", success: 201,
            account: "cw", types: "o", container: "cw", roles: "co"),
        Row(
            description: "Put Blob, existing", method: .PUT, target: "/box/a", headers: put, body: "x", success: 201,
            account: "w", types: "o", container: "w", blob: "w", roles: "co"),
        Row(
            description: "Put Block", method: .PUT, target: "/box/a?comp=block&blockid=AAAA", body: "x", success: 201,
            account: "w", types: "o", container: "w", blob: "w", roles: "co"),
        Row(
            description: "Put Block List", method: .PUT, target: "/box/a?comp=blocklist", body: "<BlockList/>",
            success: 201, account: "w", types: "o", container: "w", blob: "w", roles: "co"),
        Row(
            description: "Put Block From URL", method: .PUT, target: "/box/a?comp=block&blockid=AAAA",
            headers: [("x-ms-copy-source", "http://127.0.0.1:10000/openaccount/open/a")], success: 201, account: "w",
            types: "o", container: "w", blob: "w", roles: "co"),
        Row(
            description: "Copy Blob, new", method: .PUT, target: "/box/b",
            headers: [("x-ms-copy-source", "http://127.0.0.1:10000/openaccount/open/a")], success: 202,
            account: "cw", types: "o", container: "cw", roles: "co"),
        Row(
            description: "Copy Blob, existing", method: .PUT, target: "/box/a",
            headers: [("x-ms-copy-source", "http://127.0.0.1:10000/openaccount/open/a")], success: 202,
            account: "w", types: "o", container: "w", blob: "w", roles: "co"),
        Row(
            description: "Put Blob From URL, existing", method: .PUT, target: "/box/a",
            headers: put + [("x-ms-copy-source", "http://127.0.0.1:10000/openaccount/open/a")], success: 201,
            account: "w", types: "o", container: "w", blob: "w", roles: "co"),
        Row(
            description: "Set Blob Properties", method: .PUT, target: "/box/a?comp=properties", success: 200,
            account: "w", types: "o", container: "w", blob: "w", roles: "co"),
        Row(
            description: "Set Blob Metadata", method: .PUT, target: "/box/a?comp=metadata", success: 200,
            account: "w", types: "o", container: "w", blob: "w", roles: "co"),
        Row(
            description: "Set Blob Tier", method: .PUT, target: "/box/a?comp=tier",
            headers: [("x-ms-access-tier", "Cool")], success: 200, account: "w", types: "o", container: "w",
            blob: "w", roles: "co"),
        Row(
            description: "Get Blob Tags", method: .GET, target: "/box/a?comp=tags", success: 200, account: "t",
            types: "o", container: "t", blob: "t", roles: "o"),
        Row(
            description: "Set Blob Tags", method: .PUT, target: "/box/a?comp=tags",
            body: "<Tags><TagSet/></Tags>", success: 204, account: "t", types: "o", container: "t", blob: "t",
            roles: "o"),
        Row(
            description: "Delete Blob", method: .DELETE, target: "/box/a", success: 202, account: "d", types: "o",
            container: "d", blob: "d", roles: "co"),
        Row(
            description: "Acquire Lease", method: .PUT, target: "/box/a?comp=lease",
            headers: [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1")], success: 201, account: "w",
            types: "o", container: "w", blob: "w", roles: "co"),
        Row(
            description: "Break Lease", method: .PUT, target: "/box/leased?comp=lease",
            headers: [("x-ms-lease-action", "break")], success: 202, account: "wd", types: "o", container: "wd",
            roles: "co"),
        Row(
            description: "Blob: Account Information", method: .GET, target: "/box/a?restype=account&comp=properties",
            success: 200, account: letters, types: "sco", container: letters, blob: letters, roles: "rco"),
    ]

    /// `box` with `a` and the leased `leased`, the leased container `leased`, and a public blob in another account.
    static func fixture() async throws -> Fixture {
        let fixture = try await Fixture.withContainer()
        let lease = [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1")]
        var statuses = [
            await fixture.put("a", "0123").status, await fixture.put("leased", "0123").status,
            await fixture.send(.PUT, "/box/leased?comp=lease", lease).status,
            await fixture.send(.PUT, "/leased?restype=container").status,
            await fixture.send(.PUT, "/leased?restype=container&comp=lease", lease).status,
        ]
        let access = [("x-ms-blob-public-access", "blob")]
        statuses.append(await fixture.send(.PUT, "/open?restype=container", access, via: .open).status)
        statuses.append(
            await fixture.send(.PUT, "/open/a", put, body: Array("0123".utf8), via: .open).status)
        #expect(statuses == [201, 201, 201, 201, 201, 201, 201])
        return fixture
    }

    static func ask(_ row: Row, _ fixture: Fixture, _ signature: SignatureMaker) async throws -> Reply {
        await fixture.send(
            row.method, row.target, signature: try signature.query(), row.headers, body: row.body.map { Array($0.utf8) }
        )
    }

    static func expect(_ reply: Reply, _ row: Row, _ credential: String, refusedAs code: String?) {
        if let code {
            #expect(
                reply.status == 403 && reply.error == code, "\(row) with \(credential): \(reply.status) \(reply.text)")
        } else {
            #expect(reply.status == row.success, "\(row) with \(credential): \(reply.status) \(reply.text)")
        }
    }

    @Test(arguments: rows) func accountSignatures(row: Row) async throws {
        for letter in Self.letters {
            let fixture = try await Self.fixture()
            let reply = try await Self.ask(row, fixture, .account(fixture, String(letter)))
            var code = row.account.isEmpty ? "AuthorizationFailure" : "AuthorizationPermissionMismatch"
            if row.description.hasSuffix("existing"), letter == "c" { code = "UnauthorizedBlobOverwrite" }
            Self.expect(reply, row, "account SAS \(letter)", refusedAs: row.account.contains(letter) ? nil : code)
        }
        guard let letter = row.account.first else { return }
        for type in ["s", "c", "o"] {
            let fixture = try await Self.fixture()
            let reply = try await Self.ask(row, fixture, .account(fixture, String(letter), types: type))
            Self.expect(
                reply, row, "account SAS for \(type)",
                refusedAs: row.types.contains(type) ? nil : "AuthorizationResourceTypeMismatch")
        }
    }

    @Test(arguments: rows) func containerSignatures(row: Row) async throws {
        let names = row.target.prefix { $0 != "?" }.split(separator: "/")
        for letter in Self.letters {
            let fixture = try await Self.fixture()
            let signed = names.first.map(String.init) ?? "box"
            let reply = try await Self.ask(row, fixture, .container(fixture, String(letter), signed))
            var code: String?
            if names.isEmpty {
                code = "AuthenticationFailed"
            } else if let letters = row.container {
                if !letters.contains(letter) { code = "AuthorizationPermissionMismatch" }
                if row.description.hasSuffix("existing"), letter == "c" { code = "UnauthorizedBlobOverwrite" }
            } else if row.description == "Break Container Lease" {
                // The one operation on a container itself that its signature allows.
                if !"wd".contains(letter) { code = "AuthorizationPermissionMismatch" }
            } else {
                code = "AuthorizationFailure"
            }
            Self.expect(reply, row, "container SAS \(letter)", refusedAs: code)
        }
        // A signature is for its own container.
        let fixture = try await Self.fixture()
        let reply = try await Self.ask(row, fixture, .container(fixture, "racwdltf", "other"))
        Self.expect(reply, row, "container SAS of another container", refusedAs: "AuthenticationFailed")
    }

    @Test(arguments: rows) func blobSignatures(row: Row) async throws {
        for letter in Self.letters {
            let fixture = try await Self.fixture()
            let reply = try await Self.ask(row, fixture, .blob(fixture, String(letter)))
            var code: String?
            if let letters = row.blob {
                if !letters.contains(letter) { code = "AuthorizationPermissionMismatch" }
                if row.description.hasSuffix("existing"), letter == "c" { code = "UnauthorizedBlobOverwrite" }
            } else {
                // About something else than the signed blob: the signature does not match.
                code = "AuthenticationFailed"
            }
            Self.expect(reply, row, "blob SAS \(letter)", refusedAs: code)
        }
    }

    @Test(arguments: rows) func keys(row: Row) async throws {
        let fixture = try await Self.fixture()
        let body = row.body.map { Array($0.utf8) }
        let reply = await fixture.send(row.method, row.target, row.headers, body: body)
        Self.expect(reply, row, "key", refusedAs: nil)
        let nobody = await fixture.send(row.method, row.target, row.headers, body: body, signing: .none)
        // This account permits no public access: for what public access could open, the service says so.
        #expect([401, 409].contains(nobody.status), "\(row) with nothing: \(nobody.status)")
    }

    private static let roles: [(letter: Character, role: Role)] = [
        ("r", .reader), ("c", .contributor), ("o", .owner), ("d", .delegator),
    ]

    @Test(arguments: rows) func roles(row: Row) async throws {
        let body = row.body.map { Array($0.utf8) }
        for (letter, role) in Self.roles {
            let fixture = try await Self.fixture()
            try await fixture.assign(role)
            let reply = try await fixture.send(row.method, row.target, token: TestToken(), row.headers, body: body)
            Self.expect(
                reply, row, role.rawValue,
                refusedAs: row.roles.contains(letter) ? nil : "AuthorizationPermissionMismatch")
        }
        let fixture = try await Self.fixture()
        let reply = try await fixture.send(row.method, row.target, token: TestToken(), row.headers, body: body)
        Self.expect(reply, row, "a token without a role", refusedAs: "AuthorizationPermissionMismatch")
    }

    /// The same role at a container and at a prefix.
    @Test(arguments: rows) func roleScopes(row: Row) async throws {
        guard let best = row.roles.last, let role = Self.roles.first(where: { $0.letter == best })?.role else { return }
        let names = row.target.prefix { $0 != "?" }.split(separator: "/").map(String.init)
        let scopes: [(RoleAssignment.Scope, Bool)] = [
            (.container(try ContainerName(validating: names.first ?? "box")), !names.isEmpty),
            (.container(try ContainerName(validating: "other")), false),
            (
                .prefix(try ContainerName(validating: names.first ?? "box"), names.count > 1 ? names[1] : "a"),
                names.count > 1
            ),
            (.prefix(try ContainerName(validating: names.first ?? "box"), "zzz"), false),
        ]
        for (scope, allowed) in scopes {
            let fixture = try await Self.fixture()
            try await fixture.assign(role, scope: scope)
            let reply = try await fixture.send(
                row.method, row.target, token: TestToken(), row.headers, body: row.body.map { Array($0.utf8) })
            Self.expect(
                reply, row, "\(role.rawValue) at \(scope)",
                refusedAs: allowed ? nil : "AuthorizationPermissionMismatch")
        }
    }

    /// A user delegation SAS allows what both its letters and its principal's roles allow.
    @Test(arguments: rows) func userDelegationSignatures(row: Row) async throws {
        let names = row.target.prefix { $0 != "?" }.split(separator: "/").map(String.init)
        guard let letters = row.container, let letter = letters.first, let container = names.first else { return }
        for (roleLetter, role) in Self.roles {
            let fixture = try await Self.fixture()
            try await fixture.assign(role)
            let key = try await DelegationKey.fetch(fixture)
            let good = try key.query(fixture, String(letter), container: container)
            let reply = await fixture.send(
                row.method, row.target, signature: good, row.headers, body: row.body.map { Array($0.utf8) })
            let isAllowed = row.roles.contains(roleLetter)
            let overwrites = row.description.hasSuffix("existing") && letter == "c" && isAllowed
            Self.expect(
                reply, row, "delegation SAS \(letter) of \(role.rawValue)",
                refusedAs: isAllowed
                    ? (overwrites ? "UnauthorizedBlobOverwrite" : nil) : "AuthorizationPermissionMismatch")
            // The principal's role is no help where the letters do not reach.
            guard letters.count < 3 else { continue }
            let bad = try key.query(fixture, letters.contains("r") ? "l" : "r", container: container)
            let refused = await fixture.send(
                row.method, row.target, signature: bad, row.headers, body: row.body.map { Array($0.utf8) })
            Self.expect(
                refused, row, "delegation SAS without \(letters)", refusedAs: "AuthorizationPermissionMismatch")
        }
    }

    /// What is not committed, and tags, are not shown to the public, however `include` is written.
    @Test func publicListings() async throws {
        let fixture = try await Self.fixture()
        let access = [("x-ms-blob-public-access", "container")]
        #expect(await fixture.send(.PUT, "/wide?restype=container", access, via: .open).status == 201)
        let rows = [
            ("", 200), ("&include=metadata,copy", 200), ("&include=tags", 401), ("&include=metadata&include=tags", 401),
            ("&include=&include=uncommittedblobs", 401), ("&include=%20uncommittedblobs", 401),
            ("&INCLUDE=UncommittedBlobs", 401),
        ]
        for (query, status) in rows {
            let reply = await fixture.send(
                .GET, "/wide?restype=container&comp=list" + query, signing: .none, via: .open)
            #expect(reply.status == status, "\(query): \(reply.text)")
        }
    }

    /// Tags take a permission of their own, in every way in which they are read or written along.
    @Test func tagsAlongside() async throws {
        let rows: [(HTTPMethod, String, [(String, String)], String, Int)] = [
            (.PUT, "/box/a", Self.put + [("x-ms-tags", "k=v")], "w", 201),
            // Let in, and then the condition is not met.
            (.GET, "/box/a", [("x-ms-if-tags", "\"k\" = 'v'")], "r", 412),
            (.GET, "/box?restype=container&comp=list&include=tags", [], "l", 200),
            (.DELETE, "/box/a", [("x-ms-if-tags", "\"k\" = 'v'")], "d", 412),
            // However `include` is written.
            (.GET, "/box?restype=container&comp=list&include=metadata&include=tags", [], "l", 200),
            (.GET, "/box?restype=container&comp=list&include=&include=%20TAGS", [], "l", 200),
            (.GET, "/box?restype=container&comp=list&include=copy,%20tags", [], "l", 200),
            // Tags of the source: taken along, or asked for by a condition.
            (
                .PUT, "/box/b",
                [
                    ("x-ms-copy-source", "http://127.0.0.1:10000/devaccount/box/a"),
                    ("x-ms-copy-source-tag-option", "COPY"), ("x-ms-requires-sync", "true"),
                ], "rw", 202
            ),
            (
                .PUT, "/box/b",
                [
                    ("x-ms-copy-source", "http://127.0.0.1:10000/devaccount/box/a"),
                    ("x-ms-source-if-tags", "\"k\" = 'v'"),
                ], "rw", 412
            ),
            (
                .PUT, "/box/b?comp=block&blockid=AAAA",
                [
                    ("x-ms-copy-source", "http://127.0.0.1:10000/devaccount/box/a"),
                    ("x-ms-source-if-tags", "\"k\" = 'v'"),
                ], "rw", 412
            ),
        ]
        for (method, target, headers, letter, success) in rows {
            let body: [UInt8]? =
                method == .PUT ? (headers.contains { $0.0 == "x-ms-copy-source" } ? [] : [1]) : nil
            for suffix in ["", "t"] {
                let fixture = try await Self.fixture()
                let signature = try SignatureMaker.container(fixture, letter + suffix).query()
                let reply = await fixture.send(method, target, signature: signature, headers, body: body)
                #expect(
                    reply.status == (suffix.isEmpty ? 403 : success),
                    "\(method) \(target) \(letter)\(suffix): \(reply.text)")
            }
        }
    }
}
