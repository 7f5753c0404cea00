import AzureWire
import Glibc
import StorageModel

/// A secret of the node in a file of its own in the data directory: made once, never overwritten, readable by the node's
/// user alone.
struct SecretFile: Sendable {
    let directory: String
    let name: String

    /// Longer ones are not ours.
    private static let maximumBytes = 4_096

    static func nodeKey(in directory: String) -> SecretFile { SecretFile(directory: directory, name: "node.key") }
    static func adminToken(in directory: String) -> SecretFile { SecretFile(directory: directory, name: "admin.token") }

    var path: String { directory + "/" + name }

    /// The text without the line's end; `nil` when there is no such file.
    func read() throws(StorageFailure) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("cannot be opened", errno)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Self.maximumBytes + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { all in
                let rest = UnsafeMutableRawBufferPointer(rebasing: all[count...])
                return Glibc.read(descriptor, rest.baseAddress, rest.count)
            }
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR { continue }
                throw failure("cannot be read", errno)
            }
            count += got
        }
        guard count <= Self.maximumBytes else { throw failure("is too long", 0) }
        return String(decoding: bytes.prefix(count), as: UTF8.self).withoutBlanksAround
    }

    /// Writes a new one. Bytes first, names second: a crash leaves no such file or the whole one, and a file that is
    /// already there stays.
    /// - Returns: what the file holds now: the text, or that of whoever was faster.
    func make(_ text: String, _ world: World) throws(StorageFailure) -> String {
        let temporary = path + "." + world.uuid()
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("cannot be made", errno) }
        defer { unlink(temporary) }
        do {
            defer { close(descriptor) }
            try write(Array((text + "\n").utf8), to: descriptor)
            guard fsync(descriptor) == 0 else { throw failure("cannot be synced", errno) }
        }
        if link(temporary, path) != 0, errno != EEXIST { throw failure("cannot be named", errno) }
        try syncName()
        guard let made = try read() else { throw failure("is gone", 0) }
        return made
    }

    private func write(_ bytes: [UInt8], to descriptor: CInt) throws(StorageFailure) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { all in
                let rest = UnsafeRawBufferPointer(rebasing: all[written...])
                return Glibc.write(descriptor, rest.baseAddress, rest.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("cannot be written", errno)
            }
            written += count
        }
    }

    private func syncName() throws(StorageFailure) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot be named", errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("cannot be named", errno) }
    }

    private func failure(_ what: String, _ code: CInt) -> StorageFailure {
        StorageFailure(
            .unavailable, detail: "\(path) \(what).", cause: code == 0 ? nil : String(cString: strerror(code)))
    }
}
