import Access
import StorageModel
import Testing

@Suite struct AccessTests {
    static func name(_ text: String) throws -> AccountName { try AccountName(validating: text) }
    static func blob(_ text: String) throws -> BlobName { try BlobName(validating: text) }

    static let oid = "00000000-0000-0000-0000-0000000000aa"
    static let tid = "00000000-0000-0000-0000-0000000000bb"

    static func request(
        _ resource: Resource = .account, _ permissions: Permissions = .readBlobs, publicLevel: PublicAccess? = nil
    ) -> AccessRequest {
        AccessRequest(
            resource: resource, permissions: permissions,
            delegated: DelegatedNeed(oneOf: .read, resourceTypes: .object, serviceSignatures: .any),
            publicLevel: publicLevel)
    }

    /// A key opens its own account to everything and another account to nothing.
    @Test func keys() throws {
        let (own, other) = (try Self.name("own"), try Self.name("other"))
        let account = Account(name: own, keys: [[1], [2]])
        for (permission, _) in Permissions.names {
            for number in [1, 2] {
                let principal = Principal.accountKey(own, number: number)
                let grant = try Access.decide(principal, Self.request(.account, permission), account: account)
                #expect(grant.principal == principal && !grant.createsOnly && grant.assignments.isEmpty)
            }
            #expect(throws: Access.Refusal.wrongAccount) {
                try Access.decide(
                    .accountKey(other, number: 1), Self.request(.account, permission), account: account)
            }
        }
    }

    @Test func anonymous() throws {
        let name = try Self.name("own")
        let rows: [(wanted: PublicAccess?, level: PublicAccess?, allowed: Bool)] = [
            (.blob, nil, false), (.blob, .blob, true), (.blob, .container, true), (.container, nil, false),
            (.container, .blob, false), (.container, .container, true), (nil, nil, false), (nil, .blob, false),
            (nil, .container, false),
        ]
        let open = Account(name: name, keys: [], switches: AccountSwitches(allowsPublicAccess: true))
        let shut = Account(name: name, keys: [])
        for row in rows {
            let request = Self.request(publicLevel: row.wanted)
            if row.allowed {
                let grant = try Access.decide(.anonymous, request, account: open, publicAccess: row.level)
                #expect(grant.principal == .anonymous)
            } else {
                #expect(throws: Access.Refusal.credentialRequired) {
                    try Access.decide(.anonymous, request, account: open, publicAccess: row.level)
                }
            }
            // Whatever a container says, the account has the last word; it is the default to refuse.
            #expect(throws: Access.Refusal.publicAccessDisabled) {
                try Access.decide(.anonymous, request, account: shut, publicAccess: row.level)
            }
        }
    }

    @Test func roleScopes() throws {
        let (box, other) = (try ContainerName(validating: "box"), try ContainerName(validating: "other"))
        let resources: [(String, Resource)] = [
            ("account", .account), ("box", .container(box)), ("other", .container(other)),
            ("box/a/1", .blob(box, try Self.blob("a/1"))), ("box/b/1", .blob(box, try Self.blob("b/1"))),
            ("box/ab", .blob(box, try Self.blob("ab"))), ("list box", .names(box, prefix: "")),
            ("list a/", .names(box, prefix: "a/")), ("list a/x", .names(box, prefix: "a/x")),
            ("list a", .names(box, prefix: "a")),
        ]
        let rows: [(RoleAssignment.Scope, Set<String>)] = [
            (.account, Set(resources.map(\.0))),
            (.container(box), ["box", "box/a/1", "box/b/1", "box/ab", "list box", "list a/", "list a/x", "list a"]),
            (.container(other), ["other"]), (.prefix(box, "a/"), ["box/a/1", "list a/", "list a/x"]),
            (.prefix(other, "a/"), []),
        ]
        for (scope, allowed) in rows {
            let account = try Self.account([
                RoleAssignment(id: "1", role: .reader, assignee: .object(Self.oid), scope: scope)
            ])
            let principal = Principal.identity(Identity(tenantID: Self.tid, objectID: Self.oid))
            for (label, resource) in resources {
                let grant = Result { () throws(Access.Refusal) in
                    try Access.decide(principal, Self.request(resource), account: account)
                }
                if allowed.contains(label) {
                    #expect(try grant.get().assignments.map(\.id) == ["1"], "\(scope) \(label)")
                } else {
                    #expect(throws: Access.Refusal.permissionMissing, "\(scope) \(label)") { try grant.get() }
                }
            }
        }
    }

    static func account(_ assignments: [RoleAssignment]) throws -> Account {
        Account(name: try name("own"), keys: [], roles: RoleTable(assignments))
    }

    @Test func assignees() throws {
        let user = Identity(tenantID: Self.tid, objectID: Self.oid, applicationID: "app", groups: ["g1", "g2"])
        let rows: [(RoleAssignment.Assignee, tenant: String?, Bool)] = [
            (.object(Self.oid), nil, true), (.object(Self.oid), Self.tid, true), (.object(Self.oid), "else", false),
            (.object("app"), nil, false), (.application("app"), nil, true), (.application(Self.oid), nil, false),
            (.group("g2"), nil, true), (.group("g3"), nil, false),
        ]
        for (assignee, tenant, allowed) in rows {
            let account = try Self.account([
                RoleAssignment(id: "1", role: .reader, assignee: assignee, tenant: tenant, scope: .account)
            ])
            let grant = Result { () throws(Access.Refusal) in
                try Access.decide(.identity(user), Self.request(), account: account)
            }
            #expect(((try? grant.get()) != nil) == allowed, "\(assignee) \(tenant ?? "")")
        }
        // Two roles may add up to what one request needs.
        let account = try Self.account([
            RoleAssignment(id: "1", role: .reader, assignee: .object(Self.oid), scope: .account),
            RoleAssignment(id: "2", role: .owner, assignee: .group("g1"), scope: .account),
        ])
        let both = try Access.decide(
            .identity(user), Self.request(.account, [.readBlobs, .writeTags]), account: account)
        #expect(both.assignments.map(\.id) == ["1", "2"])
        #expect(throws: Access.Refusal.permissionMissing) {
            try Access.decide(.identity(user), Self.request(.account, .writeServiceProperties), account: account)
        }
    }

    /// A batch wants nothing, because its parts ask for themselves; but it is not for those without any role here.
    @Test func whatWantsNothing() throws {
        let (box, other) = (try ContainerName(validating: "box"), try ContainerName(validating: "other"))
        let user = Identity(tenantID: Self.tid, objectID: Self.oid, applicationID: "app", groups: ["g1", "g2"])
        let rows: [(RoleAssignment.Assignee, tenant: String?, RoleAssignment.Scope, Bool)] = [
            (.object(Self.oid), nil, .account, true), (.object(Self.oid), nil, .container(other), true),
            (.object(Self.oid), nil, .prefix(other, "a/"), true), (.object(Self.oid), Self.tid, .account, true),
            (.object(Self.oid), "else", .account, false), (.object("stranger"), nil, .account, false),
            (.application("app"), nil, .account, true), (.application("other"), nil, .account, false),
            (.group("g2"), nil, .account, true), (.group("g3"), nil, .account, false),
        ]
        let batch = AccessRequest(
            resource: .container(box), permissions: [],
            delegated: DelegatedNeed(
                oneOf: .any, resourceTypes: [.service, .container, .object], serviceSignatures: .container))
        for (assignee, tenant, scope, allowed) in rows {
            let account = try Self.account([
                RoleAssignment(id: "1", role: .reader, assignee: assignee, tenant: tenant, scope: scope),
                RoleAssignment(id: "2", role: .reader, assignee: .object("somebody"), scope: .account),
            ])
            let delegation = Delegation(
                account: account.name, signer: .identity(user), permissions: .read, reach: .container(box))
            for principal in [Principal.identity(user), .delegated(delegation)] {
                let grant = Result { () throws(Access.Refusal) in
                    try Access.decide(principal, batch, account: account)
                }
                if allowed {
                    #expect(try grant.get().assignments.map(\.id) == ["1"], "\(assignee) \(scope)")
                } else {
                    #expect(throws: Access.Refusal.permissionMissing, "\(assignee) \(scope)") { try grant.get() }
                }
            }
        }
        #expect(throws: Access.Refusal.permissionMissing) {
            try Access.decide(.identity(user), batch, account: try Self.account([]))
        }
    }

    @Test func signatures() throws {
        let name = try Self.name("own")
        let (box, other) = (try ContainerName(validating: "box"), try ContainerName(validating: "other"))
        let (a, b) = (try Self.blob("a"), try Self.blob("b"))
        let account = Account(name: name, keys: [[1]])
        func decide(
            _ reach: Delegation.Reach, _ letters: DelegatedPermissions, _ need: DelegatedNeed, _ resource: Resource,
            account of: AccountName? = nil
        ) -> Result<Grant, Access.Refusal> {
            let delegation = Delegation(
                account: of ?? name, signer: .accountKey(number: 1), permissions: letters, reach: reach)
            return Result { () throws(Access.Refusal) in
                try Access.decide(
                    .delegated(delegation), AccessRequest(resource: resource, permissions: [], delegated: need),
                    account: account)
            }
        }
        let read = DelegatedNeed(oneOf: .read, resourceTypes: .object, serviceSignatures: .any)
        let list = DelegatedNeed(oneOf: .list, resourceTypes: .container, serviceSignatures: .container)
        let put = DelegatedNeed(
            oneOf: [.create, .write], allOf: .tags, onlyForNew: .create, resourceTypes: .object, serviceSignatures: .any
        )
        let create = DelegatedNeed(oneOf: .create, resourceTypes: .container, serviceSignatures: .never)
        typealias Row = (Delegation.Reach, DelegatedPermissions, DelegatedNeed, Resource, Access.Refusal?)
        let rows: [Row] = [
            (.account(.object), .read, read, .blob(box, a), nil),
            (.account(.container), .read, read, .blob(box, a), .resourceTypeMismatch),
            (.account(.object), .list, read, .blob(box, a), .permissionMissing),
            (.container(box), .read, read, .blob(box, a), nil),
            (.container(other), .read, read, .blob(box, a), .notPossible),
            (.blob(box, a), .read, read, .blob(box, a), nil),
            (.blob(box, a), .read, read, .blob(box, b), .notPossible),
            (.container(box), .list, list, .names(box, prefix: "x"), nil),
            (.blob(box, a), .list, list, .names(box, prefix: ""), .notPossible),
            (.container(box), .create, create, .container(box), .notPossible),
            (.account(.container), .create, create, .container(box), nil),
            (.container(box), .any, .never, .container(box), .notPossible),
            (.account([.service, .container, .object]), .any, .never, .container(box), .notPossible),
            (.container(box), [.write], put, .blob(box, a), .permissionMissing),
            (.container(box), [.write, .tags], put, .blob(box, a), nil),
        ]
        for (number, row) in rows.enumerated() {
            let result = decide(row.0, row.1, row.2, row.3)
            if let refusal = row.4 {
                #expect(throws: refusal, "row \(number)") { try result.get() }
            } else {
                #expect(throws: Never.self, "row \(number)") { try result.get() }
            }
        }
        #expect(try !decide(.container(box), [.write, .create, .tags], put, .blob(box, a)).get().createsOnly)
        #expect(try decide(.container(box), [.create, .tags], put, .blob(box, a)).get().createsOnly)
        #expect(throws: Access.Refusal.wrongAccount) {
            try decide(.container(box), .read, read, .blob(box, a), account: try Self.name("foreign")).get()
        }
    }

    /// A user delegation SAS allows what both its letters and its signer's roles allow.
    @Test func userDelegation() throws {
        let box = try ContainerName(validating: "box")
        let blob = Resource.blob(box, try Self.blob("a"))
        let signer = Identity(tenantID: Self.tid, objectID: Self.oid)
        let rows: [(Role?, DelegatedPermissions, Permissions, Bool)] = [
            (.reader, .read, .readBlobs, true), (nil, .read, .readBlobs, false),
            (.delegator, .read, .readBlobs, false), (.owner, .list, .readBlobs, false),
            (.owner, .read, .readBlobs, true),
        ]
        for (role, letters, permissions, allowed) in rows {
            let account = try Self.account(
                role.map { [RoleAssignment(id: "1", role: $0, assignee: .object(Self.oid), scope: .account)] } ?? [])
            let delegation = Delegation(
                account: account.name, signer: .identity(signer), permissions: letters, reach: .container(box))
            let grant = Result { () throws(Access.Refusal) in
                try Access.decide(.delegated(delegation), Self.request(blob, permissions), account: account)
            }
            #expect(((try? grant.get()) != nil) == allowed, "\(role?.rawValue ?? "no role") \(letters)")
        }
    }

    @Test func directory() throws {
        let (one, two) = (try Self.name("one1"), try Self.name("two2"))
        let directory = AccountDirectory([
            Account(name: two, keys: [[2]]), Account(name: one, keys: [[1]]), Account(name: one, keys: [[9], [8]]),
        ])
        #expect(directory.names == [one, two])
        #expect(directory[one]?.keys.count == 1)
        #expect(directory[try Self.name("three3")] == nil)
        #expect(directory[one]?.switches.allowsSharedKey == true)
        #expect(directory[one]?.switches.allowsPublicAccess == false)
        directory.set(Account(name: one, keys: [[9], [8]]))
        #expect(directory[one]?.keys.map(\.number) == [1, 2])
        directory.remove(one)
        #expect(directory.names == [two])
    }

    /// The hash of a key may be shown; the key may not.
    @Test func keysHide() {
        let key = SigningKey(number: 2, bytes: Array("secret".utf8))
        #expect(key.auditName == "key2(2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b)")
        #expect(!"\(key)".contains("secret"))
    }
}
