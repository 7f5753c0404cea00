import CRocksDB
import StorageModel

/// The open database. Everything that uses its handle holds a reference; when the last one is gone the handle is
/// closed, on a thread of its own because that may take a while.
///
/// `@unchecked Sendable`: the fields never change, and RocksDB's handles may be used from any thread.
final class RocksDatabase: @unchecked Sendable {
    let handle: OpaquePointer
    private let synced: OpaquePointer
    private let unsynced: OpaquePointer
    private let closed: Signal

    /// `closed` fires when the handle is closed, or at once when there never was one. Blocks.
    static func open(
        directory: String, options: RocksOptions, isReadOnly: Bool, closed: Signal
    ) throws(StorageFailure) -> RocksDatabase {
        var isOpen = false
        do throws(StorageFailure) {
            try StoreFiles.requireCurrent(in: directory)
            if !isReadOnly { try StoreFiles.keepLogs(in: directory) }
            let handle = try openHandle(in: directory, options, isReadOnly: isReadOnly)
            let database = RocksDatabase(handle: handle, closed: closed)
            isOpen = true
            if !isReadOnly {
                try database.setWriteBuffers(options.writeBuffers)
                try StoreFiles.removeUnfinishedOptions(in: directory)
            }
            return database
        } catch {
            if !isOpen { closed.fire() }
            throw error
        }
    }

    /// What is lost in a log's torn tail was never acknowledged: the store then opens without it. With relaxed durability
    /// power loss may take more than the tail, and the store opens with what is whole before the first loss.
    private static func openHandle(
        in directory: String, _ options: RocksOptions, isReadOnly: Bool
    ) throws(StorageFailure) -> OpaquePointer {
        do throws(StorageFailure) {
            return try openHandleOnce(in: directory, options, isReadOnly: isReadOnly)
        } catch {
            guard error.code == .damaged, options.recovery == .refuseDamage else { throw error }
            if options.durability == .synced, try !LogTail.isTorn(in: directory) { throw error }
            var options = options
            options.recovery = .keepIntactPrefix
            return try openHandleOnce(in: directory, options, isReadOnly: isReadOnly)
        }
    }

    private static func openHandleOnce(
        in directory: String, _ options: RocksOptions, isReadOnly: Bool
    ) throws(StorageFailure) -> OpaquePointer {
        let native = try NativeOptions(options, isReadOnly: isReadOnly)
        let handle = try rocksCall("open") { error in
            isReadOnly
                ? rocksdb_open_for_read_only(native.pointer, directory, 0, error)
                : rocksdb_open(native.pointer, directory, error)
        }
        guard let handle else { throw StorageFailure(.internal, cause: "RocksDB open gave no handle") }
        return handle
    }

    /// How many write buffers may be full before writes wait.
    private func setWriteBuffers(_ count: Int) throws(StorageFailure) {
        try rocksCall("set options") { error in
            "max_write_buffer_number".withCString { name in
                String(count).withCString { value in
                    var names: [UnsafePointer<CChar>?] = [name]
                    var values: [UnsafePointer<CChar>?] = [value]
                    rocksdb_set_options(handle, 1, &names, &values, error)
                }
            }
        }
    }

    private init(handle: OpaquePointer, closed: Signal) {
        self.handle = handle
        self.closed = closed
        synced = rocksdb_writeoptions_create()
        unsynced = rocksdb_writeoptions_create()
        rocksdb_writeoptions_set_sync(synced, 1)
    }

    deinit {
        let remains = Remains(handle: handle, synced: synced, unsynced: unsynced)
        let closed = closed
        do {
            try DedicatedThread.start {
                remains.close()
                closed.fire()
            }.detach()
        } catch {
            remains.close()
            closed.fire()
        }
    }

    /// Blocks until the batch is written, and on the medium if `isSynced`.
    func write(_ batch: borrowing WriteBatch, isSynced: Bool) throws(StorageFailure) {
        let pointer = batch.pointer
        try rocksCall("write") { rocksdb_write(handle, isSynced ? synced : unsynced, pointer, $0) }
    }

    /// Blocks while everything in memory goes to files, of which the copy is made.
    func checkpoint(to directory: String) throws(StorageFailure) {
        let checkpoint = try rocksCall("checkpoint") { rocksdb_checkpoint_object_create(handle, $0) }
        defer { rocksdb_checkpoint_object_destroy(checkpoint) }
        try rocksCall("checkpoint") { rocksdb_checkpoint_create(checkpoint, directory, 0, $0) }
    }

    /// What is left to close once nothing refers to the database any more.
    ///
    /// `@unchecked Sendable`: made when nobody else has the handles, and used by one thread.
    private struct Remains: @unchecked Sendable {
        let handle: OpaquePointer
        let synced: OpaquePointer
        let unsynced: OpaquePointer

        func close() {
            rocksdb_writeoptions_destroy(synced)
            rocksdb_writeoptions_destroy(unsynced)
            rocksdb_close(handle)
        }
    }
}

/// Owns a `rocksdb_writebatch_t`.
struct WriteBatch: ~Copyable {
    let pointer: OpaquePointer

    init() { pointer = rocksdb_writebatch_create() }
    deinit { rocksdb_writebatch_destroy(pointer) }

    func put(_ key: [UInt8], _ value: [UInt8]) {
        key.withCharacters { key, keyCount in
            value.withCharacters { value, valueCount in
                rocksdb_writebatch_put(pointer, key, keyCount, value, valueCount)
            }
        }
    }

    func delete(_ key: [UInt8]) {
        key.withCharacters { rocksdb_writebatch_delete(pointer, $0, $1) }
    }

    func delete(from lower: [UInt8], to upper: [UInt8]) {
        lower.withCharacters { lower, lowerCount in
            upper.withCharacters { upper, upperCount in
                rocksdb_writebatch_delete_range(pointer, lower, lowerCount, upper, upperCount)
            }
        }
    }
}
