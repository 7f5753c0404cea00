import Extents
import Glibc
import StorageModel

/// Gives space back: of extents that were freed, and of whatever a crash left without a name. Blocks.
struct SegmentSweeper: Sendable {
    let files: SegmentFiles

    /// The extents are sound in shape; extents of segments that are gone are gone already.
    func free(_ extents: [Extent]) throws(StorageFailure) {
        var rest = extents.sorted { $0.id < $1.id }[...]
        while let group = rest.first?.id.group {
            let count = rest.prefix { $0.id.group == group }.count
            let part = rest.prefix(count)
            rest = rest.dropFirst(count)
            guard let segment = files.segment(group) else { continue }
            try free(part, in: segment)
            try files.deleteIfDisposable(segment)
        }
    }

    private func free(_ extents: ArraySlice<Extent>, in segment: Segment) throws(StorageFailure) {
        let file: OpenFile
        do throws(StorageFailure) { file = try files.openFile(segment.number) } catch {
            // Deleted meanwhile, or lost: then there is nothing to give back, and reads say so.
            guard error.code == .damaged else { throw error }
            return
        }
        try segment.space.withLock { space throws(StorageFailure) in
            if space.isDeleted { return }
            // Should a log that lost its end bring their names back, the next reader finds out that they are gone.
            for extent in extents { files.verified.remove(extent.id) }
            for run in Self.runs(of: extents) {
                let bytes = run.upperBound - run.lowerBound
                // More than what lives was freed: the count is worth nothing, and a segment is never deleted by it. The
                // sweeper of the next start counts anew.
                space.liveBytes = space.liveBytes.flatMap { $0 >= bytes ? $0 - bytes : nil }
                try punch(run, of: segment, file, &space)
            }
            if space.liveBytes == nil { space.freedBeforeSweep.formUnion(extents.map(\.id.position)) }
        }
    }

    /// Gives a freed run back, or keeps it for later.
    private func punch(
        _ run: Range<Int64>, of segment: Segment, _ file: OpenFile, _ space: inout Segment.Space
    ) throws(StorageFailure) {
        do throws(FileError) {
            guard try !files.isOnItsWay(file, from: run.lowerBound, to: run.upperBound) else {
                space.unpunched.append(run)
                return files.noteUnpunched(segment.number, true)
            }
            try files.punch(file, from: run.lowerBound, to: run.upperBound)
            release(run.upperBound - run.lowerBound, &space)
        } catch {
            // Without holes the space comes back when the whole segment is free.
            guard error.isUnsupported else { throw error.writeFailure("punch", file.label) }
        }
    }

    /// Gives back what was freed while it was on its way.
    /// - Returns: whether something still is.
    func punchLeftovers() -> Bool {
        for number in files.withUnpunched {
            guard let segment = files.segment(number) else {
                files.noteUnpunched(number, false)
                continue
            }
            do throws(StorageFailure) {
                let file = try files.openFile(number)
                try segment.space.withLock { space throws(StorageFailure) in
                    let runs = space.unpunched
                    space.unpunched = []
                    files.noteUnpunched(number, false)
                    for (index, run) in runs.enumerated() {
                        do throws(StorageFailure) { try punch(run, of: segment, file, &space) } catch {
                            space.unpunched += runs[index...]
                            files.noteUnpunched(number, true)
                            throw error
                        }
                    }
                }
            } catch {
                // Tried again later: the runs are still there.
                continue
            }
        }
        return !files.withUnpunched.isEmpty
    }

    /// Neighbours become one run, so that they cost one call.
    private static func runs(of extents: ArraySlice<Extent>) -> [Range<Int64>] {
        var runs: [Range<Int64>] = []
        for extent in extents {
            if let last = runs.last, last.upperBound >= extent.start {
                runs[runs.count - 1] = last.lowerBound..<max(last.upperBound, extent.paddedEnd)
            } else {
                runs.append(extent.start..<extent.paddedEnd)
            }
        }
        return runs
    }

