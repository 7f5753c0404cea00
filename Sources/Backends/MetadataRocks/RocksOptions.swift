import CRocksDB
import StorageModel

/// How a `RocksMetadataStore` behaves. The defaults fit a node with a few gigabytes of memory.
package struct RocksOptions: Sendable {
    package enum Durability: Sendable {
        /// A commit is on the medium before it is acknowledged.
        case synced
        /// A commit is in the operating system's hands before it is acknowledged: it survives the end of the process,
        /// but power loss may take the last seconds, from the end of the history backwards.
        case relaxed
    }

    package enum Recovery: Sendable {
        /// A record that a crash cut short at the end of a log is dropped: it was never acknowledged. Any other damage
        /// refuses the opening with `.damaged`, so acknowledged commits are never dropped in silence.
        case refuseDamage
        /// For an operator who knows of the damage and has no backup: opens what lies before it.
        case keepIntactPrefix
    }

    package var durability = Durability.synced
    package var recovery = Recovery.refuseDamage
    package var blockCacheBytes = 64 << 20
    package var writeBufferBytes = 32 << 20
    package var writeBuffers = 3
    /// How many full write buffers become files together; more than one is for tests, which want several logs at once.
    var writeBuffersPerFlush = 1
    package var openFiles = 512
    package var readerThreads = 4
    /// Reads that may wait for a reader thread before others are refused with `.busy`.
    package var readQueue = 4_096
    /// Transactions, and bytes of their writes, that may wait for the committer before others are refused with `.busy`.
    package var commitQueue = 8_192
    package var commitQueueBytes = 64 << 20
    /// What goes into one batch, which is one synced write.
    package var batchTransactions = 1_024
    package var batchBytes = 4 << 20
    /// How many of the last commits conflicts can be told from, and the bytes that their keys may take. A transaction
    /// that began before them counts as conflicting.
    package var windowCommits = 65_536
    package var windowBytes = 32 << 20
    /// Below this many free bytes on the medium commits are refused with `.outOfSpace` before anything is written;
    /// those that delete keys may use half of it, so that there is a way out of a full disk. 0 switches the check
    /// off.
    package var freeSpaceReserveBytes: Int64 = 64 << 20
    /// After a failed commit: the time to the first attempt to open the database again, doubled with each one that
    /// fails up to the limit.
    package var reopeningPauseMilliseconds = 500
    package var reopeningPauseLimitMilliseconds = 5_000
    /// How long an attempt waits for reads under way to let the old database go.
    package var reopeningDrainMilliseconds = 5_000
    /// How often `transact` runs a body before it gives up with `.busy`.
    package var transactionAttempts = 100

    package init() {}
}

/// Owns a `rocksdb_options_t`.
struct NativeOptions: ~Copyable {
    let pointer: OpaquePointer

    /// - Throws: `.internal` when this RocksDB does not know an option.
    init(_ options: RocksOptions, isReadOnly: Bool) throws(StorageFailure) {
        let base = rocksdb_options_create()!
        Self.setMemoryAndFiles(base, options, isReadOnly: isReadOnly)
        Self.setSafety(base, options)
        Self.setTables(base, options)
        // The C interface has no functions for these. The manifest remembers the size of each finished log, so that one
        // that is missing or was cut short counts as damage and not as the end of the history. And RocksDB tries no
        // recovery of its own after a failed write: `Reopener` does that, from outside.
        let full = rocksdb_options_create()!
        var error: UnsafeMutablePointer<CChar>?
        rocksdb_get_options_from_string(
            base, "track_and_verify_wals_in_manifest=true;max_bgerror_resume_count=0", full, &error)
        rocksdb_options_destroy(base)
        if let error {
            rocksdb_options_destroy(full)
            throw RocksFailure.translate(error, during: "options")
        }
        pointer = full
    }

    deinit { rocksdb_options_destroy(pointer) }

    private static let aboveAllLogLevels: Int32 = 6  // InfoLogLevel::NUM_INFO_LOG_LEVELS

