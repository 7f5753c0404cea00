import Glibc
import StorageModel
import StorageTestKit

@testable import MetadataRocks

/// The store's files as a crash would leave them, byte by byte.
enum RawFiles {
    static func read(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw StorageFailure(.internal, cause: "open \(path): errno \(errno)") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count >= 0 else { throw StorageFailure(.internal, cause: "read \(path): errno \(errno)") }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    static func write(_ bytes: some Collection<UInt8>, to path: String) throws {
        let bytes = Array(bytes)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw StorageFailure(.internal, cause: "open \(path): errno \(errno)") }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw StorageFailure(.internal, cause: "write \(path): errno \(errno)")
        }
    }

    /// All files of a store but the ones that only a running process needs.
    static func readAll(_ directory: String) throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in try names(directory) { files[name] = try read(directory + "/" + name) }
        return files
    }

    static func writeAll(_ files: [String: [UInt8]], to directory: String) throws {
        guard mkdir(directory, 0o700) == 0 else { throw StorageFailure(.internal, cause: "mkdir: errno \(errno)") }
        for (name, bytes) in files { try write(bytes, to: directory + "/" + name) }
    }

    /// A copy of a store that is being written to, or `nil` when files came or went meanwhile: only logs that grow
    /// behind what was read make a state in which a crash could have left the directory.
    static func readCrashState(_ directory: String) throws -> [String: [UInt8]]? {
        let before = try names(directory)
        var files: [String: [UInt8]] = [:]
        for name in before {
            do { files[name] = try read(directory + "/" + name) } catch { return nil }
        }
        guard try names(directory) == before else { return nil }
        for name in before where name.hasPrefix("MANIFEST") || name.hasPrefix("CURRENT") {
            guard try read(directory + "/" + name) == files[name] else { return nil }
        }
        return files
    }

    /// The write-ahead logs, oldest first.
    static func logs(in files: [String: [UInt8]]) -> [String] { files.keys.filter { $0.hasSuffix(".log") }.sorted() }

    /// Without the mark too: where these files are cut, that is a crash of the disk's making.
    private static func names(_ directory: String) throws -> [String] {
        try directoryEntries(directory).filter {
            $0 != "LOCK" && !$0.hasPrefix("LOG") && !$0.hasPrefix(SyncedMark.fileName)
        }
        .sorted()
    }
}

/// Puts a directory where a file is.
func replaceByDirectory(_ path: String) throws {
    guard unlink(path) == 0, mkdir(path, 0o700) == 0 else {
        throw StorageFailure(.internal, cause: "replace \(path): errno \(errno)")
    }
}

func removeDirectory(_ path: String) { rmdir(path) }
