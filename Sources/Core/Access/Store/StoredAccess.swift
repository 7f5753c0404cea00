package import Metadata
package import StorageModel

/// Everything about access that a store holds.
package struct StoredAccess: Sendable {
    private(set) var accounts: [AccountName: AccessStore.Stored] = [:]
    private(set) var delegators = KnownDelegators()

    /// - Throws: `.damaged` at the first record that does not read.
    init(_ reader: any MetadataReader) throws(StorageFailure) {
        for kind in AccessKeys.Kind.allCases {
            let cursor = try reader.cursor(in: AccessKeys.all(kind))
            while let entry = try cursor.next() { try add(kind, entry) }
        }
    }

    private init() {}

    /// Every record that does not read, for fsck: its key in words, and why.
    package static func damage(
        in metadata: any MetadataStore
    ) async throws(StorageFailure) -> [(subject: String, text: String)] {
        let found = try await metadata.read(.scan) { reader throws(StorageFailure) in
            var found: [Finding] = []
            var stored = StoredAccess()
            for kind in AccessKeys.Kind.allCases {
                let cursor = try reader.cursor(in: AccessKeys.all(kind))
                while let entry = try cursor.next() {
                    do { try stored.add(kind, entry) } catch {
                        let name = String(decoding: entry.key.dropFirst().map { $0 == 0 ? 0x2F : $0 }, as: UTF8.self)
                        found.append(Finding(subject: "record \(kind) \(name)", text: "\(error)"))
                    }
                }
            }
            return found
        }
        return found.map { ($0.subject, $0.text) }
    }

    private struct Finding: Sendable {
        var subject: String
        var text: String
    }

    private mutating func add(_ kind: AccessKeys.Kind, _ entry: MetadataEntry) throws(StorageFailure) {
        switch kind {
        case .account:
            let name = try AccessKeys.accountName(entry.key)
            let record = try AccountRecord.decode(entry.value)
            _ = try record.switches.switches(defaults: AccountSwitches())
            accounts[name, default: .init()].record = record
        case .roleAssignment:
            let (name, id) = try AccessKeys.assignment(entry.key)
            let assignment = try RoleAssignmentRecord.decode(entry.value).assignment(id: id)
            accounts[name, default: .init()].assignments.append(assignment)
        case .delegator:
            let id = try AccessKeys.delegator(entry.key)
            delegators.set(KnownDelegator(id, try DelegatorRecord.decode(entry.value)), for: id)
        }
    }

    static func record(_ name: AccountName, in reader: any MetadataReader) throws(StorageFailure) -> AccountRecord? {
        guard let value = try reader.get(AccessKeys.account(name)) else { return nil }
        return try AccountRecord.decode(value)
    }

    /// One account with its role assignments.
    static func account(
        _ name: AccountName, in reader: any MetadataReader
    ) throws(StorageFailure) -> AccessStore.Stored {
        var stored = AccessStore.Stored(record: try record(name, in: reader))
        let cursor = try reader.cursor(in: KeyRange(prefix: AccessKeys.assignments(of: name)))
        while let entry = try cursor.next() {
            let (_, id) = try AccessKeys.assignment(entry.key)
            stored.assignments.append(try RoleAssignmentRecord.decode(entry.value).assignment(id: id))
        }
        return stored
    }
}
