import Extents
import Metadata
import NIOCore
import StorageModel

/// The bytes of a range of a manifest, piece by piece. Holds the manifest against the reaper until it is closed.
final class ExtentBody: BodyProducer {
    private struct State {
        var pieces: ArraySlice<ManifestPiece>
        /// Offset in the blob of the first of `pieces`.
        var piecesStart: Int64
        /// Spans of the piece before, not yet given out.
        var spans: ArraySlice<FileSpan> = []
        /// The first spans, found in advance, and what remains behind them.
        var prepared: (spans: ArraySlice<FileSpan>, remaining: Range<Int64>)?
        /// What is still to give.
        var remaining: Range<Int64>
        var isClosed = false
    }
    /// Of a manifest in pages: as many pieces are taken out of one at a time.
    private static let piecesAtOnce = 32

    private let state: Locked<State>
    private let contentID: ContentID
    private let isPaged: Bool
    private let namespace: Namespace

    /// The caller has taken the hold on the manifest; `close` gives it back.
    init(of record: BlobRecord, range: Range<Int64>, namespace: Namespace) {
        contentID = record.contentID
        self.namespace = namespace
        if case .pieces(let pieces) = record.content {
            isPaged = false
            state = Locked(State(pieces: pieces[...], piecesStart: 0, remaining: range))
        } else {
            isPaged = true
            state = Locked(State(pieces: [], piecesStart: 0, remaining: range))
        }
    }

    /// Verifies the extent of the first bytes, so that damage there is an answer and not a cut connection.
    func prepare() async throws(StorageFailure) {
        let whole = state.withLock { $0.remaining }
        guard let slice = try await nextSlice() else { return }
        let spans = try await namespace.extents.spans(of: slice.extent, range: slice.range)
        // Nothing has been given out: who wants bytes in memory begins at the start again, on the page that is loaded
        // now. `next` goes on behind the spans that are here already.
        state.withLock { state in
            state.prepared = (spans[...], state.remaining)
            state.remaining = whole
        }
    }

    func next() async throws(StorageFailure) -> BodyPiece? {
        let span = state.withLock { state -> FileSpan? in
            if let prepared = state.prepared.take() { (state.spans, state.remaining) = prepared }
            return state.spans.popFirst()
        }
        if let span { return .file(span) }
        guard let slice = try await nextSlice() else { return nil }
        let spans = try await namespace.extents.spans(of: slice.extent, range: slice.range)
        return state.withLock { state in
            state.spans = spans[...]
            return state.spans.popFirst().map { .file($0) }
        }
    }

    func readAll(limit: Int) async throws(StorageFailure) -> ByteBuffer {
        guard state.withLock({ $0.remaining.count <= limit }) else {
            throw StorageFailure(.bodyTooLarge(limit: Int64(limit)))
        }
        var collected = ByteBuffer()
        while let piece = try await readNext() { collected.writeImmutableBuffer(piece) }
        return collected
    }

    /// The next piece in memory: at most an extent long, and not longer than the limit.
    func readNext(atMost limit: Int = .max) async throws(StorageFailure) -> ByteBuffer? {
        guard let slice = try await nextSlice(atMost: limit) else { return nil }
        return try await namespace.extents.read(slice.extent, range: slice.range)
    }

    func close() {
        let wasOpen = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        if wasOpen { namespace.readers.release(contentID) }
    }

    /// The next piece's part of the range; loads the manifest page that it is on when needed.
    private func nextSlice(
        atMost limit: Int = .max
    ) async throws(StorageFailure) -> (extent: Extent, range: Range<Int>)? {
        let position = state.withLock { state -> Int64? in
            state.prepared = nil
            guard !state.remaining.isEmpty else { return nil }
            while let piece = state.pieces.first, state.piecesStart + Int64(piece.length) <= state.remaining.lowerBound
            {
                state.piecesStart += Int64(piece.length)
                state.pieces.removeFirst()
            }
            return state.remaining.lowerBound
        }
        guard let position else { return nil }
        if state.withLock({ $0.pieces.isEmpty }) {
            guard isPaged else { throw Self.cut(contentID) }
            let page = try await loadPage(at: position)
            state.withLock { state in
                state.pieces = page.pieces[...]
                state.piecesStart = page.offset
                while let piece = state.pieces.first, state.piecesStart + Int64(piece.length) <= position {
                    state.piecesStart += Int64(piece.length)
                    state.pieces.removeFirst()
                }
            }
        }
        let slice = state.withLock { state -> (extent: Extent, range: Range<Int>)? in
            guard let piece = state.pieces.first else { return nil }
            let from = Int(state.remaining.lowerBound - state.piecesStart)
            let end = min(piece.length, Int(min(state.remaining.upperBound - state.piecesStart, Int64(Int32.max))))
            let to = from + min(end - from, limit)
            state.remaining = (state.remaining.lowerBound + Int64(to - from))..<state.remaining.upperBound
            return (piece.extent, piece.offset + from..<piece.offset + to)
        }
        guard let slice else { throw Self.cut(contentID) }
        return slice
    }

    private func loadPage(at position: Int64) async throws(StorageFailure) -> (offset: Int64, pieces: [ManifestPiece]) {
        let id = contentID
        return try await namespace.metadata.read(.point) { reader throws(StorageFailure) in
            let prefix = Keys.contentPages(id)
            let cursor = try reader.cursor(in: KeyRange(prefix: prefix))
            guard let entry = try cursor.seekBackward(Keys.content(id, at: position)), entry.key.count == 17 else {
                throw Self.cut(id)
            }
            let start = Int64(UInt64(bigEndianBytes: entry.key[9...]))
            return try ContentPage.pieces(
                decoding: entry.value, from: start, at: position, limit: Self.piecesAtOnce)
        }
    }

    private static func cut(_ id: ContentID) -> StorageFailure {
        StorageFailure(.damaged, cause: "manifest \(id.rawValue) ends before its blob")
    }
}
