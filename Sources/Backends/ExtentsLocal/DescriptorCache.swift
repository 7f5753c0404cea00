import StorageModel

/// Open descriptors of segments, by number, bounded. The least recently used one is let go; whoever still reads through
/// it keeps it open until done.
final class DescriptorCache: Sendable {
    private struct Entry {
        var file: OpenFile
        var lastUse: UInt64
    }
    private struct State {
        var entries: [UInt64: Entry] = [:]
        var clock: UInt64 = 0
    }

    private let state = Locked(State())
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { state.withLock { $0.entries.count } }

    /// Never blocks on a file.
    func file(of segment: UInt64) -> OpenFile? {
        state.withLock { state in
            state.clock += 1
            state.entries[segment]?.lastUse = state.clock
            return state.entries[segment]?.file
        }
    }

    /// Keeps the file, or answers the one that somebody else brought first.
    func insert(_ file: OpenFile, for segment: UInt64) -> OpenFile {
        // What falls out is closed after the lock is given back, for closing is a system call.
        let (kept, _) = state.withLock { state -> (OpenFile, OpenFile?) in
            state.clock += 1
            if let present = state.entries[segment]?.file { return (present, nil) }
            var evicted: OpenFile?
            if state.entries.count >= capacity,
                let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key
            {
                evicted = state.entries.removeValue(forKey: oldest)?.file
            }
            state.entries[segment] = Entry(file: file, lastUse: state.clock)
            return (file, evicted)
        }
        return kept
    }

    func remove(_ segment: UInt64) { _ = state.withLock { $0.entries.removeValue(forKey: segment)?.file } }

    func removeAll() {
        _ = state.withLock { state in
            defer { state.entries = [:] }
            return state.entries.values.map(\.file)
        }
    }
}
