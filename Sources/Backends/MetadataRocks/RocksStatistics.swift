/// Counts since the store was opened.
package struct RocksStatistics: Hashable, Sendable {
    /// Transactions that wrote something and were committed.
    package var commits = 0
    /// Writes to the log, each of which holds one or more commits.
    package var batches = 0
    /// Batches that waited for the medium.
    package var syncs = 0
    /// Runs of a transaction whose commit was refused because of another one.
    package var conflicts = 0
    /// Bytes of keys and values in commits, before compression and the log's own framing.
    package var bytesWritten = 0
    /// Bodies that began on the caller's thread and had to be run again on one that may wait for the disk.
    package var memoryMisses = 0
    /// Transactions that wait for the committer now.
    package var waitingCommits = 0
    /// How often the database was opened again after a failed commit.
    package var reopenings = 0
    /// Whether writes are refused since a commit failed.
    package var refusesWrites = false

    package init() {}
}
