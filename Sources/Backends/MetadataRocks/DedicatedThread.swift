import Glibc
import StorageModel

/// A thread of our own, for calls that wait for the disk: they must never run on an event loop or the cooperative pool.
struct DedicatedThread: Sendable {
    private let id: pthread_t

    /// - Throws: `.unavailable` when the system gives no more threads.
    static func start(_ body: @escaping @Sendable () -> Void) throws(StorageFailure) -> DedicatedThread {
        var id = pthread_t()
        let box = Unmanaged.passRetained(Box(body))
        let status = pthread_create(&id, nil, runThread, box.toOpaque())
        guard status == 0 else {
            box.release()
            throw StorageFailure(.unavailable, cause: "pthread_create: error \(status)")
        }
        return DedicatedThread(id: id)
    }

    /// Waits for the end of the thread. Call at most once, and never together with `detach`.
    func join() { pthread_join(id, nil) }

    /// Lets the thread end on its own.
    func detach() { pthread_detach(id) }

    fileprivate final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}

private func runThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let box = Unmanaged<DedicatedThread.Box>.fromOpaque(argument).takeRetainedValue()
    box.body()
    return nil
}
