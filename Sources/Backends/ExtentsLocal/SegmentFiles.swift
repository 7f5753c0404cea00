import Glibc
import StorageModel

/// The segment files and what belongs to all of them. Methods that touch files block: call them on the store's threads.
final class SegmentFiles: Sendable {
    let options: LocalExtentOptions
    let calls: FileSystemCalls
    let budget: SpaceBudget
    let verified: VerifiedExtents
    let descriptors: DescriptorCache

    private let directory: String
    private let isReadOnly: Bool
    /// `nil` when the store is open for reading only.
    private let numbers: SegmentNumbers?
    private let segments: Locked<[UInt64: Segment]>
    private let unpunched = Locked<Set<UInt64>>([])
    /// Cleared when the file system turns out not to know the call.
    private let canPreallocate: Locked<Bool>

    init(
        root: String, options: LocalExtentOptions, calls: FileSystemCalls, numbers: SegmentNumbers?,
        found: [(number: UInt64, allocatedBytes: Int64)], budget: SpaceBudget
    ) {
        let directory = root + "/" + SegmentLayout.segmentsDirectory
        self.directory = directory
        self.options = options
        self.calls = calls
        self.numbers = numbers
        self.budget = budget
        isReadOnly = numbers == nil
        verified = VerifiedExtents(maximumSegments: options.verifiedSegments, segmentBytes: options.segmentBytes)
        descriptors = DescriptorCache(capacity: options.openFiles)
        canPreallocate = Locked(options.preallocationBytes > 0)
        var segments: [UInt64: Segment] = [:]
        for (number, allocatedBytes) in found {
            segments[number] = Segment(
                number: number, existedAtOpen: true,
                space: Segment.Space(liveBytes: nil, countedBytes: allocatedBytes, isFilling: false),
                syncer: SegmentSyncer(
                    label: SegmentLayout.fileName(number), segmentsDirectory: directory, calls: calls))
        }
        self.segments = Locked(segments)
    }

    func segment(_ number: UInt64) -> Segment? { segments.withLock { $0[number] } }

    var closedGroups: [UInt64] {
        segments.withLock { segments in segments.values.filter(\.existedAtOpen).map(\.number).sorted() }
    }

    /// A new, empty segment that its caller fills. Its name becomes durable with its first sync.
    func create() throws(StorageFailure) -> (Segment, OpenFile) {
        guard let numbers else { throw StorageFailure(.unavailable, detail: "The extent store is read-only.") }
        let number = try numbers.take()
        let label = SegmentLayout.fileName(number)
        let file: OpenFile
        do throws(FileError) {
            let descriptor = try calls.opened(directory + "/" + label, O_RDWR | O_CREAT | O_EXCL)
            file = OpenFile(descriptor: descriptor, label: SegmentLayout.segmentsDirectory + "/" + label)
        } catch { throw error.writeFailure("create", label) }
        let segment = Segment(
            number: number, existedAtOpen: false,
            space: Segment.Space(liveBytes: 0, countedBytes: 0, isFilling: true),
            syncer: SegmentSyncer(
                label: label, segmentsDirectory: directory, calls: calls,
                // What lies in a segment whose sync has failed is looked at again before it is served.
                onPoison: { [verified] in verified.forget(segment: number) }))
        segments.withLock { $0[number] = segment }
        _ = descriptors.insert(file, for: number)
        return (segment, file)
    }

    /// The segment's file, out of the cache or opened now.
    /// - Throws: `.damaged` when there is no such file.
    func openFile(_ number: UInt64) throws(StorageFailure) -> OpenFile {
        if let file = descriptors.file(of: number) { return file }
        let label = SegmentLayout.fileName(number)
        do throws(FileError) {
            let descriptor = try calls.opened(directory + "/" + label, isReadOnly ? O_RDONLY : O_RDWR)
            let file = OpenFile(descriptor: descriptor, label: SegmentLayout.segmentsDirectory + "/" + label)
            return descriptors.insert(file, for: number)
        } catch { throw error.readFailure("open", label) }
    }

    /// Allocates ahead of the tail, so that `end` is covered. Call with the segment's space held.
    /// - Throws: `.outOfSpace` when the medium has no room.
    func preallocate(
        _ file: OpenFile, _ space: inout Segment.Space, upTo end: Int64
    ) throws(StorageFailure) {
        guard end > space.allocatedEnd else { return }
        let room = try roomAboveReserve(atLeast: end - space.allocatedEnd)
        guard canPreallocate.withLock({ $0 }) else { return }
        var generous = min(max(end, space.allocatedEnd + options.preallocationBytes), max(end, options.segmentBytes))
        if generous - space.allocatedEnd > room { generous = end }
        do throws(FileError) {
            do throws(FileError) { try allocate(file, from: space.allocatedEnd, to: generous) } catch {
                guard error.isOutOfSpace, generous > end else { throw error }
                try allocate(file, from: space.allocatedEnd, to: end)
                space.allocatedEnd = end
                return
            }
            space.allocatedEnd = generous
        } catch {
            guard error.isUnsupported else { throw error.writeFailure("allocate", file.label) }
            // The file then grows by being written, as on any file system without this call.
            canPreallocate.withLock { $0 = false }
        }
    }

