import Metadata
import MetadataRocks
import StorageModel
import StorageTestKit
import Testing

/// Transactions of several writers that leave traces by which any copy of the store can be judged: each commit
/// appends to a log under its own version, says in it which key it set, and counts itself.
enum StoreHistory {
    static let log = Array("log/".utf8)
    static let count = Array("count".utf8)

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// One commit. The padding makes records long enough to be cut in many places.
    static func commit(
        _ store: RocksMetadataStore, writer: Int, number: Int, padding: Int = 40
    ) async throws(StorageFailure) -> Version? {
        let name = bytes("key/\(writer)/\(number)")
        return try await store.transact { (transaction) throws(StorageFailure) in
            transaction.set(
                name, [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: padding + 8), versionAt: [0])
            transaction.setVersioned(prefix: log, suffix: [], name, versionAt: [])
            transaction.add(count, 1)
        }.version
    }

    /// What a store holds of the history: how many commits. Everything that contradicts "the first n commits, wholly"
    /// is reported as an issue.
    static func check(_ store: RocksMetadataStore) async throws -> Int {
        let (log, keys, counted) = try await store.read(.scan) { (reader) throws(StorageFailure) in
            (
                try entries(reader, KeyRange(prefix: Self.log)), try entries(reader, KeyRange(prefix: bytes("key/"))),
                CounterValue.decode(try reader.get(count))
            )
        }
        var versions: [[UInt8]: [UInt8]] = [:]
        for (index, entry) in log.enumerated() {
            let version = Array(entry.key.dropFirst(Self.log.count))
            #expect(version == versionBytes(UInt64(index + 1)), "the log has a gap at \(index)")
            versions[entry.value] = version
        }
        #expect(Int(counted) == log.count, "the counter and the log differ")
        #expect(keys.count == log.count, "keys and the log differ")
        for entry in keys {
            #expect(versions[entry.key] == Array(entry.value.prefix(8)), "a key and its commit differ")
        }
        return log.count
    }

    static func entries(_ reader: any MetadataReader, _ range: KeyRange) throws(StorageFailure) -> [MetadataEntry] {
        let cursor = try reader.cursor(in: range)
        var entries: [MetadataEntry] = []
        while let entry = try cursor.next() { entries.append(entry) }
        return entries
    }

    static func versionBytes(_ version: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: version >> (56 - 8 * UInt64($0))) }
    }
}

extension RocksMetadataStore {
    func value(_ name: String) async throws -> [UInt8]? {
        try await read(.point) { (reader) throws(StorageFailure) in try reader.get(Array(name.utf8)) }
    }

    @discardableResult
    func put(_ name: String, _ value: String = "") async throws -> Version? {
        try await transact { (transaction) throws(StorageFailure) in
            transaction.set(Array(name.utf8), Array(value.utf8))
        }.version
    }
}

/// Runs `body` and answers the failure that it must throw.
func failure(of body: () async throws -> Void) async throws -> StorageFailure {
    do { try await body() } catch let failure as StorageFailure { return failure }
    throw ContractViolation("the call succeeded")
}
