package import StorageModel

/// Ordered bytes with serializable transactions: the place of every name and record of the node.
///
/// The seam knows bytes and order, never blobs. Keys compare as unsigned bytes; keys are 1 to 4,096 bytes, values at
/// most 8 MiB. Every transaction that writes gets a `Version`: strictly increasing in commit order, never used twice,
/// also across restarts. What a transaction has committed survives power loss once `transact` has returned.
package protocol MetadataStore: AnyObject, Sendable {
    /// Runs `body` on a consistent snapshot of everything committed before the call.
    ///
    /// `body` must be a pure function of what it reads: under `.point` it may run twice, first on the caller's thread
    /// against memory alone and, when that does not suffice, again on a thread that may wait for the disk.
    func read<Result: Sendable>(
        _ access: ReadAccess, _ body: @escaping @Sendable (any MetadataReader) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Result

    /// Runs `body` against a snapshot and commits its writes if nothing that it read has changed meanwhile; otherwise
    /// runs it again, so `body` must have no effects of its own. Ends without a commit when `body` throws or writes nothing.
    ///
    /// - Throws: what `body` throws; `.busy` after too many conflicts; `.outOfSpace`; `.internal`. `.unavailable` means that
    ///   the outcome of the commit is unknown, or that the store is closed; after an unknown outcome all further writes
    ///   throw `.readOnly`, without effect, until the store is opened again.
    func transact<Result: Sendable>(
        _ body: @escaping @Sendable (any MetadataTransaction) throws(StorageFailure) -> Result
    ) async throws(StorageFailure) -> Committed<Result>

    /// Writes a complete, consistent copy that can be opened as a store of its own. The directory must not exist.
    func checkpoint(to directory: String) async throws(StorageFailure)

    /// Finishes what is under way; later calls throw `.unavailable`.
    func close() async
}

package enum ReadAccess: Sendable {
    /// A few keys that are probably in memory.
    case point
    /// Many keys: goes to a thread that may wait for the disk right away.
    case scan
}

/// What a transaction gave, and its commit number (`nil` when it wrote nothing).
package struct Committed<Result: Sendable>: Sendable {
    package var result: Result
    package var version: Version?
    package init(result: Result, version: Version?) {
        self.result = result
        self.version = version
    }
}

/// A consistent view. Valid only inside the closure that it was given to, on that thread.
package protocol MetadataReader {
    /// Of the view: every commit up to this one shows in it, and no later one.
    var version: Version { get }
    func get(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]?
    /// The same for one of the few keys that most requests read: a backend may keep such a value at hand for as long as
    /// the view lasts.
    func getShared(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]?
    /// For reading the entries of `range` in order. Inside a transaction the part of the range that the cursor has
    /// travelled, gaps included, joins what must not change before the commit.
    func cursor(in range: KeyRange) throws(StorageFailure) -> any MetadataCursor
}

extension MetadataReader {
    package func getShared(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]? { try get(key) }
}

/// A position among the entries of a range. Starts before the first one.
package protocol MetadataCursor: AnyObject {
    /// Moves to the next entry in ascending order and answers it; `nil` at the end.
    func next() throws(StorageFailure) -> MetadataEntry?
    /// Moves to the previous entry; right after creation, to the last one of the range. `nil` at the start.
    func previous() throws(StorageFailure) -> MetadataEntry?
    /// Moves to the first entry at or after `key` (never before the range's start) and answers it.
    func seek(_ key: [UInt8]) throws(StorageFailure) -> MetadataEntry?
    /// Moves to the last entry at or before `key` (never behind the range's end) and answers it.
    func seekBackward(_ key: [UInt8]) throws(StorageFailure) -> MetadataEntry?
}

package struct MetadataEntry: Hashable, Sendable {
    package var key: [UInt8]
    package var value: [UInt8]
    package init(key: [UInt8], value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

/// Reads see the snapshot, never the transaction's own writes: a transaction reads first and writes then.
/// Writes apply in the order of the calls.
package protocol MetadataTransaction: MetadataReader {
    func set(_ key: [UInt8], _ value: [UInt8], versionAt offsets: [Int])
    /// Sets the key `prefix + version + suffix`, the version as eight big-endian bytes.
    func setVersioned(prefix: [UInt8], suffix: [UInt8], _ value: [UInt8], versionAt offsets: [Int])
    func delete(_ key: [UInt8])
    func delete(_ range: KeyRange)
    /// Adds to the signed 64-bit little-endian number at `key` (absent counts as 0) at commit, without a conflict between
    /// transactions that add to the same key. A sum of 0 removes the key.
    func add(_ key: [UInt8], _ delta: Int64)
    /// Reads without joining the read set: the value may have changed by the time of the commit.
    func peek(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]?
}

extension MetadataTransaction {
    package func set(_ key: [UInt8], _ value: [UInt8]) { set(key, value, versionAt: []) }
}

/// Keys from `lower` up to but without `upper`.
package struct KeyRange: Hashable, Sendable {
    package var lower: [UInt8]
    package var upper: [UInt8]

    package init(from lower: [UInt8], to upper: [UInt8]) {
        self.lower = lower
        self.upper = upper
    }

    /// All keys that begin with `prefix`, which must not be empty or all 0xFF.
    package init(prefix: [UInt8]) {
        lower = prefix
        upper = KeyRange.successor(ofPrefix: prefix)
    }

    /// The first key behind all those that begin with `prefix`.
    package static func successor(ofPrefix prefix: [UInt8]) -> [UInt8] {
        var bound = prefix
        while let last = bound.last {
            if last < 0xFF {
                bound[bound.count - 1] = last + 1
                return bound
            }
            bound.removeLast()
        }
        preconditionFailure("a prefix of 0xFF bytes has no successor")
    }

    package func contains(_ key: [UInt8]) -> Bool {
        !key.lexicographicallyPrecedes(lower) && key.lexicographicallyPrecedes(upper)
    }
}

/// The form of the numbers that `add` keeps.
package enum CounterValue {
    package static func decode(_ bytes: [UInt8]?) -> Int64 {
        guard let bytes, bytes.count == 8 else { return 0 }
        var value: UInt64 = 0
        for byte in bytes.reversed() { value = value << 8 | UInt64(byte) }
        return Int64(bitPattern: value)
    }
    package static func encode(_ value: Int64) -> [UInt8] {
        let bits = UInt64(bitPattern: value)
        return (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
    }
}
