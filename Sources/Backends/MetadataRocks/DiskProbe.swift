import Glibc
import StorageModel

/// Asks the disk whether it takes writes again; a parameter so that tests can answer for it.
struct DiskProbe: Sendable {
    /// Blocks. Throws why not.
    let run: @Sendable () throws(StorageFailure) -> Void

    static let fileName = "PROBE"
    private static let bytes = 64 << 10
    /// What an opening writes beside what the logs hold: the new log, manifest and options.
    private static let spareBytes: Int64 = 4 << 20

    /// Writes and syncs a small file beside the database's, and sees to it that there is room for what an opening
    /// writes: all that the logs hold, as tables.
    static func ofDirectory(_ directory: String, freeSpace: FreeSpace) -> DiskProbe {
        DiskProbe { () throws(StorageFailure) in
            let needed = try StoreFiles.logBytes(in: directory) + spareBytes
            if let free = freeSpace.bytes(), free < needed {
                throw StorageFailure(.outOfSpace, cause: "\(free) bytes free, opening again may take \(needed)")
            }
            try StoreFiles.writeSynced([UInt8](repeating: 0, count: bytes), to: directory + "/" + fileName)
            try StoreFiles.remove(directory + "/" + fileName)
        }
    }
}
