import Glibc
import StorageModel

/// The few file system calls that RocksDB does not make for us.
enum StoreFiles {
    /// Makes the last component of `path` unless it is there, and makes its name last.
    static func makeDirectory(_ path: String) throws(StorageFailure) {
        // Synced also when it is there already: the start that made it may have been killed before the sync.
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure("mkdir", path) }
        try syncDirectory(parent(of: path))
    }

    static func requireAbsent(_ path: String) throws(StorageFailure) {
        var status = stat()
        if lstat(path, &status) == 0 {
            throw StorageFailure(.invalidInput, detail: "The directory exists already.", cause: path)
        }
        guard errno == ENOENT else { throw failure("lstat", path) }
    }

    /// What the write-ahead logs hold, in bytes.
    static func logBytes(in directory: String) throws(StorageFailure) -> Int64 {
        var sum: Int64 = 0
        for name in try names(in: directory) where name.hasSuffix(".log") {
            var status = stat()
            if stat(directory + "/" + name, &status) == 0 {
                sum += Int64(status.st_size)
            } else if errno != ENOENT {
                throw failure("stat", name)
            }
        }
        return sum
    }

    /// RocksDB takes a directory without `CURRENT` for a new one and deletes what it does not know: data without
    /// `CURRENT` must never reach it.
    static func requireCurrent(in directory: String) throws(StorageFailure) {
        let names = try names(in: directory)
        guard !names.contains("CURRENT") else { return }
        if let orphan = names.first(where: { $0.hasSuffix(".sst") || $0.hasSuffix(".log") }) {
            throw StorageFailure(
                .damaged, detail: "The metadata store has lost its file CURRENT.", cause: "\(directory) holds \(orphan)"
            )
        }
    }

    /// The logs as they were before an opening, which replaces them: kept until what the opening found is known to be
    /// whole, so that they can still be looked at when it is not.
    static let keptLogs = "logs-before-opening"

    static func keepLogs(in directory: String) throws(StorageFailure) {
        let kept = directory + "/" + keptLogs
        for name in try names(in: directory) where name.hasSuffix(".log") {
            guard mkdir(kept, 0o700) == 0 || errno == EEXIST else { throw failure("mkdir", kept) }
            guard link(directory + "/" + name, kept + "/" + name) == 0 || errno == EEXIST else {
                throw failure("link", name)
            }
        }
    }

    static func dropKeptLogs(in directory: String) throws(StorageFailure) {
        let kept = directory + "/" + keptLogs
        for name in try names(in: kept) where name.hasSuffix(".log") { try remove(kept + "/" + name) }
        guard rmdir(kept) == 0 || errno == ENOENT else { throw failure("rmdir", kept) }
    }

    /// RocksDB writes its options beside its data at each opening. With its own log switched off it cannot read them back,
    /// gives up half-way and leaves the file. Nobody reads them: this store's options come from its code.
    static func removeUnfinishedOptions(in directory: String) throws(StorageFailure) {
        for name in try names(in: directory) where name.hasPrefix("OPTIONS-") && name.hasSuffix(".dbtmp") {
            try remove(directory + "/" + name)
        }
    }

    /// At most `limit` bytes of a file; `nil` when it does not exist.
    static func read(_ path: String, limit: Int) throws(StorageFailure) -> [UInt8]? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("open", path)
        }
        defer { Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = pread(descriptor, &bytes, limit, 0)
        guard count >= 0 else { throw failure("read", path) }
        return Array(bytes.prefix(count))
    }

    /// Writes into the file in place and waits until that is on the medium.
    static func writeSynced(_ bytes: [UInt8], to path: String, at offset: Int = 0) throws(StorageFailure) {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { Glibc.close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress! + done, bytes.count - done, off_t(offset + done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write", path) }
            done += count
        }
        guard fdatasync(descriptor) == 0 else { throw failure("fdatasync", path) }
    }

    /// Makes the new name last.
    static func rename(_ from: String, to path: String, in directory: String) throws(StorageFailure) {
        guard Glibc.rename(from, path) == 0 else { throw failure("rename", path) }
        try syncDirectory(directory)
    }

    static func remove(_ path: String) throws(StorageFailure) {
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("unlink", path) }
    }

    /// The whole file; `nil` when there is none.
    static func read(_ path: String) throws(StorageFailure) -> [UInt8]? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("fstat", path) }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, $0.count - done, off_t(done))
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { break }
            done += count
        }
        return Array(bytes.prefix(done))
    }

    static func names(in path: String) throws(StorageFailure) -> [String] {
        guard let directory = opendir(path) else {
            if errno == ENOENT { return [] }
            throw failure("opendir", path)
        }
        defer { closedir(directory) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(directory) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
            errno = 0
        }
        guard errno == 0 else { throw failure("readdir", path) }
        return names
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
