import Crypto
package import Observability
package import StorageModel

/// An account as the node knows it: its name, its keys, its switches, and who has which role in it.
package struct Account: Sendable {
    package var name: AccountName
    /// Key 1 and key 2, as far as the account has them. Any of them signs.
    package var keys: [SigningKey] { didSet { macs = keys.map(\.mac) } }
    /// The codes of `keys`, in the same order: what each signed request needs.
    package private(set) var macs: [AccountKey]
    package var switches: AccountSwitches
    package var limits: AccountLimits
    package var roles: RoleTable
    /// Its keys come with the configuration: they are changed there, and not kept in the store.
    package var isConfigured: Bool
    /// User delegation keys that were given out under another epoch are void.
    package var delegationEpoch: UInt64

    package init(
        name: AccountName, keys: [SigningKey], switches: AccountSwitches = AccountSwitches(),
        limits: AccountLimits = AccountLimits(), roles: RoleTable = RoleTable(), isConfigured: Bool = false,
        delegationEpoch: UInt64 = 0
    ) {
        self.name = name
        self.keys = keys
        macs = keys.map(\.mac)
        self.switches = switches
        self.limits = limits
        self.roles = roles
        self.isConfigured = isConfigured
        self.delegationEpoch = delegationEpoch
    }

    /// - Parameter keys: one or two, decoded.
    package init(name: AccountName, keys: [[UInt8]], switches: AccountSwitches = AccountSwitches()) {
        self.init(
            name: name, keys: keys.enumerated().map { SigningKey(number: $0.offset + 1, bytes: $0.element) },
            switches: switches)
    }
}

/// One of an account's two keys.
package struct SigningKey: Sendable {
    /// 1 or 2.
    package let number: Int
    package let mac: AccountKey
    /// `key1(HASH)`: how the audit trail names it.
    package let auditName: String
    /// What the audit trail says of every request signed with it.
    package let facts: RequesterFacts
    /// `nil` for keys from the configuration.
    package let createdAt: Timestamp?

    package init(number: Int, bytes: [UInt8], createdAt: Timestamp? = nil) {
        self.number = number
        self.createdAt = createdAt
        mac = AccountKey(bytes: bytes)
        auditName = "key\(number)(\(SHA256.hash(data: bytes).hexText))"
        facts = RequesterFacts(authenticationType: "AccountKey", authenticationHash: auditName)
    }
}

extension SHA256.Digest {
    /// 64 digits in lower case.
    fileprivate var hexText: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// What an operator may turn on and off for one account.
package struct AccountSwitches: Sendable, Hashable {
    package var isEnabled = true
    package var allowsSharedKey = true
    /// Signatures made with an account key. Those made with a user delegation key are tokens by other means, and stay.
    package var allowsSharedAccessSignatures = true
    package var allowsPublicAccess = false
    package var requiresTLS = false
    package var minimumTLS = TLSVersion.tls12

    package init(
        isEnabled: Bool = true, allowsSharedKey: Bool = true, allowsSharedAccessSignatures: Bool = true,
        allowsPublicAccess: Bool = false, requiresTLS: Bool = false, minimumTLS: TLSVersion = .tls12
    ) {
        self.isEnabled = isEnabled
        self.allowsSharedKey = allowsSharedKey
        self.allowsSharedAccessSignatures = allowsSharedAccessSignatures
        self.allowsPublicAccess = allowsPublicAccess
        self.requiresTLS = requiresTLS
        self.minimumTLS = minimumTLS
    }
}

/// How much an account, and each of its principals, may ask of the node.
package struct AccountLimits: Sendable, Hashable {
    package var account: RequestLimits
    package var principal: RequestLimits

    package init(account: RequestLimits = RequestLimits(), principal: RequestLimits = RequestLimits()) {
        self.account = account
        self.principal = principal
    }
}
