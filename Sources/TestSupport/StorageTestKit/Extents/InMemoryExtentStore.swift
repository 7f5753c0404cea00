import Checksums
package import Extents
package import NIOCore
package import StorageModel

#if canImport(Glibc)
    import Glibc
#endif

/// Extents in memory, with the semantics of the seam: budget, ids that are never used twice, groups that close when the
/// store is reopened. What it stores can be damaged and counted.
package final class InMemoryExtentStore: ExtentStore {
    struct State {
        var extents: [ExtentID: [UInt8]] = [:]
        var usage: ExtentUsage
        var currentGroup: UInt64 = 1
        var nextPosition: UInt64 = 0
        var closedGroups: Set<UInt64> = []
        var openSinks = 0
        var isClosed = false
    }

    package static let blockBytes = 4096
    /// A group holds about this much, so that tests see several.
    static let groupBytes: UInt64 = 32 << 20

    package let maximumExtentLength: Int
    private let state: Locked<State>
    private let maximumSinks: Int

    package init(
        budgetBytes: Int64 = 1 << 40, maximumExtentLength: Int = 8 << 20, maximumSinks: Int = 4096
    ) {
        self.maximumExtentLength = maximumExtentLength
        self.maximumSinks = maximumSinks
        state = Locked(State(usage: ExtentUsage(usedBytes: 0, reservedBytes: 0, budgetBytes: budgetBytes)))
    }

    private init(state: State, maximumExtentLength: Int, maximumSinks: Int) {
        self.state = Locked(state)
        self.maximumExtentLength = maximumExtentLength
        self.maximumSinks = maximumSinks
    }

    /// The store as it is after a restart, with the sealed extents of this one, which is closed by it. Bodies under way
    /// are gone.
    package func reopened() -> InMemoryExtentStore {
        var copy = state.withLock { state in
            defer { state.isClosed = true }
            return state
        }
        copy.isClosed = false
        copy.openSinks = 0
        copy.usage.reservedBytes = 0
        copy.closedGroups = Set(copy.extents.keys.map(\.group))
        copy.currentGroup += 1
        copy.nextPosition = 0
        return InMemoryExtentStore(
            state: copy, maximumExtentLength: maximumExtentLength, maximumSinks: maximumSinks)
    }

    /// Flips one byte of a stored extent.
    package func corrupt(_ id: ExtentID, at offset: Int) {
        state.withLock { $0.extents[id]?[offset] ^= 0xFF }
    }

    /// Loses an extent's bytes, as a lost file would.
    package func lose(_ id: ExtentID) { state.withLock { $0.extents[id] = nil } }

    /// Every stored extent, ascending.
    package var stored: [Extent] {
        state.withLock { state in
            state.extents.map { Extent(id: $0, length: $1.count, crc64: CRC64NVME.checksum($1)) }
        }.sorted { $0.id < $1.id }
    }

    /// The stored extents that are not among `named`: what a caller has forgotten.
    package func leaked(named: some Sequence<ExtentID>) -> [Extent] {
        let named = Set(named)
        return stored.filter { !named.contains($0.id) }
    }

    static func padded(_ length: Int) -> Int64 { Int64((length + blockBytes - 1) / blockBytes * blockBytes) }

    package func openSink(
        expectedLength: Int64?, observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    ) async throws(StorageFailure) -> any ExtentSink {
        let maximumSinks = maximumSinks
        try access { state throws(StorageFailure) in
            guard expectedLength ?? 0 >= 0 else { throw StorageFailure(.invalidInput) }
            guard state.openSinks < maximumSinks else { throw StorageFailure(.busy(retryAfterSeconds: 2)) }
            try state.reserve(Self.padded(Int(expectedLength ?? 0)))
            state.openSinks += 1
        }
        return InMemoryExtentSink(
            store: self, reservedBytes: Self.padded(Int(expectedLength ?? 0)), observer: observer)
    }

    package func spans(of extent: Extent, range: Range<Int>) async throws(StorageFailure) -> [FileSpan] {
        let bytes = try sound(extent, range)
        if range.isEmpty { return [] }
        let file = try Self.unnamedFile(holding: bytes)
        return [FileSpan(file: file, offset: Int64(range.lowerBound), length: range.count)]
    }

    package func read(_ extent: Extent, range: Range<Int>) async throws(StorageFailure) -> ByteBuffer {
        ByteBuffer(bytes: try sound(extent, range)[range])
    }

    package func free(_ extents: [Extent]) async throws(StorageFailure) {
        try access { state throws(StorageFailure) in
            for extent in extents { state.drop(extent.id) }
        }
    }

    package func finishFreeing() async -> Bool { false }

    package func closedGroups() async throws(StorageFailure) -> [UInt64] {
        try access { state throws(StorageFailure) in state.closedGroups.sorted() }
    }

    package func keepOnly(_ live: [Extent], inGroup group: UInt64) async throws(StorageFailure) -> Int64 {
        try access { state throws(StorageFailure) in
            guard zip(live, live.dropFirst()).allSatisfy({ $0.id < $1.id }),
                live.allSatisfy({ $0.id.group == group })
            else { throw StorageFailure(.invalidInput, cause: "live extents are not ascending in group \(group)") }
            guard state.closedGroups.contains(group) else {
                if state.extents.keys.contains(where: { $0.group == group }) {
                    throw StorageFailure(.invalidInput, cause: "group \(group) is not closed")
                }
                guard live.isEmpty else { throw StorageFailure(.damaged, cause: "group \(group) is gone") }
                return 0
            }
            let before = state.usage.usedBytes
            let kept = Set(live.map(\.id))
            for id in state.extents.keys where id.group == group && !kept.contains(id) { state.drop(id) }
            if kept.isEmpty { state.closedGroups.remove(group) }
            return before - state.usage.usedBytes
        }
    }

    package func verify(_ extent: Extent) async throws(StorageFailure) -> ExtentHealth {
        let bytes = try access { state throws(StorageFailure) in state.extents[extent.id] }
        guard let bytes else { return .missing }
        guard bytes.count >= extent.length else {
            return .unreadable(reason: "\(bytes.count) of \(extent.length) bytes")
        }
        let computed = CRC64NVME.checksum(Array(bytes.prefix(extent.length)))
        return computed == extent.crc64 ? .sound : .checksumMismatch(computed: computed)
    }

    package func usage() -> ExtentUsage { state.withLock { $0.usage } }

    package func close() async { state.withLock { $0.isClosed = true } }

    /// - Throws: `.unavailable` when the store is closed.
    func access<Result: Sendable>(
        _ body: (inout State) throws(StorageFailure) -> Result
    ) throws(StorageFailure) -> Result {
        try state.withLock { state throws(StorageFailure) in
            if state.isClosed { throw StorageFailure(.unavailable, detail: "The extent store is closed.") }
            return try body(&state)
        }
    }

    /// Ends a body: promised bytes are given back whether or not the store is closed.
    func endSink(reservedBytes: Int64) {
        state.withLock { state in
            state.usage.reservedBytes -= reservedBytes
            state.openSinks -= 1
        }
    }

    private func sound(_ extent: Extent, _ range: Range<Int>) throws(StorageFailure) -> [UInt8] {
        guard range.lowerBound >= 0, range.upperBound <= extent.length else { throw StorageFailure(.invalidInput) }
        let bytes = try access { state throws(StorageFailure) in state.extents[extent.id] }
        guard let bytes, bytes.count == extent.length, CRC64NVME.checksum(bytes) == extent.crc64 else {
            throw StorageFailure(.damaged, cause: "extent \(extent.id.group)/\(extent.id.position)")
        }
        return bytes
    }

    /// A file without a name, gone when the last reader lets go: the seam's spans are of files.
    private static func unnamedFile(holding bytes: [UInt8]) throws(StorageFailure) -> OpenFile {
        var template = Array("/tmp/forebay-extent-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw StorageFailure(.unavailable, cause: "mkstemp: errno \(errno)") }
        unlink(template)
        let file = OpenFile(descriptor: descriptor, label: "memory")
        guard pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
            throw StorageFailure(.unavailable, cause: "pwrite: errno \(errno)")
        }
        return file
    }
}

extension InMemoryExtentStore.State {
    mutating func reserve(_ bytes: Int64) throws(StorageFailure) {
        guard usage.usedBytes + usage.reservedBytes + bytes <= usage.budgetBytes else {
            throw StorageFailure(.outOfSpace, cause: "\(bytes) bytes do not fit")
        }
        usage.reservedBytes += bytes
    }

    mutating func store(_ bytes: [UInt8]) -> Extent {
        if nextPosition >= InMemoryExtentStore.groupBytes {
            currentGroup += 1
            nextPosition = 0
        }
        let id = ExtentID(group: currentGroup, position: nextPosition)
        nextPosition += UInt64(InMemoryExtentStore.padded(bytes.count))
        extents[id] = bytes
        usage.usedBytes += InMemoryExtentStore.padded(bytes.count)
        return Extent(id: id, length: bytes.count, crc64: CRC64NVME.checksum(bytes))
    }

    mutating func drop(_ id: ExtentID) {
        guard let bytes = extents.removeValue(forKey: id) else { return }
        usage.usedBytes -= InMemoryExtentStore.padded(bytes.count)
    }
}
