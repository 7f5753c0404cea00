import Access
import StorageModel
import Testing

@Suite struct AccessTests {
    static func name(_ text: String) throws -> AccountName { try AccountName(validating: text) }

    static let actions: [Action] = [.readBlob, .readContainer, .manage]
    static let levels: [PublicAccess?] = [nil, .blob, .container]

    /// A key opens its own account to everything and another account to nothing.
    @Test func keys() throws {
        let (own, other) = (try Self.name("own"), try Self.name("other"))
        for open in [false, true] {
            let account = Account(name: own, keys: [[1], [2]], allowsPublicAccess: open)
            for action in Self.actions {
                for level in Self.levels {
                    for number in [1, 2] {
                        let principal = Principal.accountKey(own, number: number)
                        let grant = try Access.decide(principal, action, account: account, publicAccess: level)
                        #expect(grant.principal == principal && grant.action == action)
                    }
                    #expect(throws: Access.Refusal.wrongAccount) {
                        try Access.decide(.accountKey(other, number: 1), action, account: account, publicAccess: level)
                    }
                }
            }
        }
    }

    @Test func anonymous() throws {
        let name = try Self.name("own")
        let rows: [(Action, PublicAccess?, Bool)] = [
            (.readBlob, nil, false), (.readBlob, .blob, true), (.readBlob, .container, true),
            (.readContainer, nil, false), (.readContainer, .blob, false), (.readContainer, .container, true),
            (.manage, nil, false), (.manage, .blob, false), (.manage, .container, false),
        ]
        let open = Account(name: name, keys: [], allowsPublicAccess: true)
        let shut = Account(name: name, keys: [])
        for (action, level, allowed) in rows {
            if allowed {
                #expect(
                    try Access.decide(.anonymous, action, account: open, publicAccess: level).principal == .anonymous)
            } else {
                #expect(throws: Access.Refusal.credentialRequired) {
                    try Access.decide(.anonymous, action, account: open, publicAccess: level)
                }
            }
            // Whatever a container says, the account has the last word; it is the default to refuse.
            #expect(throws: Access.Refusal.publicAccessDisabled) {
                try Access.decide(.anonymous, action, account: shut, publicAccess: level)
            }
        }
    }

    @Test func directory() throws {
        let (one, two) = (try Self.name("one1"), try Self.name("two2"))
        let directory = AccountDirectory([
            Account(name: two, keys: [[2]]), Account(name: one, keys: [[1]]), Account(name: one, keys: [[9]]),
        ])
        #expect(directory.names == [one, two])
        #expect(directory[one]?.keys == [[1]] && directory[two]?.keys == [[2]])
        #expect(directory[try Self.name("none")] == nil)
        #expect(directory[one]?.allowsSharedKey == true)
    }
}
