import Extents
import StorageModel

/// Which extents were verified since the store was opened, or written by this process: a bit per block of a segment, at
/// the extent's first block. Bounded; forgetting a segment only means that its extents are verified again.
final class VerifiedExtents: Sendable {
    private struct Bits {
        var words: [UInt64] = []
        var lastUse: UInt64 = 0

        func contains(_ bit: Int) -> Bool {
            bit / 64 < words.count && words[bit / 64] >> UInt64(bit % 64) & 1 == 1
        }
        mutating func remove(_ bit: Int) {
            if bit / 64 < words.count { words[bit / 64] &= ~(1 << UInt64(bit % 64)) }
        }
        mutating func insert(_ bit: Int) {
            if bit / 64 >= words.count {
                words.append(contentsOf: repeatElement(0, count: bit / 64 + 1 - words.count))
            }
            words[bit / 64] |= 1 << UInt64(bit % 64)
        }
    }
    private struct State {
        var segments: [UInt64: Bits] = [:]
        var clock: UInt64 = 0
    }

    private let state = Locked(State())
    private let maximumSegments: Int
    private let maximumBit: Int

    init(maximumSegments: Int, segmentBytes: Int64) {
        self.maximumSegments = maximumSegments
        maximumBit = Int(segmentBytes / SegmentLayout.blockBytes)
    }

    func contains(_ id: ExtentID) -> Bool {
        guard let bit = bit(of: id) else { return false }
        return state.withLock { state in
            state.clock += 1
            state.segments[id.group]?.lastUse = state.clock
            return state.segments[id.group]?.contains(bit) ?? false
        }
    }

    func insert(_ id: ExtentID) {
        // A segment written under a larger limit may hold positions beyond today's: those are verified every time.
        guard let bit = bit(of: id) else { return }
        state.withLock { state in
            state.clock += 1
            if state.segments[id.group] == nil, state.segments.count >= maximumSegments,
                let oldest = state.segments.min(by: { $0.value.lastUse < $1.value.lastUse })?.key
            {
                state.segments[oldest] = nil
            }
            state.segments[id.group, default: Bits()].insert(bit)
            state.segments[id.group]?.lastUse = state.clock
        }
    }

    /// After a check found the extent damaged: the next read verifies it again, and refuses it.
    func remove(_ id: ExtentID) {
        guard let bit = bit(of: id) else { return }
        state.withLock { $0.segments[id.group]?.remove(bit) }
    }

    func forget(segment: UInt64) { state.withLock { $0.segments[segment] = nil } }

    private func bit(of id: ExtentID) -> Int? {
        let bit = id.position / UInt64(SegmentLayout.blockBytes)
        return bit < UInt64(maximumBit) ? Int(bit) : nil
    }
}
