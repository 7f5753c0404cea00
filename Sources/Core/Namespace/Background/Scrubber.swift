package import Extents
import Metadata
package import StorageModel

/// What a pass over stored bytes found.
package struct ScrubReport: Hashable, Sendable {
    package var extents = 0
    package var bytes: Int64 = 0
    package var damaged: [DamagedExtent] = []

    package struct DamagedExtent: Hashable, Sendable {
        package var extent: Extent
        package var health: ExtentHealth
    }
}

extension Namespace {
    /// Reads every extent from its medium once and compares its checksum, at most `bytesPerSecond`.
    /// - Parameter onDamage: called as soon as an extent turns out to be damaged.
    package func scrub(
        bytesPerSecond: Int64, onDamage: @Sendable (ScrubReport.DamagedExtent) -> Void
    ) async throws(StorageFailure) -> ScrubReport {
        var report = ScrubReport()
        var position = Keys.all(.extent).lower
        while true {
            let from = position
            let batch = try await metadata.read(.scan) { reader throws(StorageFailure) in
                var extents: [(key: [UInt8], extent: Extent)] = []
                let cursor = try reader.cursor(in: Keys.all(.extent))
                var entry = try cursor.seek(from)
                while let current = entry, extents.count < 256 {
                    extents.append((current.key, try ExtentRecord.extent(key: current.key, value: current.value).0))
                    entry = try cursor.next()
                }
                return extents
            }
            guard let last = batch.last else { return report }
            position = last.key + [0]
            for (key, extent) in batch {
                if Task.isCancelled { return report }
                let health = try await extents.verify(extent)
                report.extents += 1
                report.bytes += Int64(extent.length)
                if health != .sound, try await isStillNamed(key) {
                    let damaged = ScrubReport.DamagedExtent(extent: extent, health: health)
                    report.damaged.append(damaged)
                    onDamage(damaged)
                }
                await pause(forBytes: extent.length, bytesPerSecond: bytesPerSecond)
            }
        }
    }

    /// An extent that was freed while it was read is not damaged.
    private func isStillNamed(_ key: [UInt8]) async throws(StorageFailure) -> Bool {
        try await metadata.read(.point) { reader throws(StorageFailure) in try reader.get(key) != nil }
    }

    private func pause(forBytes bytes: Int, bytesPerSecond: Int64) async {
        guard bytesPerSecond > 0 else { return }
        // A cancelled sleep ends early; the loop sees the cancellation itself.
        do { try await world.sleep(.nanoseconds(Int64(bytes) * 1_000_000_000 / bytesPerSecond)) } catch { return }
    }
}
