import CRocksDB
import Metadata
import StorageModel

/// A position among the entries of a range, over one RocksDB iterator. Freed with its last user.
final class RangeCursor: MetadataCursor {
    private enum Position {
        case fresh
        case beforeFirst
        case at([UInt8])
        case behindLast
    }

    private let snapshot: Snapshot
    private let range: KeyRange
    private let iterator: OpaquePointer
    private let options: OpaquePointer
    /// RocksDB keeps pointers to the bounds as long as the iterator lives.
    private let bounds: UnsafeMutableBufferPointer<CChar>
    private let onFailure: (StorageFailure) -> Void
    private let recorder: ReadRecorder?
    private var position = Position.fresh
    private var step: Int?

    /// With `skipLimit`, a move that passes more deleted keys than that throws `.wouldBlock`.
    init(
        in range: KeyRange, of snapshot: Snapshot, tier: Snapshot.Tier, recorder: ReadRecorder?,
        skipLimit: UInt64? = nil, onFailure: @escaping (StorageFailure) -> Void
    ) {
        self.snapshot = snapshot
        // An inverted range is an empty one; RocksDB would not promise that.
        self.range =
            range.upper.lexicographicallyPrecedes(range.lower)
            ? KeyRange(from: range.lower, to: range.lower) : range
        self.recorder = recorder
        self.onFailure = onFailure
        let lower = self.range.lower
        let upper = self.range.upper
        bounds = .allocate(capacity: lower.count + upper.count + 1)
        _ = bounds.initialize(from: (lower + upper).lazy.map { CChar(bitPattern: $0) })
        options = snapshot.makeOptions(tier)
        rocksdb_readoptions_set_iterate_lower_bound(options, bounds.baseAddress!, lower.count)
        rocksdb_readoptions_set_iterate_upper_bound(options, bounds.baseAddress! + lower.count, upper.count)
        if let skipLimit { rocksdb_readoptions_set_max_skippable_internal_keys(options, skipLimit) }
        iterator = rocksdb_create_iterator(snapshot.database.handle, options)
    }

    deinit {
        rocksdb_iter_destroy(iterator)
        rocksdb_readoptions_destroy(options)
        bounds.deallocate()
    }

    func next() throws(StorageFailure) -> MetadataEntry? {
        let from: [UInt8]
        switch position {
        case .behindLast: return nil
        case .at(let key):
            rocksdb_iter_next(iterator)
            from = key
        case .fresh, .beforeFirst:
            rocksdb_iter_seek_to_first(iterator)
            from = range.lower
            step = nil
        }
        return try arrive(ascendingFrom: from)
    }

    func previous() throws(StorageFailure) -> MetadataEntry? {
        let to: [UInt8]
        switch position {
        case .beforeFirst: return nil
        case .at(let key):
            rocksdb_iter_prev(iterator)
            to = key
        case .fresh, .behindLast:
            rocksdb_iter_seek_to_last(iterator)
            to = range.upper
            step = nil
        }
        return try arrive(descendingTo: to)
    }

    func seek(_ key: [UInt8]) throws(StorageFailure) -> MetadataEntry? {
        step = nil
        guard key.lexicographicallyPrecedes(range.upper) else {
            position = .behindLast
            return nil
        }
        let from = key.lexicographicallyPrecedes(range.lower) ? range.lower : key
        from.withCharacters { rocksdb_iter_seek(iterator, $0, $1) }
        return try arrive(ascendingFrom: from)
    }

    func seekBackward(_ key: [UInt8]) throws(StorageFailure) -> MetadataEntry? {
        step = nil
        guard !key.lexicographicallyPrecedes(range.lower) else {
            position = .beforeFirst
            return nil
        }
        let to: [UInt8]
        if key.lexicographicallyPrecedes(range.upper) {
            key.withCharacters { rocksdb_iter_seek_for_prev(iterator, $0, $1) }
            to = key + [0]
        } else {
            rocksdb_iter_seek_to_last(iterator)
            to = range.upper
        }
        return try arrive(descendingTo: to)
    }

    /// Reads where the iterator stands after a move that passed over all keys from `from` on.
    private func arrive(ascendingFrom from: [UInt8]) throws(StorageFailure) -> MetadataEntry? {
        let entry = try current()
        position = entry.map { .at($0.key) } ?? .behindLast
        step = recorder?.travelled(KeyRange(from: from, to: entry.map { $0.key + [0] } ?? range.upper), extending: step)
        return entry
    }

    /// Reads where the iterator stands after a move that passed over all keys before `to`.
    private func arrive(descendingTo to: [UInt8]) throws(StorageFailure) -> MetadataEntry? {
        let entry = try current()
        position = entry.map { .at($0.key) } ?? .beforeFirst
        step = recorder?.travelled(KeyRange(from: entry?.key ?? range.lower, to: to), extending: step)
        return entry
    }

    private func current() throws(StorageFailure) -> MetadataEntry? {
        guard rocksdb_iter_valid(iterator) != 0 else {
            do {
                try rocksCall("iterate") { rocksdb_iter_get_error(iterator, $0) }
            } catch {
                onFailure(error)
                throw error
            }
            return nil
        }
        var count = 0
        let key = rocksdb_iter_key(iterator, &count)
        let keyBytes = [UInt8](characters: key, count: count)
        let value = rocksdb_iter_value(iterator, &count)
        return MetadataEntry(key: keyBytes, value: [UInt8](characters: value, count: count))
    }
}
