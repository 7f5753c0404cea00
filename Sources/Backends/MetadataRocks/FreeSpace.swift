import Glibc

/// How many bytes the file system of the store still has; a parameter so that tests can fill it.
struct FreeSpace: Sendable {
    /// `nil` when the system does not say.
    let bytes: @Sendable () -> Int64?

    static func ofFileSystem(at directory: String) -> FreeSpace {
        FreeSpace {
            var status = statvfs()
            guard statvfs(directory, &status) == 0 else { return nil }
            return Int64(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).0)
        }
    }
}
