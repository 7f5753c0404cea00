import Checksums
import Extents
import StorageModel

/// Puts one body's bytes into areas and counts them: the blocking half of a sink.
///
/// `@unchecked Sendable`: a body has one job at a time, and each begins after the one before has ended; the sink sees
/// to both, and it alone holds the writer.
final class BodyWriter: @unchecked Sendable {
    private struct Filling {
        var area: Area
        /// No more than this goes into the area.
        var capacity: Int
        var written = 0
        var checksum = CRC64NVME()
    }
    private struct Finished {
        var area: Area
        var extent: Extent
    }

    private let files: SegmentFiles
    private let lane: Lane
    private let observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    /// Of the length that was announced, what has no area yet.
    private var expectedRest: Int64
    /// Promised by the budget and not in an area.
    private var spareBytes: Int64
    private var filling: Filling?
    private var finished: [Finished] = []

    /// `reservedBytes` is the writer's from here on: promised by the budget, given back by `commit` or `release`.
    init(
        files: SegmentFiles, lane: Lane, expectedLength: Int64?, reservedBytes: Int64,
        observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    ) {
        self.files = files
        self.lane = lane
        self.observer = observer
        expectedRest = expectedLength ?? 0
        spareBytes = reservedBytes
    }

    /// - Parameter isLast: nothing follows, so the last area need not be larger than these bytes.
    func write(_ bytes: UnsafeRawBufferPointer, isLast: Bool) throws(StorageFailure) {
        guard !bytes.isEmpty else { return }
        observer?(bytes)
        var rest = bytes
        while !rest.isEmpty {
            var current: Filling
            if let filling { current = filling } else { current = try startArea(for: rest.count, isLast: isLast) }
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(current.capacity - current.written))
            // Kept before the write, so that a failed one still gives the whole area back.
            filling = current
            do throws(FileError) {
                try files.calls.writeAll(
                    current.area.file.descriptor, piece, at: current.area.start + Int64(current.written))
            } catch { throw error.writeFailure("write", current.area.file.label) }
            current.checksum.update(piece)
            current.written += piece.count
            filling = current
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(piece.count))
            if current.written == current.capacity { finishArea(isLast: isLast && rest.isEmpty) }
        }
    }

    /// Trims the last area. Answers each file that the body touched, once.
    func finish() -> [(segment: Segment, file: OpenFile)] {
        if filling != nil { finishArea(isLast: true) }
        var touched: [(segment: Segment, file: OpenFile)] = []
        for area in finished.map(\.area) where touched.last?.segment !== area.segment {
            if !touched.contains(where: { $0.segment === area.segment }) { touched.append((area.segment, area.file)) }
        }
        return touched
    }

    /// The body is durable: its promised bytes become live ones.
    func commit() -> [Extent] {
        for part in finished {
            let bytes = part.area.end - part.area.start
            part.area.segment.space.withLock { space in
                space.openAreas -= 1
                space.liveBytes = (space.liveBytes ?? 0) + bytes
                space.countedBytes += bytes
            }
            files.budget.convert(reserved: bytes)
            files.verified.insert(part.extent.id)
        }
        defer { finished = [] }
        releaseSpare()
        return finished.map(\.extent)
    }

    /// Gives everything back. What the file system refuses to take counts as used until the next sweep.
    func release() {
        // Backwards, so that the tail of the segment shrinks area by area.
        let areas = (finished.map(\.area) + (filling.map { [$0.area] } ?? [])).reversed()
        finished = []
        filling = nil
        for area in areas {
            settle(area, occupied: lane.giveBack(area, from: area.start), from: area.start)
            area.segment.space.withLock { $0.openAreas -= 1 }
            do throws(StorageFailure) { try files.deleteIfDisposable(area.segment) } catch {
                // The segment stays, empty: the sweeper of the next start deletes it.
                continue
            }
        }
        releaseSpare()
    }

    private func startArea(for pending: Int, isLast: Bool) throws(StorageFailure) -> Filling {
        let maximum = files.options.maximumExtentLength
        let minimum = min(pending, maximum)
        var capacity = isLast ? minimum : maximum
        if expectedRest > 0 { capacity = Int(min(Int64(maximum), expectedRest)) }
        do throws(StorageFailure) { try reserveBudget(SegmentLayout.padded(capacity)) } catch {
            // A body of unknown length asks for more than it may need; near the budget's end it takes what it has.
            guard capacity > minimum else { throw error }
            capacity = minimum
            try reserveBudget(SegmentLayout.padded(capacity))
        }
        let area: Area
        do throws(StorageFailure) { area = try lane.reserve(SegmentLayout.padded(capacity)) } catch {
            spareBytes += SegmentLayout.padded(capacity)
            throw error
        }
        expectedRest -= min(expectedRest, Int64(capacity))
        return Filling(area: area, capacity: capacity)
    }

    /// Takes the bytes out of what was promised to the body, and asks for what is missing.
    private func reserveBudget(_ bytes: Int64) throws(StorageFailure) {
        if spareBytes < bytes { try files.budget.reserve(bytes - spareBytes) }
        spareBytes = max(0, spareBytes - bytes)
    }

    private func finishArea(isLast: Bool) {
        guard var done = filling else { return }
        filling = nil
        let usedEnd = done.area.start + SegmentLayout.padded(done.written)
        if usedEnd < done.area.end {
            settle(done.area, occupied: lane.giveBack(done.area, from: usedEnd), from: usedEnd)
            done.area.end = usedEnd
        }
        let id = ExtentID(group: done.area.segment.number, position: UInt64(done.area.start))
        finished.append(
            Finished(
                area: done.area, extent: Extent(id: id, length: done.written, crc64: done.checksum.value)))
        if !isLast {
            // Spreads the writing of a large body over its upload. Advice only: the sync decides, so no answer matters.
            _ = files.calls.startWriteback(done.area.file.descriptor, done.area.start, usedEnd - done.area.start)
        }
    }

    /// Books an area's end that was given back, of which `occupied` bytes stayed on the medium.
    private func settle(_ area: Area, occupied: Int64, from usedEnd: Int64) {
        if occupied > 0 { files.budget.convert(reserved: occupied) }
        spareBytes += area.end - usedEnd - occupied
    }

    private func releaseSpare() {
        if spareBytes > 0 { files.budget.release(reserved: spareBytes) }
        spareBytes = 0
    }
}
