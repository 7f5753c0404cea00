import Checksums
import Extents
import StorageModel

/// Reads whole extents and compares their checksums. Readers that come first to the same extent share one reading.
final class ExtentVerifier: Sendable {
    private typealias Waiting = [CheckedContinuation<Result<Void, StorageFailure>?, Never>]
    private static let chunkBytes = 256 << 10

    private let underWay = Locked<[Extent: Waiting]>([:])
    private let files: SegmentFiles
    private let threads: ThreadPool

    init(files: SegmentFiles, threads: ThreadPool) {
        self.files = files
        self.threads = threads
    }

    /// Returns when the extent has been found sound since the store was opened.
    /// - Throws: `.damaged`, or `.busy` when too many reads wait.
    func requireVerified(_ extent: Extent) async throws(StorageFailure) {
        while !files.verified.contains(extent.id) {
            let isFirst = underWay.withLock { underWay in
                guard underWay[extent] == nil else { return false }
                underWay[extent] = []
                return true
            }
            if isFirst { return try await verifyForAll(extent) }
            let outcome: Result<Void, StorageFailure>? = await withCheckedContinuation { continuation in
                let isGone = underWay.withLock { underWay in
                    underWay[extent]?.append(continuation)
                    return underWay[extent] == nil
                }
                if isGone { continuation.resume(returning: nil) }
            }
            // Without an outcome the other reading ended between the two looks: look again.
            if let outcome { return try outcome.get() }
        }
    }

    private func verifyForAll(_ extent: Extent) async throws(StorageFailure) {
        let files = files
        let result: Result<Void, StorageFailure>
        do throws(StorageFailure) {
            try await threads.runBounded { () throws(StorageFailure) in
                let file = try files.openFile(extent.id.group)
                try Self.check(extent, in: file, calls: files.calls)
                files.verified.insert(extent.id)
            }
            result = .success(())
        } catch { result = .failure(error) }
        let waiting = underWay.withLock { $0.removeValue(forKey: extent) } ?? []
        for waiter in waiting { waiter.resume(returning: result) }
        try result.get()
    }

    private static func check(_ extent: Extent, in file: OpenFile, calls: FileSystemCalls) throws(StorageFailure) {
        let place = "\(file.label) at \(extent.start), \(extent.length) bytes"
        switch health(of: extent, in: file, calls: calls) {
        case .success(.sound): return
        case .success(.missing): throw StorageFailure(.damaged, cause: "\(place): behind the file's end")
        case .success(.unreadable(let reason)): throw StorageFailure(.damaged, cause: "\(place): \(reason)")
        case .success(.checksumMismatch(let computed)):
            throw StorageFailure(
                .damaged, cause: "\(place): checksum \(hex(computed)) instead of \(hex(extent.crc64))")
        case .failure(let error): throw error.readFailure("read", place)
        }
    }

    /// Reads the extent now. Errors that say nothing about the bytes are thrown as failures.
    static func health(
        of extent: Extent, in file: OpenFile, calls: FileSystemCalls
    ) -> Result<ExtentHealth, FileError> {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(chunkBytes, extent.length), alignment: 4096)
        defer { buffer.deallocate() }
        var checksum = CRC64NVME()
        var done = 0
        while done < extent.length {
            let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(extent.length - done))
            let count: Int
            do throws(FileError) {
                count = try calls.readFully(file.descriptor, into: wanted, at: extent.start + Int64(done))
            } catch { return .failure(error) }
            checksum.update(UnsafeRawBufferPointer(rebasing: buffer.prefix(count)))
            done += count
            if count < wanted.count {
                return .success(
                    done == 0 ? .missing : .unreadable(reason: "the file ends after \(done) of \(extent.length) bytes"))
            }
        }
        return .success(checksum.value == extent.crc64 ? .sound : .checksumMismatch(computed: checksum.value))
    }

    private static func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16, uppercase: true) }
}