    /// Everything it does can be done again: a crash at any point leaves work for the next time.
    ///
    /// Gaps are punched whole, without a search for data in them: space that was allocated ahead and never written does
    /// not show as data, and it too must come back.
    func keepOnly(_ live: [Extent], inGroup group: UInt64) throws(StorageFailure) -> Int64 {
        try validate(live, group: group)
        guard let segment = files.segment(group) else {
            guard live.isEmpty else {
                throw StorageFailure(.damaged, cause: "segment \(group) is gone, \(live.count) extents of it are not")
            }
            return 0
        }
        guard segment.existedAtOpen else {
            throw StorageFailure(.invalidInput, cause: "segment \(group) is not closed")
        }
        let file = try files.openFile(group)
        return try segment.space.withLock { space throws(StorageFailure) in
            let kept = live.filter { !space.freedBeforeSweep.contains($0.id.position) }
            let before = space.countedBytes
            guard !space.isDeleted else { return 0 }
            if kept.isEmpty {
                let given = try files.delete(segment, &space)
                files.budget.release(used: given)
                return given
            }
            try trim(file, to: kept, &space)
            return before - space.countedBytes
        }
    }

    private func trim(_ file: OpenFile, to kept: [Extent], _ space: inout Segment.Space) throws(StorageFailure) {
        let liveBytes = kept.reduce(0) { $0 + SegmentLayout.padded($1.length) }
        do throws(FileError) {
            let status = try files.calls.status(file.descriptor).get()
            let end = kept.last?.paddedEnd ?? 0
            try requireUnsent(file, between: kept, to: status.sizeBytes)
            if status.sizeBytes > end {
                try files.calls.uninterrupted { files.calls.truncate(file.descriptor, end) }
            }
            var canPunch = true
            // A segment that occupies no more than its extents has no gaps to give back.
            if try files.calls.status(file.descriptor).get().allocatedBytes > liveBytes {
                canPunch = try punchGaps(file, between: kept)
            }
            let occupied = canPunch ? liveBytes : try files.calls.status(file.descriptor).get().allocatedBytes
            release(space.countedBytes - occupied, &space)
            space.liveBytes = liveBytes
            space.freedBeforeSweep = []
        } catch { throw error.writeFailure("sweep", file.label) }
    }

    /// A process that was killed may have left bytes on their way.
    private func requireUnsent(_ file: OpenFile, between kept: [Extent], to fileEnd: Int64) throws(FileError) {
        var hasSynced = false
        var gapStart: Int64 = 0
        for (start, end) in kept.map({ ($0.start, $0.paddedEnd) }) + [(fileEnd, fileEnd)] {
            let gap = (from: gapStart, to: start)
            gapStart = end
            guard try files.isOnItsWay(file, from: gap.from, to: gap.to) else { continue }
            if !hasSynced {
                // What was never synced is in the cache for that reason alone.
                try files.calls.uninterrupted { files.calls.syncData(file.descriptor) }
                hasSynced = true
            }
            if try files.isOnItsWay(file, from: gap.from, to: gap.to) { throw FileError(code: EBUSY) }
        }
    }

    /// Answers whether the file system knows holes.
    private func punchGaps(_ file: OpenFile, between kept: [Extent]) throws(FileError) -> Bool {
        var gapStart: Int64 = 0
        for extent in kept {
            do throws(FileError) { try files.punch(file, from: gapStart, to: extent.start) } catch {
                guard error.isUnsupported else { throw error }
                return false
            }
            gapStart = extent.paddedEnd
        }
        return true
    }

    private func validate(_ live: [Extent], group: UInt64) throws(StorageFailure) {
        var end: Int64 = 0
        for extent in live {
            try SegmentLayout.validate(extent, maximumLength: files.options.maximumExtentLength)
            guard extent.id.group == group, extent.start >= end else {
                throw StorageFailure(.invalidInput, cause: "live extents are not ascending in segment \(group)")
            }
            end = extent.paddedEnd
        }
    }

    /// Books what is no longer occupied. What a file system keeps for its own tables can make the count fall short of
    /// the extents; the count then rises to them.
    private func release(_ bytes: Int64, _ space: inout Segment.Space) {
        let given = min(bytes, space.countedBytes)
        space.countedBytes -= given
        files.budget.release(used: given)
    }
}
