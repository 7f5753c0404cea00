import Glibc
import StorageModel

/// The directory that holds a node's stores.
enum DataDirectory {
    /// Makes what is missing of the path, and makes the names on it last.
    ///
    /// A store syncs the names inside this directory, and nobody else those on the way to it: without this, power loss
    /// soon after the first start may take the whole directory with everything that was acknowledged. The names are
    /// synced at each start, because the start that made them may have been killed before it came to that.
    /// - Throws: `.unavailable` when the directory is not there and cannot be made.
    static func make(_ path: String) throws(StorageFailure) {
        var missing: [String] = []
        var present = path
        while mkdir(present, 0o777) != 0 {
            let code = errno
            if code == EEXIST { break }
            guard code == ENOENT, parent(of: present) != present else { throw failure(code, path) }
            missing.append(present)
            present = parent(of: present)
        }
        for directory in missing.reversed() where mkdir(directory, 0o777) != 0 && errno != EEXIST {
            throw failure(errno, path)
        }
        try syncNames(to: path)
    }

    private static func syncNames(to path: String) throws(StorageFailure) {
        var directory = path
        while parent(of: directory) != directory {
            directory = parent(of: directory)
            let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            // What the node may not read it has not made: whoever did has to make it last.
            if descriptor < 0, errno == EACCES || errno == EPERM { continue }
            guard descriptor >= 0 else { throw failure(errno, path) }
            defer { close(descriptor) }
            // EINVAL, EROFS: a file system that has nothing to sync (fsync(2)), and so no name of ours.
            guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else { throw failure(errno, path) }
        }
    }

    /// "/" and "." are their own parents.
    private static func parent(of path: String) -> String {
        var path = Substring(path)
        while path.count > 1, path.last == "/" { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func failure(_ code: CInt, _ path: String) -> StorageFailure {
        StorageFailure(
            .unavailable, detail: "The data directory cannot be made.",
            cause: "\(path): \(String(cString: strerror(code)))")
    }
}
