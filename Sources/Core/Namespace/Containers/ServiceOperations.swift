import FoundationEssentials
package import Metadata
package import StorageModel

extension Namespace {
    /// Takes part in the removal of an account: what is kept about it goes, if it has no container any more. The caller
    /// takes away what `Configuration.accountExists` reads in the same transaction.
    /// - Returns: whether it had none.
    package static func removeAccount(
        _ account: AccountName, in transaction: any MetadataTransaction
    ) throws(StorageFailure) -> Bool {
        guard try transaction.cursor(in: KeyRange(prefix: Keys.containers(of: account))).next() == nil else {
            return false
        }
        transaction.delete(Keys.serviceProperties(account))
        return true
    }

    /// - Throws: `.accountNotFound`.
    func requireAccount(_ account: AccountName, in transaction: any MetadataTransaction) throws(StorageFailure) {
        guard try configuration.accountExists(account, transaction) else {
            throw StorageFailure(.accountNotFound, detail: "The specified account does not exist.")
        }
    }

    package func serviceProperties(of account: AccountName) async throws(StorageFailure) -> ServiceProperties {
        try await metadata.read(.point) { reader throws(StorageFailure) in
            try ServicePropertiesRecord.read(reader, account)
        }
    }

    /// Puts the given parts in; parts that are `nil` stay.
    /// - Throws: `.accountNotFound` when the account was removed since the request was let in.
    package func setServiceProperties(
        _ change: ServiceProperties, of account: AccountName
    ) async throws(StorageFailure) {
        let now = world.now()
        _ = try await metadata.transact { [self] transaction throws(StorageFailure) in
            try requireAccount(account, in: transaction)
            let merged = try ServicePropertiesRecord.read(transaction, account).merging(change)
            transaction.set(Keys.serviceProperties(account), try ServicePropertiesRecord.encode(merged))
            transaction.log(ChangeRecord(.setServiceProperties, time: now, account: account))
        }
    }
}

/// Kind `A`: a format byte, then JSON: read rarely, and its shape follows the protocol's document.
enum ServicePropertiesRecord {
    static let format: UInt8 = 1

    static func read(_ reader: any MetadataReader, _ account: AccountName) throws(StorageFailure) -> ServiceProperties {
        guard let value = try reader.get(Keys.serviceProperties(account)) else { return .initial }
        return try decode(value)
    }

    static func encode(_ properties: ServiceProperties) throws(StorageFailure) -> [UInt8] {
        do { return [format] + (try JSONEncoder().encode(properties)) } catch {
            throw StorageFailure(.internal, cause: "service properties: \(error)")
        }
    }

    static func decode(_ bytes: [UInt8]) throws(StorageFailure) -> ServiceProperties {
        guard bytes.first == format else { throw StorageFailure(.damaged, cause: "service properties format") }
        do { return try JSONDecoder().decode(ServiceProperties.self, from: Data(bytes.dropFirst())) } catch {
            throw StorageFailure(.damaged, cause: "service properties: \(error)")
        }
    }
}
