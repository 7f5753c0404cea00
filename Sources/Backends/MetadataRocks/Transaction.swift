import Metadata
import StorageModel

/// One write of a transaction, as it was asked for.
enum Mutation: Sendable {
    case set(key: [UInt8], value: [UInt8], versionAt: [Int])
    case setVersioned(prefix: [UInt8], suffix: [UInt8], value: [UInt8], versionAt: [Int])
    case delete(key: [UInt8])
    case deleteRange(KeyRange)
    case add(key: [UInt8], delta: Int64)

    var byteCount: Int {
        switch self {
        case .set(let key, let value, _): key.count + value.count
        case .setVersioned(let prefix, let suffix, let value, _): prefix.count + suffix.count + value.count + 8
        case .delete(let key): key.count
        case .deleteRange(let range): range.lower.count + range.upper.count
        case .add(let key, _): key.count + 8
        }
    }

    var frees: Bool {
        switch self {
        case .delete, .deleteRange: true
        case .set, .setVersioned, .add: false
        }
    }
}

/// What must not change between a transaction's snapshot and its commit.
struct ReadSet: Sendable {
    var keys: [[UInt8]] = []
    var ranges: [KeyRange] = []
}

/// Collects a transaction's `ReadSet` while its body runs.
final class ReadRecorder {
    private(set) var reads = ReadSet()

    func read(_ key: [UInt8]) { reads.keys.append(key) }

    /// Notes that a cursor passed over `part`. `step`, which an earlier call for the same cursor gave, names a stretch
    /// that `part` touches: it grows instead of becoming one more.
    func travelled(_ part: KeyRange, extending step: Int?) -> Int {
        guard let step else {
            reads.ranges.append(part)
            return reads.ranges.count - 1
        }
        if part.lower.lexicographicallyPrecedes(reads.ranges[step].lower) { reads.ranges[step].lower = part.lower }
        if reads.ranges[step].upper.lexicographicallyPrecedes(part.upper) { reads.ranges[step].upper = part.upper }
        return step
    }
}

/// One run of a transaction's body: reads go to the snapshot and are noted, writes are kept for the commit.
final class Transaction: MetadataTransaction {
    private let reader: SnapshotReader
    private let recorder = ReadRecorder()
    private(set) var mutations: [Mutation] = []
    private(set) var byteCount = 0
    /// A key or value that the seam's limits do not allow; refused at the commit.
    private(set) var violation: StorageFailure?
    #if DEBUG
        private var written: Set<[UInt8]> = []
    #endif

    init(_ reader: SnapshotReader) { self.reader = reader }

    var reads: ReadSet { recorder.reads }
    var version: Version { reader.version }

    func get(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]? {
        assertNotWritten(key)
        let value = try reader.get(key)
        recorder.read(key)
        return value
    }

    func getShared(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]? {
        assertNotWritten(key)
        let value = try reader.getShared(key)
        recorder.read(key)
        return value
    }

    func peek(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]? {
        assertNotWritten(key)
        return try reader.get(key)
    }

    func cursor(in range: KeyRange) throws(StorageFailure) -> any MetadataCursor {
        reader.cursor(in: range, recorder: recorder)
    }

    func set(_ key: [UInt8], _ value: [UInt8], versionAt offsets: [Int]) {
        ReservedKeys.requireUserKey(key)
        requireRoom(for: offsets, in: value)
        noteWritten(key)
        append(.set(key: key, value: value, versionAt: offsets), keyBytes: key.count, valueBytes: value.count)
    }

    func setVersioned(prefix: [UInt8], suffix: [UInt8], _ value: [UInt8], versionAt offsets: [Int]) {
        ReservedKeys.requireUserKey(prefix)
        requireRoom(for: offsets, in: value)
        append(
            .setVersioned(prefix: prefix, suffix: suffix, value: value, versionAt: offsets),
            keyBytes: prefix.count + suffix.count + 8, valueBytes: value.count)
    }

    func delete(_ key: [UInt8]) {
        ReservedKeys.requireUserKey(key)
        noteWritten(key)
        append(.delete(key: key), keyBytes: key.count)
    }

    func delete(_ range: KeyRange) {
        let range = ReservedKeys.userPart(of: range)
        guard range.lower.lexicographicallyPrecedes(range.upper) else { return }
        append(.deleteRange(range), keyBytes: 1)
    }

    func add(_ key: [UInt8], _ delta: Int64) {
        ReservedKeys.requireUserKey(key)
        noteWritten(key)
        append(.add(key: key, delta: delta), keyBytes: key.count)
    }

    private func append(_ mutation: Mutation, keyBytes: Int, valueBytes: Int = 0) {
        if keyBytes > ReservedKeys.maximumKeyBytes {
            violation = StorageFailure(.internal, cause: "a metadata key of \(keyBytes) bytes")
        }
        if valueBytes > ReservedKeys.maximumValueBytes {
            violation = StorageFailure(.internal, cause: "a metadata value of \(valueBytes) bytes")
        }
        mutations.append(mutation)
        byteCount += mutation.byteCount
    }

    private func requireRoom(for offsets: [Int], in value: [UInt8]) {
        precondition(
            offsets.allSatisfy { $0 >= 0 && $0 + 8 <= value.count }, "a version's place lies outside of the value")
    }

    /// Reads see the snapshot alone: a body that reads what it wrote expects something else, which is our own mistake.
    private func assertNotWritten(_ key: [UInt8]) {
        #if DEBUG
            assert(!written.contains(key), "a transaction reads a key that it has written")
        #endif
    }

    private func noteWritten(_ key: [UInt8]) {
        #if DEBUG
            written.insert(key)
        #endif
    }
}
