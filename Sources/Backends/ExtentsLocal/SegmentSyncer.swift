import StorageModel

/// Syncs one segment for all bodies that wait for it: a sync that begins after a body's last write covers the body, so
/// those who come while one runs share the next.
///
/// A failed sync poisons the segment for good: the kernel may have dropped the pages that it could not write, and a
/// later sync would then succeed without them.
final class SegmentSyncer: Sendable {
    private struct State {
        var waiting: [CheckedContinuation<StorageFailure?, Never>] = []
        var isRunning = false
        var poison: StorageFailure?
        /// The file's own metadata and its directory entry are durable.
        var isNameDurable = false
    }

    private let state = Locked(State())
    private let label: String
    private let segmentsDirectory: String
    private let calls: FileSystemCalls
    private let onPoison: @Sendable () -> Void

    init(
        label: String, segmentsDirectory: String, calls: FileSystemCalls, onPoison: @escaping @Sendable () -> Void = {}
    ) {
        self.onPoison = onPoison
        self.label = label
        self.segmentsDirectory = segmentsDirectory
        self.calls = calls
    }

    /// Bodies that the next sync will serve.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    var isPoisoned: Bool { state.withLock { $0.poison != nil } }

    /// Everything that was written to the file before this call is durable when it returns.
    func sync(_ file: OpenFile, on threads: ThreadPool) async throws(StorageFailure) {
        let failure = await withCheckedContinuation { continuation in
            let (poison, mustStart) = state.withLock { state in
                if let poison = state.poison { return (StorageFailure?.some(poison), false) }
                state.waiting.append(continuation)
                defer { state.isRunning = true }
                return (nil, !state.isRunning)
            }
            if let poison { continuation.resume(returning: poison) }
            if mustStart { threads.submit { self.run(file, on: threads) } }
        }
        if let failure { throw failure }
    }

    private func run(_ file: OpenFile, on threads: ThreadPool) {
        let (batch, isNameDurable) = state.withLock { state in
            defer { state.waiting = [] }
            return (state.waiting, state.isNameDurable)
        }
        let failure = performSync(file, isNameDurable: isNameDurable)
        let (late, mustRunAgain) = state.withLock { state in
            state.isNameDurable = state.isNameDurable || failure == nil
            state.poison = failure
            // After a failure the ones who came meanwhile get it too: their bytes are in the same segment.
            let late = failure == nil ? [] : state.waiting
            if failure != nil { state.waiting = [] }
            state.isRunning = !state.waiting.isEmpty
            return (late, state.isRunning)
        }
        if failure != nil { onPoison() }
        for waiter in batch + late { waiter.resume(returning: failure) }
        // Submitted anew instead of looped, so that one busy segment does not keep a thread from the others.
        if mustRunAgain { threads.submit { self.run(file, on: threads) } }
    }

    private func performSync(_ file: OpenFile, isNameDurable: Bool) -> StorageFailure? {
        do throws(FileError) {
            if isNameDurable {
                try calls.uninterrupted { calls.syncData(file.descriptor) }
                return nil
            }
            try calls.uninterrupted { calls.syncAll(file.descriptor) }
        } catch { return StorageFailure(.unavailable, cause: "sync \(label): \(error.text)") }
        do throws(StorageFailure) {
            try DurableFile.syncDirectory(
                segmentsDirectory, label: SegmentLayout.segmentsDirectory, calls: calls)
            return nil
        } catch { return StorageFailure(.unavailable, cause: error.cause) }
    }
}