    /// After "no space left" RocksDB waits until the disk has room for all write buffers that it was opened with, and
    /// then goes on by itself. It must wait for ever: `Reopener` closes it, and two recoveries would get into each
    /// other's way.
    private static let neverEnoughWriteBuffers = Int32(1 << 30)

    private static func setMemoryAndFiles(_ native: OpaquePointer, _ options: RocksOptions, isReadOnly: Bool) {
        rocksdb_options_set_create_if_missing(native, isReadOnly ? 0 : 1)
        rocksdb_options_set_write_buffer_size(native, options.writeBufferBytes)
        // The true number is set after the opening: see `RocksDatabase.open`.
        rocksdb_options_set_max_write_buffer_number(
            native, isReadOnly ? Int32(options.writeBuffers) : Self.neverEnoughWriteBuffers)
        rocksdb_options_set_min_write_buffer_number_to_merge(native, Int32(options.writeBuffersPerFlush))
        // A read-only store may lie beside a running node that deletes files: it opens all of them at once.
        rocksdb_options_set_max_open_files(native, isReadOnly ? -1 : Int32(options.openFiles))
        rocksdb_options_set_max_background_jobs(native, 2)
        rocksdb_options_set_level_compaction_dynamic_level_bytes(native, 1)
        rocksdb_options_set_bytes_per_sync(native, 1 << 20)
        // Deleting an obsolete file is left to background threads, never to the reader that let go of it last.
        rocksdb_options_set_avoid_unnecessary_blocking_io(native, 1)
        // RocksDB's own log stays empty. A line that cannot be written, on a full disk say, makes the next one fail an
        // assertion that Debian's build has switched on, and that ends the process. What matters comes as an error.
        rocksdb_options_set_info_log_level(native, Self.aboveAllLogLevels)
        rocksdb_options_set_keep_log_file_num(native, 1)
        rocksdb_options_set_stats_dump_period_sec(native, 0)
        rocksdb_options_set_stats_persist_period_sec(native, 0)
    }

    private static func setSafety(_ native: OpaquePointer, _ options: RocksOptions) {
        rocksdb_options_set_paranoid_checks(native, 1)
        let mode =
            switch options.recovery {
            case .refuseDamage: rocksdb_tolerate_corrupted_tail_records_recovery
            case .keepIntactPrefix: rocksdb_point_in_time_recovery
            }
        rocksdb_options_set_wal_recovery_mode(native, Int32(mode))
    }

    private static func setTables(_ native: OpaquePointer, _ options: RocksOptions) {
        let tables = rocksdb_block_based_options_create()!
        // Ownership of the filter policy passes to the table options; the cache is shared by counting.
        rocksdb_block_based_options_set_filter_policy(tables, rocksdb_filterpolicy_create_bloom_full(10))
        rocksdb_block_based_options_set_whole_key_filtering(tables, 1)
        let cache = rocksdb_cache_create_lru(options.blockCacheBytes)!
        rocksdb_block_based_options_set_block_cache(tables, cache)
        rocksdb_cache_destroy(cache)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(tables, 1)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(tables, 1)
        rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(tables, 1)
        // A table's filter and index in one block each are larger than a shard of the cache: with a million names every
        // look-up read them from the file again. In parts of a few KiB they stay.
        rocksdb_block_based_options_set_index_type(
            tables, Int32(rocksdb_block_based_table_index_type_two_level_index_search))
        rocksdb_block_based_options_set_partition_filters(tables, 1)
        rocksdb_block_based_options_set_metadata_block_size(tables, 4 << 10)
        rocksdb_block_based_options_set_pin_top_level_index_and_filter(tables, 1)
        rocksdb_block_based_options_set_format_version(tables, 5)
        rocksdb_block_based_options_set_block_size(tables, 8 << 10)
        rocksdb_options_set_block_based_table_factory(native, tables)
        rocksdb_block_based_options_destroy(tables)
        rocksdb_options_set_compression(native, Int32(rocksdb_lz4_compression))
    }
}
