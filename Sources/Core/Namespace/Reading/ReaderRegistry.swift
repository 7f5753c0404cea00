import StorageModel
import Synchronization

/// Who reads what, so that no extent is freed under an open reader.
///
/// A reader enters before it looks a name up, holds the manifest that it found, then leaves the look-up phase. The reaper,
/// having seen that a manifest is in the trash, waits until every look-up that was under way is over: whoever could have
/// found the manifest holds it by then, and later look-ups cannot find it any more.
final class ReaderRegistry: Sendable {
    private struct State {
        var nextTicket: UInt64 = 0
        var lookups: Set<UInt64> = []
        var holds: [ContentID: Int] = [:]
        var waiters: [(before: UInt64, continuation: CheckedContinuation<Void, Never>)] = []
    }
    private let state = Mutex(State())

    func enterLookup() -> UInt64 {
        state.withLock { state in
            defer { state.nextTicket += 1 }
            state.lookups.insert(state.nextTicket)
            return state.nextTicket
        }
    }

    /// Ends the look-up, holding what it found.
    func leaveLookup(_ ticket: UInt64, holding content: ContentID?) {
        let ready = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            if let content { state.holds[content, default: 0] += 1 }
            state.lookups.remove(ticket)
            guard !state.waiters.isEmpty else { return [] }
            let oldest = state.lookups.min() ?? .max
            let ready = state.waiters.filter { $0.before <= oldest }.map(\.continuation)
            state.waiters.removeAll { $0.before <= oldest }
            return ready
        }
        for continuation in ready { continuation.resume() }
    }

    func release(_ content: ContentID) {
        state.withLock { state in
            guard let count = state.holds[content] else { preconditionFailure("released a manifest that nobody holds") }
            state.holds[content] = count > 1 ? count - 1 : nil
        }
    }

    func isHeld(_ content: ContentID) -> Bool { state.withLock { $0.holds[content] != nil } }

    /// Returns when every look-up that was under way at the call has ended.
    func lookupsHaveEnded() async {
        await withCheckedContinuation { continuation in
            let atOnce = state.withLock { state -> Bool in
                guard !state.lookups.isEmpty else { return true }
                state.waiters.append((before: state.nextTicket, continuation: continuation))
                return false
            }
            if atOnce { continuation.resume() }
        }
    }
}

/// Wakes one waiting loop; raised while nobody waits it is remembered once.
final class Signal: Sendable {
    private struct State {
        var isRaised = false
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    func raise() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let waiter = state.waiter else {
                state.isRaised = true
                return nil
            }
            state.waiter = nil
            return waiter
        }
        waiter?.resume()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let atOnce = state.withLock { state -> Bool in
                if state.isRaised {
                    state.isRaised = false
                    return true
                }
                precondition(state.waiter == nil, "one loop waits for a signal")
                state.waiter = continuation
                return false
            }
            if atOnce { continuation.resume() }
        }
    }
}
