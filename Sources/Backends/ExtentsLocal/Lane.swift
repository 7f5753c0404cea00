import StorageModel

/// One segment that is being filled from its tail. Bodies reserve areas under a short lock and write them in parallel.
final class Lane: Sendable {
    private struct Filling {
        var segment: Segment
        var file: OpenFile
        var tail: Int64 = 0
    }

    private let filling = Locked<Filling?>(nil)
    private let files: SegmentFiles

    init(files: SegmentFiles) { self.files = files }

    /// Blocks: creates a segment when the current one is full, and allocates ahead.
    /// - Parameter length: a multiple of the block size, at most a segment.
    func reserve(_ length: Int64) throws(StorageFailure) -> Area {
        try filling.withLock { filling throws(StorageFailure) in
            if let current = filling,
                current.tail + length > files.options.segmentBytes || current.segment.syncer.isPoisoned
            {
                filling = nil
                try retire(current)
            }
            var current: Filling
            if let present = filling {
                current = present
            } else {
                let (segment, file) = try files.create()
                current = Filling(segment: segment, file: file)
                filling = current
            }
            let area = Area(
                segment: current.segment, file: current.file, start: current.tail, end: current.tail + length)
            try current.segment.space.withLock { space throws(StorageFailure) in
                try files.preallocate(current.file, &space, upTo: area.end)
                space.openAreas += 1
            }
            current.tail = area.end
            filling = current
            return area
        }
    }

    /// Gives the end of an area back, from `usedEnd` (a multiple of the block size) on. Answers the bytes that stay
    /// occupied because the file system refused: they count as used until the segment is swept or deleted.
    func giveBack(_ area: Area, from usedEnd: Int64) -> Int64 {
        guard usedEnd < area.end else { return 0 }
        let isTail = filling.withLock { filling in
            guard let current = filling, current.segment === area.segment, current.tail == area.end else {
                return false
            }
            // The next area begins here: nothing was told of what this one held.
            filling?.tail = usedEnd
            return true
        }
        if isTail { return 0 }
        return area.segment.space.withLock { space in
            guard !space.isDeleted else { return 0 }
            do throws(FileError) {
                try files.punch(area.file, from: usedEnd, to: area.end)
                return 0
            } catch {
                space.countedBytes += area.end - usedEnd
                return area.end - usedEnd
            }
        }
    }

    /// Stops filling: what was allocated ahead is given back.
    func close() throws(StorageFailure) {
        let last = filling.withLock { filling in
            defer { filling = nil }
            return filling.map { Area(segment: $0.segment, file: $0.file, start: 0, end: $0.tail) }
        }
        if let last { try retire(Filling(segment: last.segment, file: last.file, tail: last.end)) }
    }

    private func retire(_ filling: Filling) throws(StorageFailure) {
        filling.segment.space.withLock { space in
            space.isFilling = false
            guard space.allocatedEnd > filling.tail else { return }
            // No area reaches behind the tail. When this fails, the sweeper of the next start gives the rest back.
            _ = files.calls.truncate(filling.file.descriptor, filling.tail)
            space.allocatedEnd = filling.tail
        }
        try files.deleteIfDisposable(filling.segment)
    }
}

/// The lanes and how many bodies each has: a new body takes the idlest, the first of equals, so that a quiet node fills
/// one segment and a busy one several.
final class Lanes: Sendable {
    private let lanes: [Lane]
    private let bodies: Locked<[Int]>

    init(count: Int, files: SegmentFiles) {
        lanes = (0..<count).map { _ in Lane(files: files) }
        bodies = Locked(Array(repeating: 0, count: count))
    }

    func enter() -> (index: Int, lane: Lane) {
        let index = bodies.withLock { bodies in
            let index = bodies.indices.min { bodies[$0] < bodies[$1] } ?? 0
            bodies[index] += 1
            return index
        }
        return (index, lanes[index])
    }

    func leave(_ index: Int) { bodies.withLock { $0[index] -= 1 } }

    func close() throws(StorageFailure) {
        for lane in lanes { try lane.close() }
    }
}
