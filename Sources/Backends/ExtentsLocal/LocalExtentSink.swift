import Extents
import NIOCore
import StorageModel

/// One body on its way to segments. Bytes gather in one buffer while a job writes the buffer before: that is all the
/// memory a body holds, and a slow disk makes `append` wait.
final class LocalExtentSink: ExtentSink {
    /// What the store lends to its sinks.
    struct Services: Sendable {
        var gate: OperationGate
        var threads: ThreadPool
        var syncThreads: ThreadPool
        var buffers: WriteBufferPool
        var durability: LocalExtentOptions.Durability
        /// Called once, when the body has ended.
        var ended: @Sendable () -> Void
    }
    private enum Phase { case open, sealing, ended }
    private struct State {
        var phase = Phase.open
        var gathering: WriteBuffer?
        var inFlight: PendingJob?
        /// The first failure; every later call answers it.
        var failure: StorageFailure?
        var expectedLength: Int64?
    }

    private let state: Locked<State>
    private let writer: BodyWriter
    private let services: Services

    init(writer: BodyWriter, expectedLength: Int64?, services: Services) {
        self.writer = writer
        self.services = services
        state = Locked(State(expectedLength: expectedLength))
    }

    deinit {
        // Whoever drops a sink without ending it has a bug; the space comes back nevertheless.
        let (phase, inFlight) = state.withLock { ($0.phase, $0.inFlight) }
        giveBackGathering()
        guard phase != .ended else { return }
        let (writer, services) = (writer, services)
        let release: @Sendable () -> Void = {
            services.threads.submit { writer.release() }
            services.ended()
        }
        if let inFlight { inFlight.whenFinished { _ in release() } } else { release() }
    }

    func append(_ bytes: ByteBuffer) async throws(StorageFailure) {
        try services.gate.enter()
        defer { services.gate.leave() }
        try requireOpen()
        var rest = bytes
        while rest.readableBytes > 0 {
            let full = gather(&rest)
            guard let full else { continue }
            do throws(StorageFailure) { try await settleInFlight() } catch {
                services.buffers.giveBack(full)
                throw error
            }
            start(full)
        }
    }

    func seal() async throws(StorageFailure) -> [Extent] {
        try services.gate.enter()
        defer { services.gate.leave() }
        try requireOpen()
        state.withLock { $0.phase = .sealing }
        try await settleInFlight()
        let last = state.withLock { state in
            defer { state.gathering = nil }
            return state.gathering
        }
        do throws(StorageFailure) {
            let extents = try await store(last: last)
            state.withLock { $0.phase = .ended }
            services.ended()
            return extents
        } catch {
            state.withLock { $0.failure = error }
            throw error
        }
    }

    func discard() async {
        giveBackGathering()
        let mustEnd = state.withLock { state in
            defer { state.phase = .ended }
            return state.phase != .ended
        }
        guard mustEnd else { return }
        let inFlight = takeInFlight()
        await withCheckedContinuation { continuation in
            if let inFlight {
                inFlight.whenFinished { _ in continuation.resume() }
            } else {
                continuation.resume()
            }
        }
        do throws(StorageFailure) {
            try services.gate.enter()
            defer { services.gate.leave() }
            let writer = writer
            try await services.threads.run { () throws(StorageFailure) in writer.release() }
        } catch {
            // The store was closed: nobody counts the space any more, and the next start sweeps it.
        }
        services.ended()
    }

    /// Moves bytes into the gathering buffer; answers the buffer when it is full.
    private func gather(_ rest: inout ByteBuffer) -> WriteBuffer? {
        let buffer: WriteBuffer
        if let present = state.withLock({ $0.gathering }) {
            buffer = present
        } else {
            // Only the first buffer may be smaller than usual: a body longer than announced must not go on in crumbs.
            let expected: Int64? = state.withLock { state in
                defer { state.expectedLength = nil }
                return state.expectedLength
            }
            buffer = services.buffers.take(expected: expected)
        }
        buffer.take(from: &rest)
        let isFull = buffer.isFull
        state.withLock { $0.gathering = isFull ? nil : buffer }
        return isFull ? buffer : nil
    }

    private func giveBackGathering() {
        if let buffer = state.withLock({ $0.gathering.take() }) { services.buffers.giveBack(buffer) }
    }

    private func start(_ buffer: WriteBuffer) {
        let job = PendingJob()
        state.withLock { $0.inFlight = job }
        let (writer, services) = (writer, services)
        services.gate.enterAgain()
        services.threads.submit {
            let outcome: PendingJob.Outcome
            do throws(StorageFailure) {
                try writer.write(buffer.bytes, isLast: false)
                outcome = .success(())
            } catch { outcome = .failure(error) }
            services.buffers.giveBack(buffer)
            job.finish(outcome)
            services.gate.leave()
        }
    }

    private func settleInFlight() async throws(StorageFailure) {
        guard let job = takeInFlight() else { return }
        do throws(StorageFailure) { try await job.wait() } catch {
            state.withLock { $0.failure = error }
            throw error
        }
    }

    private func takeInFlight() -> PendingJob? {
        state.withLock { state in
            defer { state.inFlight = nil }
            return state.inFlight
        }
    }

    private func requireOpen() throws(StorageFailure) {
        let (phase, failure) = state.withLock { ($0.phase, $0.failure) }
        if let failure { throw failure }
        guard phase == .open else { throw StorageFailure(.internal, cause: "a body was used after its end") }
    }

    /// Writes the last bytes, waits until all of them are durable, and makes them the store's.
    private func store(last: WriteBuffer?) async throws(StorageFailure) -> [Extent] {
        let (writer, services) = (writer, services)
        let isSynced = services.durability == .synced
        // Without a sync to wait for, one job does it all.
        let written = try await services.threads.run { () throws(StorageFailure) -> Written in
            if let last {
                defer { services.buffers.giveBack(last) }
                try writer.write(last.bytes, isLast: true)
            }
            let files = writer.finish()
            return Written(files: files, extents: isSynced ? [] : writer.commit())
        }
        guard isSynced else { return written.extents }
        for (segment, file) in written.files { try await segment.syncer.sync(file, on: services.syncThreads) }
        return try await services.threads.run { () throws(StorageFailure) in writer.commit() }
    }

    private struct Written: Sendable {
        var files: [(segment: Segment, file: OpenFile)]
        var extents: [Extent]
    }
}
