import StorageModel

/// One segment file: what is known of its space, and its syncer.
final class Segment: Sendable {
    struct Space {
        /// Padded bytes of sealed extents that nobody freed; `nil` for an older segment until `keepOnly` was told.
        var liveBytes: Int64?
        /// What the store's usage counts for this segment. Larger than `liveBytes` where space could not be given back.
        var countedBytes: Int64
        /// Areas that bodies under way hold.
        var openAreas = 0
        /// A lane appends to it.
        var isFilling: Bool
        var isDeleted = false
        /// Allocated up to here, ahead of the data.
        var allocatedEnd: Int64 = 0
        /// Freed before `keepOnly` was told what lives: its caller may have looked before they were freed.
        var freedBeforeSweep: Set<UInt64> = []

        /// Freed, and still counted, because bytes of it are on their way to a peer.
        var unpunched: [Range<Int64>] = []

        /// Nothing in it is wanted and nothing will come.
        var isDisposable: Bool { !isFilling && !isDeleted && openAreas == 0 && liveBytes == 0 }
    }

    let number: UInt64
    let existedAtOpen: Bool
    let syncer: SegmentSyncer
    /// Held through system calls that change the file's allocation: take it on the store's own threads alone.
    let space: Locked<Space>

    var label: String { SegmentLayout.segmentsDirectory + "/" + SegmentLayout.fileName(number) }

    init(number: UInt64, existedAtOpen: Bool, space: Space, syncer: SegmentSyncer) {
        self.number = number
        self.existedAtOpen = existedAtOpen
        self.space = Locked(space)
        self.syncer = syncer
    }
}

/// Room in a segment that one body fills: it begins at `start`, and nobody else writes before `end`.
struct Area: Sendable {
    var segment: Segment
    /// Held for as long as the body may write or sync.
    var file: OpenFile
    var start: Int64
    /// A multiple of the block size.
    var end: Int64
}
