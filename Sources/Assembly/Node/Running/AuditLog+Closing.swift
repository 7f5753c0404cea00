import Observability
import StorageModel

extension AuditLog {
    /// Closes, and waits for that no longer than so many seconds: who reads a pipe may never read on. False when it is not
    /// done by then; it goes on as long as the process does. Cancellation does not cut it short.
    func close(within seconds: Int, _ world: World) async -> Bool {
        await withCheckedContinuation { continuation in
            let waiter = Locked<CheckedContinuation<Bool, Never>?>(continuation)
            let end: @Sendable (Bool) -> Void = { isClosed in
                let first = waiter.withLock { waiter in
                    defer { waiter = nil }
                    return waiter
                }
                first?.resume(returning: isClosed)
            }
            let timer = Task {
                // Cancelled: it is closed.
                do { try await world.sleep(.seconds(seconds)) } catch { return }
                end(false)
            }
            Task {
                await close()
                end(true)
                timer.cancel()
            }
        }
    }
}
