import Metadata
import StorageModel

/// What the last commits wrote, to tell whether a transaction that began before some of them may still commit.
///
/// Bounded in commits and bytes; a snapshot older than what it remembers counts as conflicting.
struct CommitWindow: Sendable {
    /// What one commit wrote.
    struct Writes: Sendable {
        var keys: [[UInt8]] = []
        /// Ranges deleted as such, because they held too many keys to name.
        var ranges: [KeyRange] = []

        fileprivate var byteCount: Int {
            // Beside its bytes a key costs an array header and its places in two collections.
            keys.reduce(0) { $0 + $1.count + 96 } + ranges.reduce(0) { $0 + $1.lower.count + $1.upper.count + 128 }
        }
    }

    private let commitLimit: Int
    private let byteLimit: Int
    /// `records[head + n]` is what the commit `floor + 1 + n` wrote.
    private var records: [Writes] = []
    private var head = 0
    private var byteCount = 0
    /// Snapshots from this version on can be told about.
    private(set) var floor: UInt64
    private var latestWrites: [[UInt8]: UInt64] = [:]
    private var rangeDeletes: [(version: UInt64, range: KeyRange)] = []

    init(after version: UInt64, commitLimit: Int, byteLimit: Int) {
        floor = version
        self.commitLimit = commitLimit
        self.byteLimit = byteLimit
    }

    var newest: UInt64 { floor + UInt64(records.count - head) }

    /// Takes what the commit after `newest` wrote.
    mutating func append(_ writes: Writes) {
        records.append(writes)
        byteCount += writes.byteCount
        let version = newest
        for key in writes.keys { latestWrites[key] = version }
        for range in writes.ranges { rangeDeletes.append((version, range)) }
        while records.count - head > commitLimit || byteCount > byteLimit, head < records.count { dropOldest() }
    }

    /// A key at which a commit after `snapshot` touched what was read; empty when the snapshot is too old to tell.
    func conflict(of reads: ReadSet, since snapshot: UInt64) -> [UInt8]? {
        if snapshot >= newest { return nil }
        guard snapshot >= floor else { return [] }
        for key in reads.keys {
            if let version = latestWrites[key], version > snapshot { return key }
        }
        for (version, deleted) in rangeDeletes where version > snapshot {
            if let key = reads.keys.first(where: deleted.contains) { return key }
            if reads.ranges.contains(where: { Self.overlap($0, deleted) }) { return deleted.lower }
        }
        guard !reads.ranges.isEmpty else { return nil }
        for record in records[(head + Int(snapshot - floor))...] {
            for key in record.keys where reads.ranges.contains(where: { $0.contains(key) }) { return key }
        }
        return nil
    }

    private static func overlap(_ left: KeyRange, _ right: KeyRange) -> Bool {
        left.lower.lexicographicallyPrecedes(right.upper) && right.lower.lexicographicallyPrecedes(left.upper)
    }

    private mutating func dropOldest() {
        let oldest = records[head]
        records[head] = Writes()
        head += 1
        floor += 1
        byteCount -= oldest.byteCount
        for key in oldest.keys where latestWrites[key] == floor { latestWrites[key] = nil }
        if !oldest.ranges.isEmpty { rangeDeletes.removeAll { $0.version <= floor } }
        if head > 1_024, head * 2 > records.count {
            records.removeFirst(head)
            head = 0
        }
    }
}
