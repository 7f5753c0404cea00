import Foundation

/// Whole lines to the two standard streams; on a terminal one line that is overwritten while a run goes on, elsewhere a line
/// every ten seconds.
// @unchecked: everything that changes is guarded by the lock.
final class Progress: @unchecked Sendable {
    private let lock = NSLock()
    private let isTerminal = isatty(FileHandle.standardError.fileDescriptor) == 1
    private var shown = 0.0
    private let start = ProcessInfo.processInfo.systemUptime

    func show(_ title: String, _ done: Int, of total: Int) {
        lock.lock()
        defer { lock.unlock() }
        let now = ProcessInfo.processInfo.systemUptime
        guard now - shown >= (isTerminal ? 0.5 : 10) else { return }
        shown = now
        let line = "\(Self.grouped(Int(now - start))) s: \(title): \(Self.grouped(done)) of \(Self.grouped(total))"
        write(isTerminal ? "\r\u{1B}[K\(line)" : line + "\n", to: .standardError)
    }

    func say(_ text: String) {
        lock.lock()
        defer { lock.unlock() }
        if isTerminal { write("\r\u{1B}[K", to: .standardError) }
        write(text + "\n", to: .standardOutput)
    }

    var seconds: Double { ProcessInfo.processInfo.systemUptime - start }

    /// 1,050,000
    static func grouped(_ number: Int) -> String {
        var text = String(number)
        var at = text.count - 3
        while at > 0 {
            text.insert(",", at: text.index(text.startIndex, offsetBy: at))
            at -= 3
        }
        return text
    }

    private func write(_ text: String, to stream: FileHandle) {
        // A closed stream cannot be told about its being closed.
        do { try stream.write(contentsOf: Data(text.utf8)) } catch { return }
    }
}
