import Glibc
import StorageModel

/// The few file system calls that RocksDB does not make for us.
enum StoreFiles {
    /// Makes the last component of `path` unless it is there, and makes its name last.
    static func makeDirectory(_ path: String) throws(StorageFailure) {
        if mkdir(path, 0o700) == 0 { return try syncDirectory(parent(of: path)) }
        guard errno == EEXIST else { throw failure("mkdir", path) }
    }

    static func requireAbsent(_ path: String) throws(StorageFailure) {
        var status = stat()
        if lstat(path, &status) == 0 {
            throw StorageFailure(.invalidInput, detail: "The directory exists already.", cause: path)
        }
        guard errno == ENOENT else { throw failure("lstat", path) }
    }

    private static func syncDirectory(_ path: String) throws(StorageFailure) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("fsync", path) }
    }

    private static func parent(of path: String) -> String {
        var path = Substring(path)
        while path.count > 1, path.last == "/" { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func failure(_ call: StaticString, _ path: String) -> StorageFailure {
        let code = errno
        return StorageFailure(
            code == ENOSPC || code == EDQUOT ? .outOfSpace : .internal,
            cause: "\(call) \(path): \(String(cString: strerror(code)))")
    }
}
