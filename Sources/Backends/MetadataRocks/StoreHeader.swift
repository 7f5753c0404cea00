import CRocksDB
import Metadata
import StorageModel

/// What the store says about itself under its reserved keys.
struct StoreHeader {
    /// What the database says; commits up to it are all there.
    var storedVersion: UInt64
    /// No version up to this one is given to a commit.
    var lastVersion: UInt64
    var versionCeiling: UInt64

    /// Reads the header; writes that of a new store.
    ///
    /// - Parameter mustExist: it was there before, so that its absence is damage.
    /// - Throws: `.damaged` when the directory holds something else than a store of ours; `.unavailable` when the
    ///   format is one that this release does not know.
    static func load(from database: RocksDatabase, isReadOnly: Bool, mustExist: Bool = false) throws(StorageFailure)
        -> StoreHeader
    {
        let state = Snapshot(of: database, version: 0)
        guard let format = try state.get(ReservedKeys.format, .disk) else {
            if mustExist { throw StorageFailure(.damaged, cause: "the metadata store has lost its header") }
            try requireEmpty(state)
            // A crash may have come between the directory's creation and the first write.
            if !isReadOnly { try create(in: database) }
            return StoreHeader(storedVersion: 0, lastVersion: 0, versionCeiling: 0)
        }
        guard format == ReservedKeys.currentFormat else {
            throw StorageFailure(.unavailable, cause: "metadata format \(format) is not one that this release reads")
        }
        guard let last = try state.get(ReservedKeys.version, .disk).flatMap(Version.init(bigEndianBytes:)) else {
            throw StorageFailure(.damaged, cause: "the metadata store has lost its version counter")
        }
        let ceiling = try state.get(ReservedKeys.versionCeiling, .disk).flatMap(Version.init(bigEndianBytes:))
        // Numbers up to the ceiling may have been given to commits that power loss took back.
        let first = max(last.rawValue, ceiling?.rawValue ?? 0)
        return StoreHeader(storedVersion: last.rawValue, lastVersion: first, versionCeiling: first)
    }

    private static func requireEmpty(_ state: Snapshot) throws(StorageFailure) {
        let everything = KeyRange(from: [], to: Array(repeating: 0xFF, count: ReservedKeys.maximumKeyBytes + 1))
        let cursor = RangeCursor(in: everything, of: state, tier: .disk, recorder: nil, onFailure: { _ in })
        guard try cursor.next() == nil else {
            throw StorageFailure(.damaged, cause: "the directory holds a database that is no metadata store")
        }
    }

    private static func create(in database: RocksDatabase) throws(StorageFailure) {
        let batch = WriteBatch()
        batch.put(ReservedKeys.format, ReservedKeys.currentFormat)
        batch.put(ReservedKeys.version, Version(0).bigEndianBytes)
        try database.write(batch, isSynced: true)
    }
}
