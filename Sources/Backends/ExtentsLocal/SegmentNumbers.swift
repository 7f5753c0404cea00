import Glibc
import StorageModel

/// Hands out segment numbers, none of them twice in the store's life, not even after its segment was deleted.
///
/// `NEXT` holds the first number that was never reserved. Numbers are reserved a block at a time, durably, before the
/// first of the block is used; a restart skips what is left of its block.
final class SegmentNumbers: Sendable {
    private struct State {
        var next: UInt64
        var reservedEnd: UInt64
    }
    static let blockSize: UInt64 = 64

    private let state: Locked<State>
    private let directory: String
    private let calls: FileSystemCalls

    /// - Throws: `.damaged` when the counter is missing, unreadable or behind the segments that exist.
    init(directory: String, highestSegment: UInt64?, calls: FileSystemCalls) throws(StorageFailure) {
        let next = try Self.load(directory: directory, calls: calls)
        if let highestSegment, highestSegment >= next {
            throw StorageFailure(
                .damaged, detail: "The extent store's segment counter is behind its segments.",
                cause: "\(SegmentLayout.numbersFile) says \(next), segment \(highestSegment) exists")
        }
        self.directory = directory
        self.calls = calls
        state = Locked(State(next: next, reservedEnd: next))
    }

    /// Blocks on the disk once per block of numbers.
    func take() throws(StorageFailure) -> UInt64 {
        try state.withLock { state throws(StorageFailure) in
            if state.next == state.reservedEnd {
                let end = state.reservedEnd + Self.blockSize
                try Self.store(end, directory: directory, calls: calls)
                state.reservedEnd = end
            }
            defer { state.next += 1 }
            return state.next
        }
    }

    static func store(_ number: UInt64, directory: String, calls: FileSystemCalls) throws(StorageFailure) {
        try DurableFile.replace(
            SegmentLayout.numbersFile, with: "forebay-segment-numbers 1\nnext \(number)\n", in: directory, calls: calls)
    }

    private static func load(directory: String, calls: FileSystemCalls) throws(StorageFailure) -> UInt64 {
        let text = try DurableFile.read(SegmentLayout.numbersFile, in: directory, calls: calls)
        let lines = text?.split(separator: "\n") ?? []
        guard lines.count == 2, lines[0] == "forebay-segment-numbers 1", lines[1].hasPrefix("next "),
            let number = UInt64(lines[1].dropFirst(5))
        else {
            throw StorageFailure(
                .damaged, detail: "The extent store's segment counter is missing or unreadable.",
                cause: "\(SegmentLayout.numbersFile) has \(text?.utf8.count ?? 0) bytes")
        }
        return number
    }
}
