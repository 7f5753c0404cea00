import Metadata
import StorageModel

/// The keys of accounts, roles and delegators. They lie in one key space with those of the namespace, whose kinds stand
/// in its `Keys`; docs/formats/metadata.md describes all of them.
enum AccessKeys {
    enum Kind: UInt8, CaseIterable {
        case account = 0x70  // p
        case roleAssignment = 0x72  // r
        case delegator = 0x6F  // o
    }

    static func account(_ name: AccountName) -> [UInt8] { [Kind.account.rawValue] + name.value.utf8 }

    /// Account names hold no NUL, so it ends them.
    static func assignments(of account: AccountName) -> [UInt8] {
        [Kind.roleAssignment.rawValue] + account.value.utf8 + [0]
    }
    static func assignment(of account: AccountName, id: String) -> [UInt8] { assignments(of: account) + id.utf8 }

    static func delegator(_ id: DelegatorID) -> [UInt8] {
        [Kind.delegator.rawValue] + id.tenant.utf8 + [0] + id.object.utf8
    }

    static func all(_ kind: Kind) -> KeyRange { KeyRange(prefix: [kind.rawValue]) }

    /// The account in a key of kind `account`.
    static func accountName(_ key: [UInt8]) throws(StorageFailure) -> AccountName {
        try name(key.dropFirst())
    }

    /// Account and id in a key of kind `roleAssignment`.
    static func assignment(_ key: [UInt8]) throws(StorageFailure) -> (account: AccountName, id: String) {
        guard let end = key.firstIndex(of: 0), let id = String(validating: key[(end + 1)...], as: UTF8.self) else {
            throw StorageFailure(.damaged, cause: "role assignment key")
        }
        return (try name(key[1..<end]), id)
    }

    /// Tenant and object in a key of kind `delegator`.
    static func delegator(_ key: [UInt8]) throws(StorageFailure) -> DelegatorID {
        guard let end = key.firstIndex(of: 0), end > 0,
            let tenant = String(validating: key[1..<end], as: UTF8.self),
            let object = String(validating: key[(end + 1)...], as: UTF8.self)
        else { throw StorageFailure(.damaged, cause: "delegator key") }
        return DelegatorID(tenant: tenant, object: object)
    }

    private static func name(_ bytes: ArraySlice<UInt8>) throws(StorageFailure) -> AccountName {
        do { return try AccountName(validating: String(decoding: bytes, as: UTF8.self)) } catch {
            throw StorageFailure(.damaged, cause: "account name in a key")
        }
    }
}

/// A principal that was given a user delegation key. Ids are GUIDs in lower case.
struct DelegatorID: Hashable, Sendable {
    var tenant: String
    var object: String
}
