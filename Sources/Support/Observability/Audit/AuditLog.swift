package import StorageModel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Where audit lines go.
package enum AuditDestination: Sendable, Hashable {
    case none
    case standardOutput
    /// Appended to; made when it is missing.
    case file(path: String)
}

/// Takes audit records from event loops and writes them on a thread of its own.
///
/// `append` never waits: it puts the record into a queue that is bounded in lines and in bytes. With `.drop`, what does
/// not fit or cannot be written is dropped and counted. With `.refuse`, `hasRoom` makes the front door turn requests away
/// while the queue is full or lines cannot be written, and the lines of requests that were already let in are kept until
/// they can be.
package final class AuditLog: Sendable {
    package enum Overflow: Sendable, Hashable { case drop, refuse }

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
        var mustReopen = false
        var isClosing = false
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    package let isEnabled: Bool
    private let overflow: Overflow
    private let capacity: Int
    private let capacityBytes: Int
    private let queue = Mutex(Queue())
    /// Lines that are queued or with the writer, and what their records weigh.
    private let queued = Atomic<Int>(0)
    private let queuedBytes = Atomic<Int>(0)
    private let isFailing = Atomic<Bool>(false)
    private let bell: Bell
    private let onTrouble: @Sendable (_ errorNumber: CInt?) -> Void
    private let lines: Counter
    private let dropped: Counter

    /// How long the writer lets records gather after the first one: bounds its wake-ups under load.
    private static let gatherMicroseconds: UInt32 = 5_000
    /// How long it waits before it tries again what could not be written.
    private static let retryMicroseconds: UInt32 = 100_000
    /// How much is rendered before it is written.
    private static let writeBytes = 256 * 1024

    /// - Parameter onTrouble: called on the writer's thread with the error number when lines cannot be written any more,
    ///   and with `nil` when they can again.
    package init(
        _ destination: AuditDestination, capacity: Int = 16_384, capacityBytes: Int = 16 << 20,
        overflow: Overflow = .drop,
        rotation: AuditRotation = AuditRotation(), metrics: MetricRegistry, world: World = .system,
        onTrouble: @escaping @Sendable (_ errorNumber: CInt?) -> Void = { _ in }
    ) throws(OpenFailure) {
        precondition(capacity > 0 && capacityBytes > 0)
        self.capacity = capacity
        self.capacityBytes = capacityBytes
        self.overflow = overflow
        self.onTrouble = onTrouble
        bell = Bell()
        lines = metrics.counter(.auditLines)
        dropped = metrics.counter(.auditDropped)
        let descriptor: CInt
        let openedPath: String?
        switch destination {
        case .none:
            isEnabled = false
            return
        case .standardOutput: (descriptor, openedPath) = (STDOUT_FILENO, nil)
        case .file(let path): (descriptor, openedPath) = (try AuditFile.open(path), path)
        }
        isEnabled = true
        startThread { [self] in
            run(
                AuditFile(
                    descriptor: descriptor, path: openedPath, rotation: rotation, metrics: metrics, world: world))
        }
    }

    /// False when the next record would not be kept and the configuration says to refuse rather than to drop.
    package var hasRoom: Bool {
        overflow == .drop || !isEnabled
            || (queued.load(ordering: .relaxed) < capacity && queuedBytes.load(ordering: .relaxed) < capacityBytes
                && !isFailing.load(ordering: .relaxed))
    }

    /// - Parameter isOwed: the request was let in because there was room: under `.refuse` its line is kept in any case.
    package func append(_ record: AuditRecord, isOwed: Bool = true) {
        guard isEnabled else { return }
        enum Outcome { case queued, queuedAndAsleep, full }
        let isKept = isOwed && overflow == .refuse
        var record = record
        record.cutColumns()
        let weight = record.weight
        let outcome: Outcome = queue.withLock { queue in
            // What the writer has taken weighs on, one line that is heavier than all aside: memory is what is bounded.
            let bytes = queuedBytes.load(ordering: .relaxed)
            guard !queue.isClosing,
                (queue.records.count < capacity && (bytes == 0 || bytes + weight <= capacityBytes)) || isKept
            else { return .full }
            queue.records.append(record)
            queued.wrappingAdd(1, ordering: .relaxed)
            queuedBytes.wrappingAdd(weight, ordering: .relaxed)
            defer { queue.isWriterAsleep = false }
            return queue.isWriterAsleep ? .queuedAndAsleep : .queued
        }
        switch outcome {
        case .full: dropped.add()
        case .queued: break
        case .queuedAndAsleep: bell.ring()
        }
    }

    /// Opens the file anew before the next line: for a file that somebody else has renamed. Does nothing for standard
    /// output.
    package func reopen() {
        guard isEnabled else { return }
        let mustRing = queue.withLock { queue in
            queue.mustReopen = true
            defer { queue.isWriterAsleep = false }
            return queue.isWriterAsleep && !queue.hasEnded
        }
        if mustRing { bell.ring() }
    }

    /// Returns when everything appended before has been written, or when writing it has failed.
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

    // MARK: The writer's thread

    private struct Order {
        var records: [AuditRecord]
        var waiters: [CheckedContinuation<Void, Never>]
        var mustReopen: Bool
    }

    /// What has come since; `nil` when nothing has, and then the bell rings before the next thing comes.
    private func takeOrder() -> Order? {
        queue.withLock { queue in
            let order = Order(records: queue.records, waiters: queue.waiters, mustReopen: queue.mustReopen)
            queue.records = []
            queue.waiters = []
            queue.mustReopen = false
            if order.records.isEmpty && order.waiters.isEmpty && !order.mustReopen {
                queue.isWriterAsleep = true
                queue.hasEnded = queue.isClosing
                return nil
            }
            return order
        }
    }

    private func takeWaitersUnlessClosing() -> [CheckedContinuation<Void, Never>]? {
        queue.withLock { queue in
            guard !queue.isClosing else { return nil }
            defer { queue.waiters = [] }
            return queue.waiters
        }
    }

    private func run(_ opened: consuming AuditFile) {
        var file = opened
        repeat {
            bell.wait()
            if queue.withLock({ $0.waiters.isEmpty && !$0.mustReopen }) { usleep(Self.gatherMicroseconds) }
            while var order = takeOrder() {
                if order.mustReopen { file.reopen() }
                write(&order, to: &file)
                for waiter in order.waiters { waiter.resume() }
            }
        } while !queue.withLock { $0.hasEnded }
        file.close()
    }

    private func write(_ order: inout Order, to file: inout AuditFile) {
        let limit = file.preferredBytes(atMost: Self.writeBytes)
        var bytes: [UInt8] = []
        var count = 0
        var weight = 0
        for record in order.records {
            let line = record.line()
            if count > 0, bytes.count + line.count > limit {
                deliver(bytes, count, &order.waiters, to: &file)
                queuedBytes.wrappingSubtract(weight, ordering: .relaxed)
                bytes.removeAll(keepingCapacity: true)
                count = 0
                weight = 0
            }
            bytes += line
            count += 1
            weight += record.weight
        }
        if count > 0 { deliver(bytes, count, &order.waiters, to: &file) }
        queuedBytes.wrappingSubtract(weight, ordering: .relaxed)
    }

    /// Writes lines; under `.refuse` again and again until they are out or the log is being closed.
    private func deliver(
        _ bytes: [UInt8], _ count: Int, _ waiters: inout [CheckedContinuation<Void, Never>], to file: inout AuditFile
    ) {
        var rest = bytes[...]
        var left = count
        while true {
            let (taken, errorNumber) = file.write(rest)
            let out = rest.prefix(taken).count { $0 == UInt8(ascii: "\n") }
            rest = rest.dropFirst(taken)
            left -= out
            lines.add(Int64(out))
            queued.wrappingSubtract(out, ordering: .relaxed)
            if errorNumber == 0 { break }
            if !isFailing.exchange(true, ordering: .relaxed) { onTrouble(errorNumber) }
            guard overflow == .refuse, left > 0, let late = takeWaitersUnlessClosing() else {
                dropped.add(Int64(left))
                queued.wrappingSubtract(left, ordering: .relaxed)
                return
            }
            // Whoever waits is told that the lines are not out: nothing else may hang on a disk that is full.
            for waiter in waiters + late { waiter.resume() }
            waiters = []
            usleep(Self.retryMicroseconds)
            let mustReopen = queue.withLock { queue in
                defer { queue.mustReopen = false }
                return queue.mustReopen
            }
            if mustReopen { file.reopen() }
        }
        if isFailing.exchange(false, ordering: .relaxed) { onTrouble(nil) }
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
