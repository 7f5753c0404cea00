import Crypto
import FoundationEssentials
package import StorageModel

/// The one secret of a node: it seals the account keys at rest, and user delegation keys are derived from it. Nothing
/// can bring back what was sealed under a key that is lost. Prints as nothing that helps anybody.
package struct NodeKey: Sendable, CustomStringConvertible {
    package static let byteCount = 32
    static let nonceCount = 12

    // A key of its own for each purpose (RFC 5869): what one of them signs can never be mistaken for the other's.
    private let sealing: SymmetricKey
    private let deriving: SymmetricKey

    /// `nil` unless there are 32 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        let root = SymmetricKey(data: bytes)
        func key(_ purpose: String) -> SymmetricKey {
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: root, info: Array("forebay/1/\(purpose)".utf8), outputByteCount: Self.byteCount)
        }
        sealing = key("account-keys")
        deriving = key("user-delegation-keys")
    }

    /// The secret under AES-256-GCM: nonce, ciphertext, tag. It opens only as the same key of the same account in a record
    /// of the same format.
    /// - Parameter nonce: 12 bytes, never used before with this key.
    func seal(
        _ secret: [UInt8], account: AccountName, number: Int, format: UInt8, nonce: [UInt8]
    ) throws(StorageFailure) -> [UInt8] {
        do {
            let box = try AES.GCM.seal(
                secret, using: sealing, nonce: AES.GCM.Nonce(data: nonce),
                authenticating: Self.label(account, number, format))
            return nonce + box.ciphertext + box.tag
        } catch { throw StorageFailure(.internal, cause: "sealing a key failed") }
    }

    /// - Throws: `.damaged` for another node's key, and for bytes that were changed or belong elsewhere.
    func open(
        _ sealed: [UInt8], account: AccountName, number: Int, format: UInt8
    ) throws(StorageFailure) -> [UInt8] {
        do {
            return Array(
                try AES.GCM.open(
                    AES.GCM.SealedBox(combined: sealed), using: sealing,
                    authenticating: Self.label(account, number, format)))
        } catch {
            throw StorageFailure(
                .damaged,
                detail: """
                    The node key does not open key \(number) of account \(account): it is not the one that this store was \
                    written with, or the record is damaged.
                    """)
        }
    }

    /// The user delegation key of a principal: 32 bytes that need not be stored, because the same parts give them again.
    /// - Parameters:
    ///   - tenant: and `objectID`: of the principal.
    ///   - application: that it came through: its roles count for the key's signatures. Empty for none.
    ///   - start: and `expiry`: between which it is valid; whole seconds count.
    ///   - service: `b` (`sks`).
    ///   - version: of the service that it was made by (`skv`).
    ///   - epoch: of the account: `Account.delegationEpoch`.
    package func userDelegationKey(
        tenant: String, objectID: String, application: String, account: AccountName, start: Timestamp,
        expiry: Timestamp, service: String, version: String, epoch: UInt64
    ) -> [UInt8] {
        let text = Self.join([
            "user-delegation-key", tenant, objectID, application, account.value, String(start.seconds),
            String(expiry.seconds), service, version, String(epoch),
        ])
        return HMAC<SHA256>.authenticationCode(for: text, using: deriving).withUnsafeBytes { Array($0) }
    }

    private static func label(_ account: AccountName, _ number: Int, _ format: UInt8) -> [UInt8] {
        join(["account-key", account.value, String(number), String(format)])
    }

    /// Each part behind its length, so that no two lists of parts look the same.
    private static func join(_ parts: [String]) -> [UInt8] {
        parts.flatMap { part -> [UInt8] in
            let count = UInt32(part.utf8.count)
            return (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * UInt32($0))) } + part.utf8
        }
    }

    package var description: String { "NodeKey(…)" }
}
