import StorageModel

/// Bounds and choices of a local extent store. The defaults suit a node with a few cores and one file system.
package struct LocalExtentOptions: Sendable {
    package enum Durability: Sendable, Hashable {
        /// What `seal` returned survives power loss.
        case synced
        /// What `seal` returned survives a killed process, not power loss. For scratch nodes.
        case relaxed
    }

    /// Where a segment file is full. At least one extent fits.
    package var segmentBytes: Int64 = 1 << 30
    /// How far ahead of its tail a segment is allocated; the file system then keeps it in few pieces.
    package var preallocationBytes: Int64 = 64 << 20
    /// Segments that are filled at the same time.
    package var lanes = 4
    package var maximumExtentLength = 8 << 20
    /// Bytes gathered before a job writes them; a body holds two such buffers at most.
    package var writeBufferBytes = 256 << 10
    /// What the buffers of all bodies aim to stay within: they get smaller when there are many.
    package var writeMemoryBytes = 64 << 20
    /// Bodies under way.
    package var maximumSinks = 4096
    /// Threads that write, read, verify and free.
    package var inputOutputThreads = 8
    /// Threads that sync, so that a slow sync holds up no read.
    package var syncThreads = 4
    /// Reads that wait for a thread; the next one is refused as busy.
    package var maximumQueuedReads = 4096
    /// Descriptors of full segments kept open for readers.
    package var openFiles = 512
    /// Segments whose verified extents are remembered (a segment of 1 GiB needs at most 32 KiB).
    package var verifiedSegments = 1024
    /// What live and promised bytes may not exceed; `nil` derives it from the file system when the store is opened.
    package var budgetBytes: Int64?
    /// Bytes that the file system must keep free whatever the budget says: segments grow no further. More than what the
    /// metadata wants to keep, so that names can still be deleted when no bytes fit any more. 0 switches the check off.
    package var freeSpaceReserveBytes: Int64 = 128 << 20
    package var durability = Durability.synced

    package init() {}

    func validated() throws(StorageFailure) {
        let isSound =
            segmentBytes % SegmentLayout.blockBytes == 0 && preallocationBytes % SegmentLayout.blockBytes == 0
            && preallocationBytes >= 0 && maximumExtentLength >= Int(SegmentLayout.blockBytes)
            && Int64(maximumExtentLength) % SegmentLayout.blockBytes == 0
            && segmentBytes >= Int64(maximumExtentLength) && lanes > 0 && writeBufferBytes > 0 && writeMemoryBytes > 0
            && maximumSinks > 0
            && inputOutputThreads > 0 && syncThreads > 0 && maximumQueuedReads > 0 && openFiles > 0
            && verifiedSegments > 0 && freeSpaceReserveBytes >= 0 && (budgetBytes ?? 0) >= 0
        guard isSound else { throw StorageFailure(.invalidInput, detail: "The extent store's options contradict.") }
    }
}
