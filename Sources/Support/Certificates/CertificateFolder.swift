#if canImport(Glibc)
    import Glibc
#endif

/// A directory of small PEM files, each replaced as a whole.
struct CertificateFolder {
    private let directory: String

    /// Bounds what is read: certificates and keys are short.
    private static let maximumBytes = 1 << 20

    /// Makes the directory when it is missing; its parent must be there.
    init(_ directory: String) throws(CertificateFailure) {
        var directory = directory
        while directory.count > 1, directory.hasSuffix("/") { directory.removeLast() }
        self.directory = directory
        guard mkdir(directory, 0o755) == 0 || errno == EEXIST else { throw Self.failure(directory) }
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// `nil` for a file that is not there.
    func read(_ name: String) throws(CertificateFailure) -> String? {
        let descriptor = open(path(name), O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw Self.failure(path(name)) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count <= Self.maximumBytes {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.failure(path(name)) }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += piece[..<count]
        }
        throw CertificateFailure("\(path(name)) is too long")
    }

    /// Written beside, synced, and given its name: nobody sees half a file, and no secret is readable for a moment.
    func write(_ text: String, to name: String, isSecret: Bool) throws(CertificateFailure) {
        let beside = path(".\(name).new")
        guard unlink(beside) == 0 || errno == ENOENT else { throw Self.failure(beside) }
        let descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, isSecret ? 0o600 : 0o644)
        guard descriptor >= 0 else { throw Self.failure(beside) }
        do {
            defer { close(descriptor) }
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw Self.failure(beside) }
                rest = rest.dropFirst(count)
            }
            guard fsync(descriptor) == 0 else { throw Self.failure(beside) }
        }
        guard rename(beside, path(name)) == 0 else { throw Self.failure(path(name)) }
        let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw Self.failure(directory) }
        defer { close(folder) }
        // EINVAL: a file system that has nothing to sync (fsync(2)).
        guard fsync(folder) == 0 || errno == EINVAL else { throw Self.failure(directory) }
    }

    private static func failure(_ path: String) -> CertificateFailure {
        CertificateFailure("\(path): \(String(cString: strerror(errno)))")
    }
}
