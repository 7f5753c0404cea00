import StorageModel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Where audit lines go.
package enum AuditDestination: Sendable, Equatable {
    case none
    case standardOutput
    /// Appended to; made when it is missing.
    case file(path: String)
}

/// Takes audit records from event loops and writes them on a thread of its own.
///
/// `append` never waits: it puts the record into a bounded queue. What does not fit is dropped and counted, or, with
/// `.refuse`, announced by `hasRoom` so that the front door turns requests away before they are served.
package final class AuditLog: Sendable {
    package enum Overflow: Sendable, Equatable { case drop, refuse }

    /// Thrown by `init` when the file cannot be opened.
    package struct OpenFailure: Error, Sendable, Equatable {
        package var path: String
        package var errorNumber: CInt

        package init(path: String, errorNumber: CInt) {
            self.path = path
            self.errorNumber = errorNumber
        }
    }

    private struct Queue: Sendable {
        var records: [AuditRecord] = []
        var isWriterAsleep = true
        var isClosing = false
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    package let isEnabled: Bool
    private let overflow: Overflow
    private let capacity: Int
    private let queue = Mutex(Queue())
    private let queued = Atomic<Int>(0)
    private let bell: Bell
    private let descriptor: CInt
    private let ownsDescriptor: Bool
    private let lines: Counter
    private let dropped: Counter
    private let failures: Counter

    /// How long the writer lets records gather after the first one: bounds its wake-ups under load.
    private static let gatherMicroseconds: UInt32 = 5_000
    /// How much is rendered before it is written.
    private static let writeBytes = 256 * 1024

    package init(
        _ destination: AuditDestination, capacity: Int = 16_384, overflow: Overflow = .drop, metrics: MetricRegistry
    ) throws {
        precondition(capacity > 0)
        switch destination {
        case .none:
            (descriptor, ownsDescriptor, isEnabled) = (-1, false, false)
        case .standardOutput:
            (descriptor, ownsDescriptor, isEnabled) = (STDOUT_FILENO, false, true)
        case .file(let path):
            let opened = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
            guard opened >= 0 else { throw OpenFailure(path: path, errorNumber: errno) }
            (descriptor, ownsDescriptor, isEnabled) = (opened, true, true)
        }
        self.capacity = capacity
        self.overflow = overflow
        bell = Bell()
        lines = metrics.counter(.auditLines)
        dropped = metrics.counter(.auditDropped)
        failures = metrics.counter(.auditFailures)
        if isEnabled { startThread { [self] in run() } }
    }

    /// False when the next record would not fit and the configuration says to refuse rather than to drop.
    package var hasRoom: Bool {
        overflow == .drop || !isEnabled || queued.load(ordering: .relaxed) < capacity
    }

    package func append(_ record: AuditRecord) {
        guard isEnabled else { return }
        enum Outcome { case queued, queuedAndAsleep, full }
        let outcome: Outcome = queue.withLock { queue in
            // Under `.refuse` the requests that were already let in still get their line.
            guard !queue.isClosing, queue.records.count < capacity || overflow == .refuse else { return .full }
            queue.records.append(record)
            defer { queue.isWriterAsleep = false }
            return queue.isWriterAsleep ? .queuedAndAsleep : .queued
        }
        switch outcome {
        case .full: dropped.add()
        case .queued: queued.wrappingAdd(1, ordering: .relaxed)
        case .queuedAndAsleep:
            queued.wrappingAdd(1, ordering: .relaxed)
            bell.ring()
        }
    }

    /// Returns when everything appended before has been written.
    package func flush() async {
        guard isEnabled else { return }
        await wait { _ in }
    }

    /// Writes what is queued and ends the thread. Records appended afterwards are dropped and counted.
    package func close() async {
        guard isEnabled else { return }
        await wait { $0.isClosing = true }
    }

    private func wait(_ change: (inout Queue) -> Void) async {
        await withCheckedContinuation { continuation in
            let mustRing: Bool? = queue.withLock { queue in
                guard !queue.hasEnded else { return nil }
                change(&queue)
                queue.waiters.append(continuation)
                defer { queue.isWriterAsleep = false }
                return queue.isWriterAsleep
            }
            guard let mustRing else { return continuation.resume() }
            if mustRing { bell.ring() }
        }
    }

    private func run() {
        var isOpen = true
        while isOpen {
            bell.wait()
            let gathers = queue.withLock { $0.waiters.isEmpty }
            if gathers { usleep(Self.gatherMicroseconds) }
            var hasMore = true
            while hasMore {
                let (records, waiters, isClosing) = queue.withLock { queue in
                    let taken = (queue.records, queue.waiters, queue.isClosing)
                    queue.records = []
                    queue.waiters = []
                    queue.isWriterAsleep = taken.0.isEmpty && taken.1.isEmpty
                    if queue.isWriterAsleep && queue.isClosing { queue.hasEnded = true }
                    return taken
                }
                hasMore = !(records.isEmpty && waiters.isEmpty)
                write(records)
                for waiter in waiters { waiter.resume() }
                if !hasMore && isClosing { isOpen = false }
            }
        }
        if ownsDescriptor { Glibc.close(descriptor) }
    }

    private func write(_ records: [AuditRecord]) {
        var bytes: [UInt8] = []
        for record in records {
            bytes += record.line()
            if bytes.count >= Self.writeBytes {
                write(bytes)
                bytes.removeAll(keepingCapacity: true)
            }
        }
        if !bytes.isEmpty { write(bytes) }
        queued.wrappingSubtract(records.count, ordering: .relaxed)
        lines.add(Int64(records.count))
    }

    private func write(_ bytes: [UInt8]) {
        if writeAll(bytes, to: descriptor) != 0 { failures.add() }
    }
}

/// A semaphore.
/// `@unchecked Sendable`: the pointer never changes, and POSIX semaphores may be used from any thread.
private final class Bell: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        let failed = sem_init(semaphore, 0, 0)
        precondition(failed == 0, "a semaphore that starts at 0 is always possible")
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func ring() { sem_post(semaphore) }
    func wait() { while sem_wait(semaphore) != 0 && errno == EINTR {} }
}