    /// What the file system has free above the reserve.
    /// - Throws: `.outOfSpace` when that is less than `needed`.
    private func roomAboveReserve(atLeast needed: Int64) throws(StorageFailure) -> Int64 {
        // A file system that does not say how much is free refuses by itself.
        guard options.freeSpaceReserveBytes > 0, case .success(let space) = calls.space(directory) else { return .max }
        let room = space.freeBytes - options.freeSpaceReserveBytes
        guard room >= needed else {
            throw StorageFailure(
                .outOfSpace,
                cause: "\(space.freeBytes) bytes free, \(needed) wanted, \(options.freeSpaceReserveBytes) kept free")
        }
        return room
    }

    private func allocate(_ file: OpenFile, from start: Int64, to end: Int64) throws(FileError) {
        do throws(FileError) {
            try calls.uninterrupted { calls.preallocate(file.descriptor, start, end - start) }
        } catch {
            // A full file system may have allocated a part; no area reaches there yet.
            if error.isOutOfSpace { _ = calls.truncate(file.descriptor, start) }
            throw error
        }
    }

    func punch(_ file: OpenFile, from start: Int64, to end: Int64) throws(FileError) {
        guard end > start else { return }
        try calls.uninterrupted { calls.punchHole(file.descriptor, start, end - start) }
    }

    /// Larger than any folio of the page cache of x86: see `isOnItsWay`.
    private static let folioBytes: Int64 = 2 << 20

    /// Whether a socket may still hold pages of the range, which nobody reads any more: sendfile hands the socket the pages
    /// of the cache themselves, and it keeps them until the peer has them, or, on the same machine, has read them. A hole
    /// punched into a part of a larger folio zeroes that part in place, and so in what is on its way.
    ///
    /// Nothing of the range is on its way when the cache lets go of all of it: it keeps what somebody else holds. Drops what
    /// it can from the cache; beyond the range only if that is not enough.
    func isOnItsWay(_ file: OpenFile, from start: Int64, to end: Int64) throws(FileError) -> Bool {
        guard end > start else { return false }
        // What cannot be dropped, for whatever reason, shows as cached.
        _ = calls.dropCached(file.descriptor, start, end - start)
        if try cachedBytes(file, start, end) == 0 { return false }
        let wideStart = start / Self.folioBytes * Self.folioBytes
        let wideEnd = (end + Self.folioBytes - 1) / Self.folioBytes * Self.folioBytes
        _ = calls.dropCached(file.descriptor, wideStart, wideEnd - wideStart)
        return try cachedBytes(file, start, end) > 0
    }

    private func cachedBytes(_ file: OpenFile, _ start: Int64, _ end: Int64) throws(FileError) -> Int64 {
        let cached = calls.cachedBytes(file.descriptor, start, end - start)
        guard cached >= 0 else { throw FileError(answer: cached) }
        return cached
    }

    /// Segments with freed runs that could not be punched yet.
    func noteUnpunched(_ number: UInt64, _ hasSome: Bool) {
        unpunched.withLock { numbers in
            if hasSome { numbers.insert(number) } else { numbers.remove(number) }
        }
    }

    var withUnpunched: [UInt64] { unpunched.withLock { $0.sorted() } }

    /// Deletes the segment's file when nothing in it is wanted; what it still counted is given back.
    func deleteIfDisposable(_ segment: Segment) throws(StorageFailure) {
        let given: Int64? = try segment.space.withLock { space throws(StorageFailure) in
            guard space.isDisposable else { return nil }
            return try delete(segment, &space)
        }
        if let given { budget.release(used: given) }
    }

    /// Call with the segment's space held; answers what the segment counted.
    func delete(_ segment: Segment, _ space: inout Segment.Space) throws(StorageFailure) -> Int64 {
        let name = SegmentLayout.fileName(segment.number)
        do throws(FileError) { try calls.uninterrupted { calls.unlink(directory + "/" + name) } } catch {
            guard error.code == ENOENT else { throw error.writeFailure("delete", name) }
        }
        defer { space.countedBytes = 0 }
        space.isDeleted = true
        space.liveBytes = 0
        // The pages of a deleted file leave the cache whole: what is on its way stays as it is.
        space.unpunched = []
        noteUnpunched(segment.number, false)
        segments.withLock { $0[segment.number] = nil }
        descriptors.remove(segment.number)
        verified.forget(segment: segment.number)
        return space.countedBytes
    }
}
