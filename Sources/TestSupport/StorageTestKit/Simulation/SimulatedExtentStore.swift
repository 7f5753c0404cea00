import Checksums
import Extents
import NIOCore
import StorageModel

/// The extents seam under simulation, with the groups and the counting of the segment files: a group is deleted when
/// its count of live bytes comes to nothing, whatever it holds. What was sealed survives a crash; what was freed may be
/// back after one, for nothing syncs it.
///
/// Its medium knows which ids were given back, so each breach of the seam's contract is seen when it happens.
final class SimulatedExtentStore: ExtentStore {
    struct Group {
        var extents: [UInt64: [UInt8]] = [:]
        /// Padded bytes that nobody freed; `nil` for an older group until `keepOnly` was told.
        var liveBytes: Int64?
        var freedBeforeSweep: Set<UInt64> = []
        var isFilling: Bool
        var existedAtOpen: Bool
        var nextPosition: UInt64 = 0
    }

    struct State {
        var groups: [UInt64: Group] = [:]
        var current: UInt64 = 1
        /// Given back since this store was opened, with the bytes: a crash may bring them back.
        var freed: [(id: ExtentID, bytes: [UInt8])] = []
        /// Given back and never seen again.
        var gone: Set<ExtentID> = []
        /// Written by bodies that did not get their answer yet.
        var unsealed: Set<ExtentID> = []
        var isClosed = false
    }

    static let blockBytes = 16
    static let groupBytes: UInt64 = 160

    let maximumExtentLength = 8
    let life: SimulatedLife
    /// Whether a record names the extent: the bytes of one that is named are never given back.
    private let isNamed: @Sendable (ExtentID) -> Bool
    private let state: Locked<State>

    convenience init(life: SimulatedLife, isNamed: @escaping @Sendable (ExtentID) -> Bool) {
        self.init(State(), life: life, isNamed: isNamed)
    }

    private init(_ state: State, life: SimulatedLife, isNamed: @escaping @Sendable (ExtentID) -> Bool) {
        self.state = Locked(state)
        self.life = life
        self.isNamed = isNamed
    }

    static func padded(_ length: Int) -> Int64 { Int64((length + blockBytes - 1) / blockBytes * blockBytes) }

    /// The store as the next life finds it.
    func reopened(
        in life: SimulatedLife, afterCrash: Bool, isNamed: @escaping @Sendable (ExtentID) -> Bool
    ) -> SimulatedExtentStore {
        var next = state.withLock { $0 }
        if afterCrash {
            for (id, bytes) in next.freed where life.executor.happens(30) {
                next.groups[id.group, default: Group(isFilling: false, existedAtOpen: true)].extents[id.position] =
                    bytes
                next.gone.remove(id)
            }
            for id in next.unsealed.sorted() where life.executor.happens(50) {
                next.groups[id.group]?.extents[id.position] = nil
            }
        }
        (next.freed, next.unsealed, next.isClosed) = ([], [], false)
        next.current = max(next.current, next.groups.keys.max() ?? 0) + 1
        next.groups = next.groups.filter { !$0.value.extents.isEmpty }.mapValues { group in
            Group(extents: group.extents, liveBytes: nil, isFilling: false, existedAtOpen: true)
        }
        return SimulatedExtentStore(next, life: life, isNamed: isNamed)
    }

    /// For the checks: everything on the medium, ascending.
    var stored: [ExtentID] {
        state.withLock { state in
            state.groups.flatMap { number, group in
                group.extents.keys.map { ExtentID(group: number, position: $0) }
            }
        }.sorted()
    }

    /// For the checks: bytes as they are, or nothing.
    func peek(_ id: ExtentID) -> [UInt8]? { state.withLock { $0.groups[id.group]?.extents[id.position] } }

    func access<Result: Sendable>(
        _ body: (inout State) throws(StorageFailure) -> Result
    ) throws(StorageFailure) -> Result {
        try life.requireAlive()
        return try state.withLock { state throws(StorageFailure) in
            if state.isClosed { throw SimulatedLife.failure(.unavailable, "the extent store is closed") }
            return try body(&state)
        }
    }

    // MARK: ExtentStore

    func openSink(
        expectedLength: Int64?, observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    ) async throws(StorageFailure) -> any ExtentSink {
        try await life.call("openSink", before: [.busy(retryAfterSeconds: 2), .outOfSpace], after: []) {
            () async throws(StorageFailure) -> any ExtentSink in
            SimulatedExtentSink(store: self, observer: observer)
        }
    }

    /// A span's file says which group, its offset which bytes: `send` reads them as the front door would, later.
    func spans(of extent: Extent, range: Range<Int>) async throws(StorageFailure) -> [FileSpan] {
        try await life.call("spans", before: [.unavailable, .busy(retryAfterSeconds: 1)], after: [.unavailable]) {
            () async throws(StorageFailure) -> [FileSpan] in
            _ = try sound(extent, range)
            let file = OpenFile(descriptor: -1, label: String(extent.id.group))
            let start = Int64(extent.id.position) + Int64(range.lowerBound)
            return [FileSpan(file: file, offset: start, length: range.count)]
        }
    }

