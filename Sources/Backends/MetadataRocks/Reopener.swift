import Glibc
import StorageModel

/// Closes and opens the database inside the running process: the only cure for a commit of unknown outcome.
///
/// Opening reads the logs and writes what they hold into new tables, which are synced before the opening ends, and drops
/// the logs. So nothing that is served afterwards rests on pages that the kernel may have failed to write.
/// Used by the committer's thread alone; everything here blocks.
struct Reopener: Sendable {
    enum Outcome {
        case reopened(Snapshot, StoreHeader)
        /// Not now: the disk or a long read stands in the way.
        case postponed
        /// The files are damaged, or acknowledged commits are gone: no further attempt will help.
        case failed
    }

    let directory: String
    let options: RocksOptions
    let probe: DiskProbe
    let serving: ServingState

    /// - Parameters:
    ///   - acknowledged: the last version that a caller was told of.
    ///   - drawn: the last version that was given to a commit, whatever became of it; none up to it is given again.
    func attempt(acknowledged: UInt64, drawn: UInt64) -> Outcome {
        do throws(StorageFailure) { try probe.run() } catch { return .postponed }
        guard let closed = letGo() else { return .postponed }
        let reopened: Opened
        // One number is left out: bodies that ran on what was readable meanwhile, a failed batch included, must run again.
        do throws(StorageFailure) { reopened = try open(isReadOnly: false, drawn: drawn + 1) } catch {
            guard error.code != .damaged else {
                serving.fail(error, databaseClosed: closed)
                return .failed
            }
            readOn(after: closed, drawn: drawn)
            return .postponed
        }
        // With relaxed durability a failing disk may take the last commits, as power loss may.
        let stored = reopened.header.storedVersion
        if options.durability == .synced, stored < acknowledged {
            let loss = StorageFailure(
                .damaged, cause: "the metadata log ends at version \(stored), but \(acknowledged) was acknowledged")
            serving.fail(loss, databaseClosed: reopened.closed)
            return .failed
        }
        // What is left of the old logs beside the database costs space and nothing else; the next opening drops it.
        do throws(StorageFailure) { try StoreFiles.dropKeptLogs(in: directory) } catch { _ = error }
        serving.resume(reopened.snapshot, databaseClosed: reopened.closed)
        return .reopened(reopened.snapshot, reopened.header)
    }

    /// Waits for the reads under way and for the end of the old database. `nil` when reads take longer than the bound:
    /// then all go on as before.
    private func letGo() -> Signal? {
        var (taken, closed) = serving.beginReopening()
        weak let old = taken
        taken = nil
        // Without a snapshot there is no database to wait for but one whose closing has begun already.
        var waitedMilliseconds = 0
        while !closed.hasFired {
            usleep(2_000)
            waitedMilliseconds += 2
            if waitedMilliseconds >= options.reopeningDrainMilliseconds, let held = old {
                serving.giveUpReopening(with: held, databaseClosed: closed)
                return nil
            }
        }
        return closed
    }

    private struct Opened {
        var snapshot: Snapshot
        var header: StoreHeader
        var closed: Signal
    }

    private func open(isReadOnly: Bool, drawn: UInt64) throws(StorageFailure) -> Opened {
        let closed = Signal()
        do throws(StorageFailure) {
            let database = try RocksDatabase.open(
                directory: directory, options: options, isReadOnly: isReadOnly, closed: closed)
            let header = try StoreHeader.load(from: database, isReadOnly: isReadOnly, mustExist: true)
            let snapshot = Snapshot(of: database, version: max(header.lastVersion, drawn))
            return Opened(snapshot: snapshot, header: header, closed: closed)
        } catch {
            // Closing goes on in a thread of its own, and the next opening needs its end.
            closed.waitBlocking()
            throw error
        }
    }

    /// The disk has failed again in the middle: reads at least go on, from the files as they are.
    private func readOn(after closed: Signal, drawn: UInt64) {
        do throws(StorageFailure) {
            let reading = try open(isReadOnly: true, drawn: drawn)
            serving.giveUpReopening(with: reading.snapshot, databaseClosed: reading.closed)
        } catch { serving.giveUpReopening(with: nil, databaseClosed: closed) }
    }
}
