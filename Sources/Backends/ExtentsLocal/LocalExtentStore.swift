package import Extents
package import NIOCore
package import StorageModel

/// Extents in segment files of one local directory. docs/formats/segments.md says what is on disk and what a crash
/// leaves.
package final class LocalExtentStore: ExtentStore {
    package let maximumExtentLength: Int
    /// Drawn when the store was created.
    package let storeID: String

    let files: SegmentFiles
    private let options: LocalExtentOptions
    private let gate = OperationGate()
    private let threads: ThreadPool
    private let syncThreads: ThreadPool
    private let buffers: WriteBufferPool
    private let verifier: ExtentVerifier
    private let sweeper: SegmentSweeper
    private let isReadOnly: Bool
    /// `nil` without lanes, when the store is open for reading only.
    private let lanes: Lanes?
    private let openSinks = Locked(0)
    /// Held for as long as the store is open.
    private let lock: Locked<OpenFile?>

    /// Opens the store in the directory, and creates it where there is none. Blocks.
    /// - Throws: `.unavailable` when another process has it open or its format is unknown, `.damaged` when it is not
    ///   whole.
    package static func open(
        directory: String, options: LocalExtentOptions = LocalExtentOptions(), world: World
    ) throws(StorageFailure) -> LocalExtentStore {
        try LocalExtentStore(
            directory: directory, isReadOnly: false, options: options, world: world, calls: .system)
    }

    /// Opens an existing store for fsck: nothing in it changes, and no other process may have it open. Blocks.
    package static func openReadOnly(
        directory: String, options: LocalExtentOptions = LocalExtentOptions(), world: World
    ) throws(StorageFailure) -> LocalExtentStore {
        try LocalExtentStore(directory: directory, isReadOnly: true, options: options, world: world, calls: .system)
    }

    init(
        directory: String, isReadOnly: Bool, options: LocalExtentOptions, world: World, calls: FileSystemCalls
    ) throws(StorageFailure) {
        try options.validated()
        let opened = try StoreDirectory(root: directory, mayCreate: !isReadOnly, calls: calls, world: world)
        let found = try opened.findSegments()
        let used = found.reduce(0) { $0 + $1.allocatedBytes }
        // A check must find what would keep the node from starting.
        let sound = try SegmentNumbers(directory: directory, highestSegment: found.map(\.number).max(), calls: calls)
        let numbers = isReadOnly ? nil : sound
        let budgetBytes: Int64
        if let given = options.budgetBytes {
            budgetBytes = given
        } else {
            budgetBytes = try Self.defaultBudget(directory: directory, usedBytes: used, options: options, calls: calls)
        }
        self.isReadOnly = isReadOnly
        self.options = options
        maximumExtentLength = options.maximumExtentLength
        storeID = opened.storeID
        lock = Locked(opened.lockFile)
        files = SegmentFiles(
            root: directory, options: options, calls: calls, numbers: numbers,
            found: found.map { ($0.number, $0.allocatedBytes) },
            budget: SpaceBudget(usedBytes: used, budgetBytes: budgetBytes))
        threads = try ThreadPool(threads: options.inputOutputThreads, maximumBounded: options.maximumQueuedReads)
        syncThreads = try ThreadPool(threads: options.syncThreads, maximumBounded: options.maximumQueuedReads)
        buffers = WriteBufferPool(capacity: options.writeBufferBytes, budget: options.writeMemoryBytes)
        verifier = ExtentVerifier(files: files, threads: threads)
        sweeper = SegmentSweeper(files: files)
        lanes = isReadOnly ? nil : Lanes(count: options.lanes, files: files)
    }

    /// What the file system has free, without a reserve for the metadata and everyone else: a twentieth of the file
    /// system, between 256 MiB and 16 GiB, and what the open segments are allocated ahead.
    private static func defaultBudget(
        directory: String, usedBytes: Int64, options: LocalExtentOptions, calls: FileSystemCalls
    ) throws(StorageFailure) -> Int64 {
        switch calls.space(directory) {
        case .failure(let error): throw error.readFailure("measure", "the file system")
        case .success(let space):
            let reserve = min(max(space.totalBytes / 20, 256 << 20), 16 << 30)
            let ahead = Int64(options.lanes) * min(options.preallocationBytes, options.segmentBytes)
            return max(0, usedBytes + space.freeBytes - reserve - ahead)
        }
    }

    // MARK: Writing

    package func openSink(
        expectedLength: Int64?, observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    ) async throws(StorageFailure) -> any ExtentSink {
        try gate.enter()
        defer { gate.leave() }
        guard let lanes else { throw Self.readOnly }
        let reserved = expectedLength ?? 0
        guard reserved >= 0, reserved <= Int64.max - SegmentLayout.blockBytes else {
            throw StorageFailure(.invalidInput, cause: "a body of \(reserved) bytes")
        }
        try enterSink()
        do throws(StorageFailure) { try files.budget.reserve(SegmentLayout.padded(reserved)) } catch {
            openSinks.withLock { $0 -= 1 }
            throw error
        }
        let (index, lane) = lanes.enter()
        let openSinks = openSinks
        return LocalExtentSink(
            writer: BodyWriter(
                files: files, lane: lane, expectedLength: expectedLength,
                reservedBytes: SegmentLayout.padded(reserved), observer: observer),
            expectedLength: expectedLength,
            services: LocalExtentSink.Services(
                gate: gate, threads: threads, syncThreads: syncThreads, buffers: buffers,
                durability: options.durability,
                ended: {
                    lanes.leave(index)
                    openSinks.withLock { $0 -= 1 }
                }))
    }

    private func enterSink() throws(StorageFailure) {
        try openSinks.withLock { count throws(StorageFailure) in
            guard count < options.maximumSinks else {
                throw StorageFailure(.busy(retryAfterSeconds: 2), cause: "\(count) bodies are under way")
            }
            count += 1
        }
    }

    // MARK: Reading

    package func spans(of extent: Extent, range: Range<Int>) async throws(StorageFailure) -> [FileSpan] {
        try gate.enter()
        defer { gate.leave() }
        try validate(extent, range)
        if range.isEmpty { return [] }
        let file = try await verifiedFile(extent)
        return [FileSpan(file: file, offset: extent.start + Int64(range.lowerBound), length: range.count)]
    }

    package func read(_ extent: Extent, range: Range<Int>) async throws(StorageFailure) -> ByteBuffer {
        try gate.enter()
        defer { gate.leave() }
        try validate(extent, range)
        if range.isEmpty { return ByteBuffer() }
        let file = try await verifiedFile(extent)
        let calls = files.calls
        return try await threads.runBounded { () throws(StorageFailure) in
            try Self.read(range, of: extent, in: file, calls: calls)
        }
    }

    private static func read(
        _ range: Range<Int>, of extent: Extent, in file: OpenFile, calls: FileSystemCalls
    ) throws(StorageFailure) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: range.count)
        let start = extent.start + Int64(range.lowerBound)
        var failure: FileError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: range.count) { memory in
            let wanted = UnsafeMutableRawBufferPointer(rebasing: memory.prefix(range.count))
            do throws(FileError) { return try calls.readFully(file.descriptor, into: wanted, at: start) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure.readFailure("read", file.label) }
        guard buffer.readableBytes == range.count else {
            throw StorageFailure(.damaged, cause: "\(file.label) ends before \(start + Int64(range.count))")
        }
        return buffer
    }

    package func verify(_ extent: Extent) async throws(StorageFailure) -> ExtentHealth {
        try gate.enter()
        defer { gate.leave() }
        try SegmentLayout.validate(extent, maximumLength: maximumExtentLength)
        let health = try await check(extent)
        // What was verified earlier is no longer worth anything: reads must see the damage too.
        if health != .sound { files.verified.remove(extent.id) }
        return health
    }

    private func check(_ extent: Extent) async throws(StorageFailure) -> ExtentHealth {
        let files = files
        return try await threads.run { () throws(StorageFailure) in
            guard files.segment(extent.id.group) != nil else { return .missing }
            let file: OpenFile
            do throws(StorageFailure) { file = try files.openFile(extent.id.group) } catch {
                guard error.code == .damaged else { throw error }
                return .missing
            }
            // Advice: where the kernel keeps the pages nevertheless, the check is of them.
            _ = files.calls.dropCached(file.descriptor, extent.start, SegmentLayout.padded(extent.length))
            switch ExtentVerifier.health(of: extent, in: file, calls: files.calls) {
            case .success(let health): return health
            case .failure(let error): return .unreadable(reason: error.text)
            }
        }
    }

    /// On the caller's thread, without a file call, when the extent is verified and its segment's descriptor is open.
    private func verifiedFile(_ extent: Extent) async throws(StorageFailure) -> OpenFile {
        try await verifier.requireVerified(extent)
        if let file = files.descriptors.file(of: extent.id.group) { return file }
        let files = files
        return try await threads.runBounded { () throws(StorageFailure) in try files.openFile(extent.id.group) }
    }

    private func validate(_ extent: Extent, _ range: Range<Int>) throws(StorageFailure) {
        try SegmentLayout.validate(extent, maximumLength: maximumExtentLength)
        guard range.lowerBound >= 0, range.upperBound <= extent.length else {
            throw StorageFailure(.invalidInput, cause: "bytes \(range) of an extent of \(extent.length)")
        }
    }

    // MARK: Giving back

    package func free(_ extents: [Extent]) async throws(StorageFailure) {
        try gate.enter()
        defer { gate.leave() }
        if isReadOnly { throw Self.readOnly }
        for extent in extents { try SegmentLayout.validate(extent, maximumLength: maximumExtentLength) }
        if extents.isEmpty { return }
        let sweeper = sweeper
        try await threads.run { () throws(StorageFailure) in try sweeper.free(extents) }
    }

    package func finishFreeing() async -> Bool {
        guard !isReadOnly, !files.withUnpunched.isEmpty else { return false }
        // Closed meanwhile: the sweeper of the next start gives back what is left.
        do throws(StorageFailure) { try gate.enter() } catch { return false }
        defer { gate.leave() }
        let sweeper = sweeper
        do throws(StorageFailure) { return try await threads.run { sweeper.punchLeftovers() } } catch { return true }
    }

    package func closedGroups() async throws(StorageFailure) -> [UInt64] {
        try gate.enter()
        defer { gate.leave() }
        return files.closedGroups
    }

    package func keepOnly(_ live: [Extent], inGroup group: UInt64) async throws(StorageFailure) -> Int64 {
        try gate.enter()
        defer { gate.leave() }
        if isReadOnly { throw Self.readOnly }
        let sweeper = sweeper
        return try await threads.run { () throws(StorageFailure) in try sweeper.keepOnly(live, inGroup: group) }
    }

    package func usage() -> ExtentUsage { files.budget.current }

    package func close() async {
        guard await gate.close() else { return }
        if let lanes {
            do throws(StorageFailure) {
                try await threads.run { () throws(StorageFailure) in try lanes.close() }
            } catch {
                // What was allocated ahead stays so until the sweeper of the next start: nothing is lost.
            }
        }
        files.descriptors.removeAll()
        threads.stop()
        syncThreads.stop()
        lock.withLock { $0 = nil }
    }

    private static var readOnly: StorageFailure {
        StorageFailure(.unavailable, detail: "The extent store is open for reading only.")
    }
}
