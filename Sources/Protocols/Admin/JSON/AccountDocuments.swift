import Access
import AzureWire
import Observability
import StorageModel

/// The documents about accounts, as the admin API reads them.
struct NewAccount {
    var name: AccountName
    /// Decoded; `nil` to have them drawn.
    var keys: [[UInt8]]?
    var settings: AccountChange

    init(_ body: [UInt8]) throws(InvalidDocument) {
        var members = try JSONMembers(body)
        guard let text = try members.text("name"), let name = try? AccountName(validating: text) else {
            throw InvalidDocument("name is the account's name: 3 to 24 characters of a-z and 0-9.")
        }
        self.name = name
        keys = try members.texts("keys").map { texts throws(InvalidDocument) in
            let keys = texts.compactMap { Base64.decode($0) }
            guard (1...2).contains(texts.count), keys.count == texts.count,
                keys.allSatisfy({ AccessStore.givenKeyByteCounts.contains($0.count) })
            else { throw InvalidDocument("keys are one or two keys in Base64, of 16 to 1024 bytes each.") }
            return keys
        }
        settings = try AccountChange(&members)
        try members.finish()
    }
}

extension AccountChange {
    init(_ body: [UInt8]) throws(InvalidDocument) {
        var members = try JSONMembers(body)
        try self.init(&members)
        try members.finish()
    }

    fileprivate init(_ members: inout JSONMembers) throws(InvalidDocument) {
        self.init(isEnabled: try members.bool("enabled"))
        allowsSharedKey = try members.bool("allowSharedKey")
        allowsSharedAccessSignatures = try members.bool("allowSAS")
        allowsPublicAccess = try members.bool("allowPublicAccess")
        requiresTLS = try members.bool("requireTLS")
        if let text = try members.text("minimumTLS") {
            guard let version = TLSVersion.allCases.first(where: { $0.number == text }) else {
                throw InvalidDocument(
                    "minimumTLS is one of \(TLSVersion.allCases.map(\.number).joined(separator: ", ")).")
            }
            minimumTLS = version
        }
        var limits = (account: Limits(), principal: Limits())
        try members.object("limits") { members throws(InvalidDocument) in
            try members.object("account") { members throws(InvalidDocument) in
                limits.account = try Limits(&members)
            }
            try members.object("principal") { members throws(InvalidDocument) in
                limits.principal = try Limits(&members)
            }
        }
        (accountLimits, principalLimits) = limits
    }
}

extension AccountChange.Limits {
    fileprivate init(_ members: inout JSONMembers) throws(InvalidDocument) {
        self.init(
            requestsPerSecond: try Self.bound(&members, "requestsPerSecond"),
            bytesPerSecond: try Self.bound(&members, "bytesPerSecond"),
            concurrentRequests: try Self.bound(&members, "concurrentRequests"))
    }

    private static func bound(
        _ members: inout JSONMembers, _ name: String
    ) throws(InvalidDocument) -> AccountChange.Bound? {
        switch try members.positive(name) {
        case nil: nil
        case .some(nil): .unlimited
        case .some(let limit?): .at(limit)
        }
    }
}

extension TLSVersion {
    /// `1.2`
    fileprivate var number: String { String(rawValue.drop { $0 != " " }.dropFirst()) }
}

extension JSONWriter {
    /// An account without its keys.
    mutating func members(of account: Account) {
        member("name", account.name.value)
        member("configured", account.isConfigured)
        member("enabled", account.switches.isEnabled)
        member("allowSharedKey", account.switches.allowsSharedKey)
        member("allowSAS", account.switches.allowsSharedAccessSignatures)
        member("allowPublicAccess", account.switches.allowsPublicAccess)
        member("requireTLS", account.switches.requiresTLS)
        member("minimumTLS", account.switches.minimumTLS.number)
        array("keys") { array in
            for key in account.keys {
                array.object { object in
                    object.member("number", key.number)
                    if let time = key.createdAt { object.member("createdAt", CivilTime(time).rfc3339()) }
                }
            }
        }
        object("limits") { limits in
            limits.object("account") { $0.members(of: account.limits.account) }
            limits.object("principal") { $0.members(of: account.limits.principal) }
        }
        member("roles", account.roles.assignments.count)
    }

    private mutating func members(of limits: RequestLimits) {
        if let limit = limits.requestsPerSecond { member("requestsPerSecond", limit) }
        if let limit = limits.bytesPerSecond { member("bytesPerSecond", limit) }
        if let limit = limits.concurrentRequests { member("concurrentRequests", limit) }
    }

    /// A key that somebody asked to see.
    mutating func members(of key: RevealedKey) {
        member("number", key.number)
        member("key", Base64.encode(key.bytes))
        member("createdAt", CivilTime(key.createdAt).rfc3339())
    }
}
