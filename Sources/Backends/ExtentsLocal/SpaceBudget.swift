import Extents
import StorageModel

/// Counts what is used and what is promised, and refuses before the disk is full.
final class SpaceBudget: Sendable {
    private let usage: Locked<ExtentUsage>

    init(usedBytes: Int64, budgetBytes: Int64) {
        usage = Locked(ExtentUsage(usedBytes: usedBytes, reservedBytes: 0, budgetBytes: budgetBytes))
    }

    var current: ExtentUsage { usage.withLock { $0 } }

    /// - Throws: `.outOfSpace`; nothing is promised then.
    func reserve(_ bytes: Int64) throws(StorageFailure) {
        try usage.withLock { usage throws(StorageFailure) in
            let (sum, overflow) = (usage.usedBytes + usage.reservedBytes).addingReportingOverflow(bytes)
            guard !overflow, sum <= usage.budgetBytes else {
                throw StorageFailure(
                    .outOfSpace,
                    cause: "\(bytes) bytes do not fit: \(usage.usedBytes) used, \(usage.reservedBytes) promised, "
                        + "\(usage.budgetBytes) allowed")
            }
            usage.reservedBytes += bytes
        }
    }

    func release(reserved bytes: Int64) { usage.withLock { $0.reservedBytes -= bytes } }

    /// Promised bytes have become live ones.
    func convert(reserved bytes: Int64) {
        usage.withLock {
            $0.reservedBytes -= bytes
            $0.usedBytes += bytes
        }
    }

    func release(used bytes: Int64) { usage.withLock { $0.usedBytes -= bytes } }
}
