import CRocksDB
import Metadata
import StorageModel
import Synchronization

/// Everything up to one commit, with the options that reads of it need: made once per batch and shared by all readers,
/// so that a read takes no lock of RocksDB. Freed with its last user.
///
/// `@unchecked Sendable`: the fields never change, and RocksDB reads its snapshots and options from any thread.
final class Snapshot: @unchecked Sendable {
    enum Tier {
        /// Answers from memory or throws `.wouldBlock`.
        case memory
        case disk
    }

    let database: RocksDatabase
    let version: UInt64
    /// What `getShared` has found: the snapshot never changes, so neither does this.
    private let shared = Mutex<[[UInt8]: [UInt8]?]>([:])
    private static let sharedLimit = 64
    private let native: OpaquePointer?
    private let memoryOptions: OpaquePointer
    private let diskOptions: OpaquePointer

    init(of database: RocksDatabase, version: UInt64) {
        self.database = database
        self.version = version
        native = rocksdb_create_snapshot(database.handle)
        memoryOptions = Self.makeOptions(native, .memory)
        diskOptions = Self.makeOptions(native, .disk)
    }

    deinit {
        rocksdb_readoptions_destroy(memoryOptions)
        rocksdb_readoptions_destroy(diskOptions)
        if let native { rocksdb_release_snapshot(database.handle, native) }
    }

    /// The caller destroys them.
    func makeOptions(_ tier: Tier) -> OpaquePointer { Self.makeOptions(native, tier) }

    private static func makeOptions(_ native: OpaquePointer?, _ tier: Tier) -> OpaquePointer {
        let options = rocksdb_readoptions_create()!
        rocksdb_readoptions_set_snapshot(options, native)
        rocksdb_readoptions_set_background_purge_on_iterator_cleanup(options, 1)
        if tier == .memory { rocksdb_readoptions_set_read_tier(options, 1) }  // kBlockCacheTier
        return options
    }

    func getShared(_ key: [UInt8], _ tier: Tier) throws(StorageFailure) -> [UInt8]? {
        if let known = shared.withLock({ $0[key] }) { return known }
        let value = try get(key, tier)
        shared.withLock { if $0.count < Self.sharedLimit { $0[key] = .some(value) } }
        return value
    }

    func get(_ key: [UInt8], _ tier: Tier) throws(StorageFailure) -> [UInt8]? {
        let options = tier == .memory ? memoryOptions : diskOptions
        let slice = try rocksCall("get") { error in
            key.withCharacters { rocksdb_get_pinned(database.handle, options, $0, $1, error) }
        }
        guard let slice else { return nil }
        defer { rocksdb_pinnableslice_destroy(slice) }
        var count = 0
        let bytes = rocksdb_pinnableslice_value(slice, &count)
        return [UInt8](characters: bytes, count: count)
    }
}
