import CFileSystem
import Glibc
import StorageModel

/// The system calls of the store, as values, so that tests can make any of them fail.
///
/// Each answers what the call answers, or the negative errno: the kernel's own convention, without the thread-local.
struct FileSystemCalls: Sendable {
    struct Status: Sendable {
        var sizeBytes: Int64
        /// What the file occupies on the medium (`st_blocks`), holes left out.
        var allocatedBytes: Int64
    }

    var open: @Sendable (_ path: String, _ flags: CInt, _ mode: mode_t) -> CInt
    var close: @Sendable (_ descriptor: CInt) -> Void
    var write: @Sendable (_ descriptor: CInt, _ bytes: UnsafeRawPointer, _ count: Int, _ offset: Int64) -> Int
    var read: @Sendable (_ descriptor: CInt, _ bytes: UnsafeMutableRawPointer, _ count: Int, _ offset: Int64) -> Int
    /// Data and what is needed to find it.
    var syncData: @Sendable (_ descriptor: CInt) -> CInt
    /// Data and all metadata; also for directories.
    var syncAll: @Sendable (_ descriptor: CInt) -> CInt
    var preallocate: @Sendable (_ descriptor: CInt, _ offset: Int64, _ length: Int64) -> CInt
    var punchHole: @Sendable (_ descriptor: CInt, _ offset: Int64, _ length: Int64) -> CInt
    var startWriteback: @Sendable (_ descriptor: CInt, _ offset: Int64, _ length: Int64) -> CInt
    var dropCached: @Sendable (_ descriptor: CInt, _ offset: Int64, _ length: Int64) -> CInt
    /// How many bytes of the range the page cache holds.
    var cachedBytes: @Sendable (_ descriptor: CInt, _ offset: Int64, _ length: Int64) -> Int64
    var truncate: @Sendable (_ descriptor: CInt, _ size: Int64) -> CInt
    var status: @Sendable (_ descriptor: CInt) -> Result<Status, FileError>
    var unlink: @Sendable (_ path: String) -> CInt
    var rename: @Sendable (_ from: String, _ to: String) -> CInt
    var makeDirectory: @Sendable (_ path: String) -> CInt
    var list: @Sendable (_ path: String) -> Result<[String], FileError>
    /// Bytes that an unprivileged process may still write, and the size of the whole file system.
    var space: @Sendable (_ path: String) -> Result<(freeBytes: Int64, totalBytes: Int64), FileError>
    /// Takes the file's exclusive lock without waiting.
    var lock: @Sendable (_ descriptor: CInt) -> CInt
}

struct FileError: Error {
    /// Positive.
    var code: CInt
    init(code: CInt) { self.code = code }
    /// Out of a call's negative answer.
    init(answer: some BinaryInteger) { code = CInt(clamping: -Int64(answer)) }

    var text: String { "\(String(cString: strerror(code))), errno \(code)" }
    var isOutOfSpace: Bool { code == ENOSPC || code == EDQUOT }
    /// The file system does not know this way of allocating.
    var isUnsupported: Bool { code == EOPNOTSUPP || code == ENOTSUP || code == ENOSYS }

    /// For a call that changes files.
    func writeFailure(_ action: StaticString, _ label: String) -> StorageFailure {
        StorageFailure(isOutOfSpace ? .outOfSpace : .unavailable, cause: "\(action) \(label): \(text)")
    }

    /// For a call that should have found stored bytes: what is gone or unreadable is damage, a shortage is not.
    func readFailure(_ action: StaticString, _ label: String) -> StorageFailure {
        let isDamage = code == EIO || code == ENOENT || code == ENXIO || code == EUCLEAN || code == ENODATA
        return StorageFailure(isDamage ? .damaged : .unavailable, cause: "\(action) \(label): \(text)")
    }
}

extension FileSystemCalls {
    private static func answer<Number: BinaryInteger>(_ result: Number) -> Number {
        result < 0 ? Number(-errno) : result
    }

    static let system = FileSystemCalls(
        open: { answer(Glibc.open($0, $1 | O_CLOEXEC, $2)) },
        close: { _ = Glibc.close($0) },
        write: { answer(pwrite($0, $1, $2, off_t($3))) },
        read: { answer(pread($0, $1, $2, off_t($3))) },
        syncData: { answer(fdatasync($0)) },
        syncAll: { answer(fsync($0)) },
        preallocate: { forebay_preallocate($0, $1, $2) },
        punchHole: { forebay_punch_hole($0, $1, $2) },
        startWriteback: { forebay_start_writeback($0, $1, $2) },
        dropCached: { -posix_fadvise($0, off_t($1), off_t($2), POSIX_FADV_DONTNEED) },
        cachedBytes: { forebay_cached_bytes($0, $1, $2) },
        truncate: { answer(ftruncate($0, off_t($1))) },
        status: { descriptor in
            var found = stat()
            guard fstat(descriptor, &found) == 0 else { return .failure(FileError(code: errno)) }
            // st_blocks counts 512-byte units whatever the file system's block is (stat(2)).
            return .success(Status(sizeBytes: Int64(found.st_size), allocatedBytes: Int64(found.st_blocks) * 512))
        },
        unlink: { answer(Glibc.unlink($0)) },
        rename: { answer(Glibc.rename($0, $1)) },
        makeDirectory: { answer(mkdir($0, 0o750)) },
        list: { path in
            guard let directory = opendir(path) else { return .failure(FileError(code: errno)) }
            defer { closedir(directory) }
            var names: [String] = []
            errno = 0
            while let entry = readdir(directory) {
                names.append(
                    withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                )
                errno = 0
            }
            return errno == 0 ? .success(names) : .failure(FileError(code: errno))
        },
        space: { path in
            var found = statvfs()
            guard statvfs(path, &found) == 0 else { return .failure(FileError(code: errno)) }
            let unit = Int64(found.f_frsize)
            return .success((Int64(found.f_bavail) * unit, Int64(found.f_blocks) * unit))
        },
        lock: { answer(flock($0, LOCK_EX | LOCK_NB)) })
}

extension FileSystemCalls {
    /// Writes all bytes, through short writes and interruptions.
    func writeAll(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(FileError) {
        var rest = bytes
        var offset = offset
        while let start = rest.baseAddress, !rest.isEmpty {
            let count = write(descriptor, start, rest.count, offset)
            if count == -Int(EINTR) { continue }
            guard count > 0 else { throw count < 0 ? FileError(answer: count) : FileError(code: EIO) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            offset += Int64(count)
        }
    }

    /// Reads until the buffer is full or the file ends; answers how many bytes came.
    func readFully(
        _ descriptor: CInt, into bytes: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(FileError) -> Int {
        var filled = 0
        while filled < bytes.count, let start = bytes.baseAddress {
            let count = read(descriptor, start + filled, bytes.count - filled, offset + Int64(filled))
            if count == -Int(EINTR) { continue }
            guard count >= 0 else { throw FileError(answer: count) }
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// Repeats a call for as long as a signal interrupts it.
    func uninterrupted(_ call: () -> CInt) throws(FileError) {
        while true {
            let answer = call()
            if answer == -EINTR { continue }
            guard answer >= 0 else { throw FileError(answer: answer) }
            return
        }
    }

    func opened(_ path: String, _ flags: CInt, mode: mode_t = 0o640) throws(FileError) -> CInt {
        while true {
            let descriptor = open(path, flags, mode)
            if descriptor == -EINTR { continue }
            guard descriptor >= 0 else { throw FileError(answer: descriptor) }
            return descriptor
        }
    }
}
