import Extents
import Glibc
import MetadataRocks
import Observability
import StorageModel

/// What the process itself looks like from outside.
enum ProcessMetrics {
    static func register(in metrics: MetricRegistry, startedAt: Timestamp) {
        metrics.gauge(.buildInfo, [MetricLabel("version", NodeVersion.text)]) { 1 }
        metrics.gauge(.startTime) { Double(startedAt.seconds) }
        metrics.gauge(.residentBytes) { Double(residentBytes()) }
        metrics.gauge(.openDescriptors) { Double(openDescriptors()) }
    }

    /// Second number of /proc/self/statm, in pages.
    static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        var buffer = [CChar](repeating: 0, count: 128)
        guard fgets(&buffer, CInt(buffer.count), file) != nil else { return 0 }
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
        return pages * Int(getpagesize())
    }

    private static func openDescriptors() -> Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Without `.`, `..` and the descriptor that reads the directory.
        return max(0, count - 3)
    }
}

enum StoreMetrics {
    static func register(_ stores: NodeStores, health: StoreHealth, in metrics: MetricRegistry) {
        let extents = stores.extents
        metrics.gauge(.extentUsedBytes) { Double(extents.usage().usedBytes) }
        metrics.gauge(.extentReservedBytes) { Double(extents.usage().reservedBytes) }
        metrics.gauge(.extentBudgetBytes) { Double(extents.usage().budgetBytes) }
        let rocks = stores.rocks
        metrics.gauge(.metadataCommits) { Double(rocks.statistics().commits) }
        metrics.gauge(.metadataConflicts) { Double(rocks.statistics().conflicts) }
        metrics.gauge(.metadataReopenings) { Double(rocks.statistics().reopenings) }
        metrics.gauge(.metadataWritable) { health.takesWrites ? 1 : 0 }
    }
}
