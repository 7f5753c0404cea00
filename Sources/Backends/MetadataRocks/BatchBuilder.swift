import CRocksDB
import Metadata
import StorageModel

/// Turns accepted transactions, in commit order, into one write batch on top of what the database holds.
struct BatchBuilder: ~Copyable {
    /// A deleted range with no more keys than this becomes single deletes: each range tombstone in memory makes reads
    /// of the whole store dearer, and most ranges that the node deletes hold a handful of keys.
    static let singleDeleteLimit = 64

    private let base: Snapshot
    private let batch = WriteBatch()
    /// The counter value of each key that the batch has written or asked for; 0 for what is no counter or was deleted.
    private var values: [[UInt8]: Int64] = [:]
    /// Counters whose sum is not yet in the batch: it is put there once, at the end.
    private var openCounters: Set<[UInt8]> = []
    private var deletedRanges: [KeyRange] = []

    /// `base` is the newest state: nothing else writes while the batch is built.
    init(on base: Snapshot) { self.base = base }

    /// What the database says about a transaction's writes: the keys in each range that it deletes, `nil` for many.
    struct Prepared {
        fileprivate var storedKeys: [[[UInt8]]?] = []
    }

    /// Does all reading that `append` will need, so that a read error cannot leave half a transaction in the batch.
    mutating func prepare(_ mutations: [Mutation]) throws(StorageFailure) -> Prepared {
        var prepared = Prepared()
        for mutation in mutations {
            switch mutation {
            case .deleteRange(let range):
                prepared.storedKeys.append(try storedKeys(in: range))
            case .add(let key, _) where values[key] == nil:
                let isDeleted = deletedRanges.contains { $0.contains(key) }
                values[key] = isDeleted ? 0 : CounterValue.decode(try base.get(key, .disk))
            case .add, .set, .setVersioned, .delete: break
            }
        }
        return prepared
    }

    /// Adds a transaction's writes under its commit number.
    mutating func append(_ mutations: [Mutation], _ prepared: Prepared, as version: Version) -> CommitWindow.Writes {
        var writes = CommitWindow.Writes()
        var storedKeys = prepared.storedKeys.makeIterator()
        let stamp = version.bigEndianBytes
        for mutation in mutations {
            switch mutation {
            case .set(let key, let value, let offsets):
                put(key, Self.stamped(value, with: stamp, at: offsets), &writes)
            case .setVersioned(let prefix, let suffix, let value, let offsets):
                put(prefix + stamp + suffix, Self.stamped(value, with: stamp, at: offsets), &writes)
            case .delete(let key):
                delete(key, &writes)
            case .deleteRange(let range):
                delete(range, stored: storedKeys.next() ?? nil, &writes)
            case .add(let key, let delta):
                values[key, default: 0] &+= delta
                openCounters.insert(key)
                writes.keys.append(key)
            }
        }
        return writes
    }

    /// The batch with all counters and the store's own keys.
    consuming func finish(lastVersion: Version, ceiling: Version?) -> WriteBatch {
        for key in openCounters {
            let value = values[key] ?? 0
            if value == 0 { batch.delete(key) } else { batch.put(key, CounterValue.encode(value)) }
        }
        batch.put(ReservedKeys.version, lastVersion.bigEndianBytes)
        if let ceiling { batch.put(ReservedKeys.versionCeiling, ceiling.bigEndianBytes) }
        return batch
    }

    private mutating func put(_ key: [UInt8], _ value: [UInt8], _ writes: inout CommitWindow.Writes) {
        batch.put(key, value)
        values[key] = CounterValue.decode(value)
        openCounters.remove(key)
        writes.keys.append(key)
    }

    private mutating func delete(_ key: [UInt8], _ writes: inout CommitWindow.Writes) {
        batch.delete(key)
        values[key] = 0
        openCounters.remove(key)
        writes.keys.append(key)
    }

    private mutating func delete(_ range: KeyRange, stored: [[UInt8]]?, _ writes: inout CommitWindow.Writes) {
        let known = values.keys.filter(range.contains)
        if let stored {
            for key in Set(stored).union(known) { delete(key, &writes) }
            return
        }
        batch.delete(from: range.lower, to: range.upper)
        for key in known {
            values[key] = 0
            openCounters.remove(key)
        }
        deletedRanges.append(range)
        writes.ranges.append(range)
    }

    /// The keys of `range` in the database, or `nil` if they are more than the limit or hard to come by.
    private func storedKeys(in range: KeyRange) throws(StorageFailure) -> [[UInt8]]? {
        let cursor = RangeCursor(
            in: range, of: base, tier: .disk, recorder: nil, skipLimit: 1_000, onFailure: { _ in })
        var keys: [[UInt8]] = []
        do {
            while let entry = try cursor.next() {
                guard keys.count < Self.singleDeleteLimit else { return nil }
                keys.append(entry.key)
            }
        } catch {
            // The cursor gave up after passing too many old deletions.
            guard error.code == .wouldBlock else { throw error }
            return nil
        }
        return keys
    }

    private static func stamped(_ value: [UInt8], with stamp: [UInt8], at offsets: [Int]) -> [UInt8] {
        guard !offsets.isEmpty else { return value }
        var value = value
        for offset in offsets { value.replaceSubrange(offset..<offset + 8, with: stamp) }
        return value
    }
}
