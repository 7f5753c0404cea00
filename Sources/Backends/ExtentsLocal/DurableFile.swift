import Glibc
import StorageModel

/// Small files that are replaced whole: after a crash the old text or the new one is there, never a mixture.
enum DurableFile {
    static let maximumBytes = 4096

    /// Writes `name.new`, syncs it, renames it over `name` and syncs the directory.
    static func replace(
        _ name: String, with text: String, in directory: String, calls: FileSystemCalls
    ) throws(StorageFailure) {
        let path = directory + "/" + name
        do throws(FileError) {
            let descriptor = try calls.opened(path + ".new", O_WRONLY | O_CREAT | O_TRUNC)
            defer { calls.close(descriptor) }
            try writeText(text, to: descriptor, calls: calls)
            try calls.uninterrupted { calls.syncAll(descriptor) }
            try calls.uninterrupted { calls.rename(path + ".new", path) }
        } catch { throw error.writeFailure("replace", name) }
        try syncDirectory(directory, label: ".", calls: calls)
    }

    /// `nil` when there is no such file.
    static func read(_ name: String, in directory: String, calls: FileSystemCalls) throws(StorageFailure) -> String? {
        do throws(FileError) {
            let descriptor = try calls.opened(directory + "/" + name, O_RDONLY)
            defer { calls.close(descriptor) }
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: maximumBytes, alignment: 1)
            defer { buffer.deallocate() }
            let count = try calls.readFully(descriptor, into: buffer, at: 0)
            return String(decoding: buffer.prefix(count), as: UTF8.self)
        } catch {
            if error.code == ENOENT { return nil }
            throw error.readFailure("read", name)
        }
    }

    static func syncDirectory(_ path: String, label: String, calls: FileSystemCalls) throws(StorageFailure) {
        do throws(FileError) {
            let descriptor = try calls.opened(path, O_RDONLY | O_DIRECTORY)
            defer { calls.close(descriptor) }
            try calls.uninterrupted { calls.syncAll(descriptor) }
        } catch { throw error.writeFailure("sync directory", label) }
    }

    private static func writeText(
        _ text: String, to descriptor: CInt, calls: FileSystemCalls
    ) throws(FileError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        defer { buffer.deallocate() }
        buffer.copyBytes(from: text.utf8)
        try calls.writeAll(descriptor, UnsafeRawBufferPointer(buffer), at: 0)
    }
}