    /// What a client gets of a span when it is sent: zeros where the bytes were given back meanwhile.
    func send(_ span: FileSpan) -> [UInt8] {
        state.withLock { state in
            var bytes = [UInt8](repeating: 0, count: span.length)
            let position = UInt64(span.offset) / UInt64(Self.blockBytes) * UInt64(Self.blockBytes)
            guard let group = UInt64(span.file.label), let stored = state.groups[group]?.extents[position] else {
                return bytes
            }
            let from = Int(UInt64(span.offset) - position)
            bytes.replaceSubrange(0..<span.length, with: stored[from..<from + span.length])
            return bytes
        }
    }

    func read(_ extent: Extent, range: Range<Int>) async throws(StorageFailure) -> ByteBuffer {
        try await life.call("readExtent", before: [.unavailable, .busy(retryAfterSeconds: 1)], after: [.unavailable]) {
            () async throws(StorageFailure) -> ByteBuffer in ByteBuffer(bytes: try sound(extent, range)[range])
        }
    }

    private func sound(_ extent: Extent, _ range: Range<Int>) throws(StorageFailure) -> [UInt8] {
        let bytes = try access { state throws(StorageFailure) in
            state.groups[extent.id.group]?.extents[extent.id.position]
        }
        guard let bytes, bytes.count == extent.length, CRC64NVME.checksum(bytes) == extent.crc64,
            range.upperBound <= bytes.count
        else { throw StorageFailure(.damaged, cause: "extent \(extent.id) is not what it was") }
        return bytes
    }

    func verify(_ extent: Extent) async throws(StorageFailure) -> ExtentHealth {
        try await life.call("verify", before: [.unavailable], after: [.unavailable]) {
            () async throws(StorageFailure) -> ExtentHealth in
            let bytes = try access { state throws(StorageFailure) in
                state.groups[extent.id.group]?.extents[extent.id.position]
            }
            guard let bytes else { return .missing }
            let computed = CRC64NVME.checksum(bytes)
            return computed == extent.crc64 && bytes.count == extent.length
                ? .sound : .checksumMismatch(computed: computed)
        }
    }

    func free(_ extents: [Extent]) async throws(StorageFailure) {
        // In the order of ids: which order a caller found them in is no part of the history.
        let ids = extents.map(\.id).sorted()
        try await life.call("free", before: [.unavailable, .busy(retryAfterSeconds: 1)], after: [.unavailable]) {
            () async throws(StorageFailure) in
            for id in ids {
                if isNamed(id) { life.executor.fail("\(id) is given back while a record names it") }
                let breach = try access { state throws(StorageFailure) in Self.free(id, &state) }
                if let breach { life.executor.fail(breach) }
            }
            try deleteEmptyGroups()
            life.executor.note("free", UInt64(ids.count), "\(ids.map { "\($0.group):\($0.position)" })")
        }
    }

    /// - Returns: how the caller broke the seam's contract, if it did.
    private static func free(_ id: ExtentID, _ state: inout State) -> String? {
        let isTwice = state.gone.contains(id)
        let breach = isTwice ? "\(id) is given back twice" : nil
        guard var group = state.groups[id.group] else { return breach ?? "\(id) is given back and its group is gone" }
        let bytes = group.extents.removeValue(forKey: id.position)
        if let bytes { state.freed.append((id, bytes)) }
        state.gone.insert(id)
        // As the segment files count: by what they are told, not by what is there.
        let length = padded(bytes?.count ?? 1)
        group.liveBytes = group.liveBytes.flatMap { $0 >= length ? $0 - length : nil }
        if group.liveBytes == nil { group.freedBeforeSweep.insert(id.position) }
        state.groups[id.group] = group
        return breach ?? (bytes == nil ? "\(id) is given back and was never there" : nil)
    }

    private func deleteEmptyGroups() throws(StorageFailure) {
        let lost = try access { state throws(StorageFailure) -> [ExtentID] in
            var lost: [ExtentID] = []
            for number in state.groups.keys.sorted() {
                guard let group = state.groups[number], !group.isFilling, group.liveBytes == 0 else { continue }
                lost += Self.delete(number, &state)
            }
            return lost
        }
        if let id = lost.first(where: isNamed) { life.executor.fail("a group is deleted that holds the named \(id)") }
    }

    /// - Returns: what was in the group.
    private static func delete(_ number: UInt64, _ state: inout State) -> [ExtentID] {
        guard let group = state.groups.removeValue(forKey: number) else { return [] }
        let ids = group.extents.keys.sorted().map { ExtentID(group: number, position: $0) }
        for id in ids {
            state.freed.append((id, group.extents[id.position] ?? []))
            state.gone.insert(id)
        }
        return ids
    }

    func closedGroups() async throws(StorageFailure) -> [UInt64] {
        try await life.call("closedGroups", before: [.unavailable], after: [.unavailable]) {
            () async throws(StorageFailure) -> [UInt64] in
            try access { state throws(StorageFailure) in
                state.groups.filter(\.value.existedAtOpen).keys.sorted()
            }
        }
    }

