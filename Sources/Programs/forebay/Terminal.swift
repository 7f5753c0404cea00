import Foundation

/// Whole lines to the two standard streams, without buffering.
enum Terminal {
    static func say(_ text: String) { write(text + "\n", to: .standardOutput) }
    static func complain(_ text: String) { write(text + "\n", to: .standardError) }
    /// Overwrites the current line.
    static func progress(_ text: String, isLast: Bool) { write("\r" + text + (isLast ? "\n" : ""), to: .standardError) }
    static var showsProgress: Bool { isatty(FileHandle.standardError.fileDescriptor) == 1 }

    private static func write(_ text: String, to stream: FileHandle) {
        // A closed stream cannot be told about its being closed.
        do { try stream.write(contentsOf: Data(text.utf8)) } catch { return }
    }
}
