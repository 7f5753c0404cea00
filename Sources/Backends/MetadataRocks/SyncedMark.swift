import Glibc
import StorageModel

/// A lower bound of the version that the store holds, kept beside the database in the file `SYNCED`.
///
/// RocksDB cannot tell a log whose end was damaged from one that a crash cut short: it drops the rest of the last
/// block, and acknowledged commits with it. A store that holds less than its mark has lost them.
enum SyncedMark {
    static let fileName = "SYNCED"
    private static let slotBytes = 4_096
    private static let prefix = "forebay-synced 1 "

    /// `nil` when nothing was marked yet.
    /// - Throws: `.damaged` when there is a mark and it cannot be read.
    static func read(in directory: String) throws(StorageFailure) -> UInt64? {
        guard let bytes = try StoreFiles.read(directory + "/" + fileName, limit: 2 * slotBytes), !bytes.isEmpty else {
            return nil
        }
        let marks = [bytes.prefix(slotBytes), bytes.dropFirst(slotBytes)].compactMap(decode)
        guard let newest = marks.max() else {
            throw StorageFailure(
                .damaged, detail: "The metadata store's file \(fileName) is damaged.", cause: "\(directory)/\(fileName)"
            )
        }
        return newest
    }

    /// Puts a whole new file in the place of the old one, both slots alike: power loss leaves the old one or the new.
    static func replace(with version: UInt64, in directory: String) throws(StorageFailure) {
        let path = directory + "/" + fileName
        try StoreFiles.writeSynced(slot(version) + slot(version), to: path + ".new")
        try StoreFiles.rename(path + ".new", to: path, in: directory)
    }

    /// The two slots are written in turn: a write that tears leaves the other one.
    static func write(_ version: UInt64, turn: Int, in directory: String) throws(StorageFailure) {
        try StoreFiles.writeSynced(slot(version), to: directory + "/" + fileName, at: turn % 2 * slotBytes)
    }

    private static func slot(_ version: UInt64) -> [UInt8] {
        let line = Array("\(prefix)\(hex(version)) \(hex(~version))\n".utf8)
        return line + [UInt8](repeating: UInt8(ascii: "\n"), count: slotBytes - line.count)
    }

    /// - Parameter mark: read before the store was opened, since a node may be writing to both.
    /// - Throws: `.damaged` when the store holds less than was marked.
    static func require(_ mark: UInt64?, of stored: UInt64, in directory: String) throws(StorageFailure) {
        guard let mark, stored < mark else { return }
        throw StorageFailure(
            .damaged, detail: "The metadata store has lost commits that were acknowledged.",
            cause:
                "\(directory) holds version \(stored), but \(mark) was synced: its last log or its manifest is damaged")
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    private static func decode(_ slot: ArraySlice<UInt8>) -> UInt64? {
        let line = slot.prefix { $0 != UInt8(ascii: "\n") }
        let words = String(decoding: line, as: UTF8.self).split(separator: " ")
        guard words.count == 4, words[0] + " " + words[1] + " " == prefix, let version = UInt64(words[2], radix: 16),
            let check = UInt64(words[3], radix: 16), check == ~version
        else { return nil }
        return version
    }
}

/// Raises the mark once a second while commits come, and at the end; on a thread of its own, so that no commit waits.
final class MarkKeeper: Sendable {
    private let thread: DedicatedThread
    /// The writing end of a pipe; its closing wakes the thread up.
    private let wakeUp: Locked<CInt?>

    /// - Parameter stored: the last version whose commit was synced.
    init(directory: String, stored: @escaping @Sendable () -> UInt64) throws(StorageFailure) {
        var ends: [CInt] = [0, 0]
        guard pipe(&ends) == 0 else { throw StorageFailure(.unavailable, cause: "pipe: error \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let reading = ends[0]
        wakeUp = Locked(ends[1])
        do throws(StorageFailure) {
            thread = try DedicatedThread.start {
                Self.keep(directory, stored, reading)
                Glibc.close(reading)
            }
        } catch {
            for end in ends { Glibc.close(end) }
            throw error
        }
    }

    func close() {
        if let end = wakeUp.withLock({ $0.take() }) { Glibc.close(end) }
    }

    /// Blocks until the last mark is written; `close` first.
    func join() { thread.join() }

    private static let intervalMilliseconds: CInt = 1_000

    private static func keep(_ directory: String, _ stored: @Sendable () -> UInt64, _ wakeUp: CInt) {
        var marked: UInt64 = 0
        var turn = 0
        while true {
            var waiting = pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)
            let isLast = poll(&waiting, 1, intervalMilliseconds) > 0
            let version = stored()
            if version > marked {
                // A mark that cannot be written stays behind: it is a lower bound. The next round tries again.
                do throws(StorageFailure) {
                    if turn == 0 {
                        try SyncedMark.replace(with: version, in: directory)
                    } else {
                        try SyncedMark.write(version, turn: turn, in: directory)
                    }
                    marked = version
                    turn += 1
                } catch { if isLast { return } }
            }
            if isLast { return }
        }
    }
}