    func finishFreeing() async -> Bool { false }

    func keepOnly(_ live: [Extent], inGroup number: UInt64) async throws(StorageFailure) -> Int64 {
        try await life.call("keepOnly", before: [.unavailable], after: [.unavailable]) {
            () async throws(StorageFailure) -> Int64 in
            let (dropped, breach) = try access { state throws(StorageFailure) in
                Self.keepOnly(live.map(\.id), number, &state)
            }
            if let breach { life.executor.fail(breach) }
            if let id = dropped.first(where: isNamed) { life.executor.fail("\(id) is swept while a record names it") }
            life.executor.note("swept", number, "kept \(live.count), dropped \(dropped.count)")
            return Int64(dropped.count * Self.blockBytes)
        }
    }

    private static func keepOnly(
        _ live: [ExtentID], _ number: UInt64, _ state: inout State
    ) -> (dropped: [ExtentID], breach: String?) {
        var breach = live.first(where: state.gone.contains).map { "\($0) is kept by the sweeper and was given back" }
        guard var group = state.groups[number] else {
            return ([], breach ?? (live.isEmpty ? nil : "group \(number) is swept, is gone and holds live extents"))
        }
        if !group.existedAtOpen { breach = "group \(number) is swept and still filling" }
        let kept = live.filter { !group.freedBeforeSweep.contains($0.position) }
        if kept.isEmpty { return (delete(number, &state), breach) }
        if let id = kept.first(where: { group.extents[$0.position] == nil }), breach == nil {
            breach = "\(id) is named and its bytes are gone"
        }
        var dropped: [ExtentID] = []
        for position in group.extents.keys.sorted() where !kept.contains(where: { $0.position == position }) {
            let id = ExtentID(group: number, position: position)
            state.freed.append((id, group.extents.removeValue(forKey: position) ?? []))
            state.gone.insert(id)
            dropped.append(id)
        }
        group.liveBytes = kept.reduce(0) { $0 + padded(group.extents[$1.position]?.count ?? 0) }
        group.freedBeforeSweep = []
        state.groups[number] = group
        return (dropped, breach)
    }

    func usage() -> ExtentUsage {
        ExtentUsage(usedBytes: Int64(stored.count * Self.blockBytes), reservedBytes: 0, budgetBytes: 1 << 40)
    }

    func close() async { state.withLock { $0.isClosed = true } }
}

/// A body under way: its bytes reach the medium with `seal`, extent by extent, and are durable when that returns.
final class SimulatedExtentSink: ExtentSink {
    private let store: SimulatedExtentStore
    private let observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    private let bytes = Locked<[UInt8]>([])

    init(store: SimulatedExtentStore, observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?) {
        self.store = store
        self.observer = observer
    }

    func append(_ buffer: ByteBuffer) async throws(StorageFailure) {
        try await store.life.call("append", before: [.outOfSpace, .unavailable], after: [.unavailable]) {
            () async throws(StorageFailure) in
            bytes.withLock { $0 += buffer.readableBytesView }
            if let observer { buffer.withUnsafeReadableBytes { observer($0) } }
        }
    }

    func seal() async throws(StorageFailure) -> [Extent] {
        try await store.life.call("seal", before: [.outOfSpace, .unavailable], after: [.unavailable]) {
            () async throws(StorageFailure) -> [Extent] in
            let bytes = bytes.withLock { $0 }
            var extents: [Extent] = []
            for start in stride(from: 0, to: bytes.count, by: store.maximumExtentLength) {
                let part = Array(bytes[start..<min(start + store.maximumExtentLength, bytes.count)])
                extents.append(try store.access { state throws(StorageFailure) in state.place(part) })
                // Other bodies' extents may come to stand in between.
                if extents.count < 12 { await store.life.executor.pause() }
            }
            let ids = extents.map(\.id)
            // The sync: from here on they survive.
            try store.access { state throws(StorageFailure) in state.unsealed.subtract(ids) }
            store.life.executor.note("sealed", UInt64(ids.count), "\(ids.map { "\($0.group):\($0.position)" })")
            return extents
        }
    }

    func discard() async { bytes.withLock { $0 = [] } }
}

extension SimulatedExtentStore.State {
    fileprivate mutating func place(_ bytes: [UInt8]) -> Extent {
        var group = groups[current] ?? .init(liveBytes: 0, isFilling: true, existedAtOpen: false)
        let id = ExtentID(group: current, position: group.nextPosition)
        group.extents[id.position] = bytes
        group.nextPosition += UInt64(SimulatedExtentStore.padded(bytes.count))
        group.liveBytes = group.liveBytes.map { $0 + SimulatedExtentStore.padded(bytes.count) }
        group.isFilling = group.nextPosition < SimulatedExtentStore.groupBytes
        groups[current] = group
        if !group.isFilling { current += 1 }
        unsealed.insert(id)
        return Extent(id: id, length: bytes.count, crc64: CRC64NVME.checksum(bytes))
    }
}
