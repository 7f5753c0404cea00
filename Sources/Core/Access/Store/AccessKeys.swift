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

    /// Ids hold no NUL, so it ends them.
    static func delegator(_ id: DelegatorID) -> [UInt8] { delegators(like: id) + id.application.utf8 }
    /// Of one principal, whatever the application.
    static func delegators(like id: DelegatorID) -> [UInt8] {
        [Kind.delegator.rawValue] + id.tenant.utf8 + [0] + id.object.utf8 + [0]
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

    /// Tenant, object and application in a key of kind `delegator`.
    static func delegator(_ key: [UInt8]) throws(StorageFailure) -> DelegatorID {
        let parts = key.dropFirst().split(separator: 0, omittingEmptySubsequences: false)
        let texts = parts.compactMap { String(validating: $0, as: UTF8.self) }
        guard parts.count == 3, texts.count == 3 else { throw StorageFailure(.damaged, cause: "delegator key") }
        return DelegatorID(tenant: texts[0], object: texts[1], application: texts[2])
    }

    private static func name(_ bytes: ArraySlice<UInt8>) throws(StorageFailure) -> AccountName {
        do { return try AccountName(validating: String(decoding: bytes, as: UTF8.self)) } catch {
            throw StorageFailure(.damaged, cause: "account name in a key")
        }
    }
}

/// A principal that was given a user delegation key through an application. Ids are GUIDs in lower case.
struct DelegatorID: Hashable, Sendable {
    var tenant: String
    var object: String
    /// Empty when the token named none.
    var application: String
}

extension DelegatorID {
    init(_ identity: Identity) {
        self.init(
            tenant: identity.tenantID, object: identity.objectID, application: identity.applicationID ?? "")
    }
}
