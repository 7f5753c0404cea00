import Metadata
import StorageModel

/// Reads of one snapshot, for one run of a body on one thread.
final class SnapshotReader: MetadataReader {
    let snapshot: Snapshot
    private let tier: Snapshot.Tier
    /// Whether memory did not suffice. Asked for after the body, which may have swallowed the error.
    private(set) var hasMissedMemory = false

    init(_ snapshot: Snapshot, _ tier: Snapshot.Tier) {
        self.snapshot = snapshot
        self.tier = tier
    }

    var version: Version { Version(snapshot.version) }

    func get(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]? {
        ReservedKeys.requireUserKey(key)
        do { return try snapshot.get(key, tier) } catch {
            note(error)
            throw error
        }
    }

    func getShared(_ key: [UInt8]) throws(StorageFailure) -> [UInt8]? {
        ReservedKeys.requireUserKey(key)
        do { return try snapshot.getShared(key, tier) } catch {
            note(error)
            throw error
        }
    }

    func cursor(in range: KeyRange) throws(StorageFailure) -> any MetadataCursor {
        cursor(in: range, recorder: nil)
    }

    func cursor(in range: KeyRange, recorder: ReadRecorder?) -> RangeCursor {
        RangeCursor(
            in: ReservedKeys.userPart(of: range), of: snapshot, tier: tier, recorder: recorder,
            onFailure: { [self] failure in note(failure) })
    }

    private func note(_ failure: StorageFailure) {
        if failure.code == .wouldBlock { hasMissedMemory = true }
    }
}
