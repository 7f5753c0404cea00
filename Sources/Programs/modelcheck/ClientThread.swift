import Foundation

/// A thread for the tasks of one client, which block it while they wait for a socket.
// @unchecked: everything that changes is guarded by the condition.
final class ClientThread: TaskExecutor, @unchecked Sendable {
    private let condition = NSCondition()
    private var waiting: [UnownedJob] = []
    private var isStopped = false

    init(_ name: String) {
        let thread = Thread { [self] in run() }
        thread.name = name
        thread.start()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        condition.lock()
        waiting.append(job)
        condition.signal()
        condition.unlock()
    }

    /// Ends the thread when everything that waits has run.
    func stop() {
        condition.lock()
        isStopped = true
        condition.signal()
        condition.unlock()
    }

    private func run() {
        while true {
            condition.lock()
            while waiting.isEmpty, !isStopped { condition.wait() }
            let jobs = waiting
            waiting = []
            condition.unlock()
            if jobs.isEmpty { return }
            for job in jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
        }
    }
}
