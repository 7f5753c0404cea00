import Synchronization

/// A count that only grows. Adding is one relaxed atomic instruction.
package final class Counter: Sendable {
    private let count = Atomic<Int64>(0)

    package init() {}

    package func add(_ amount: Int64 = 1) { count.wrappingAdd(amount, ordering: .relaxed) }
    package var value: Int64 { count.load(ordering: .relaxed) }
}

/// Upper bounds of a histogram's buckets, ascending, in the unit of what is observed.
package struct HistogramBuckets: Sendable {
    package let bounds: [Int64]
    /// What one exposed unit (a second, a byte) is in observed units.
    package let unitsPerExposed: Int64

    package init(bounds: [Int64], unitsPerExposed: Int64 = 1) {
        precondition(!bounds.isEmpty && zip(bounds, bounds.dropFirst()).allSatisfy(<), "bounds ascend")
        self.bounds = bounds
        self.unitsPerExposed = unitsPerExposed
    }

    /// Durations in nanoseconds, exposed as seconds: 100 µs to 60 s.
    package static let durations = HistogramBuckets(
        bounds: [
            100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
            100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
            30_000_000_000, 60_000_000_000,
        ],
        unitsPerExposed: 1_000_000_000)

    /// Sizes in bytes: 1 KiB to 4 GiB by factors of four.
    package static let sizes = HistogramBuckets(bounds: (0..<12).map { Int64(1024) << (2 * Int64($0)) })
}

/// Counts observations by size. Observing is a short search and two relaxed atomic instructions.
package final class Histogram: Sendable {
    package let buckets: HistogramBuckets
    private let cells: Cells

    package init(_ buckets: HistogramBuckets) {
        self.buckets = buckets
        cells = Cells(count: buckets.bounds.count + 1)
    }

    package func observe(_ value: Int64) {
        var low = 0
        var high = buckets.bounds.count
        while low < high {
            let middle = (low + high) / 2
            if value <= buckets.bounds[middle] { high = middle } else { low = middle + 1 }
        }
        cells.add(1, at: low)
        cells.sum.wrappingAdd(value, ordering: .relaxed)
    }

    package struct Snapshot: Sendable, Equatable {
        /// One count per bound and a last one for everything above.
        package var counts: [Int64]
        package var sum: Int64
        package var total: Int64 { counts.reduce(0, +) }
    }

    package func snapshot() -> Snapshot {
        Snapshot(counts: (0...buckets.bounds.count).map { cells.load(at: $0) }, sum: cells.sum.load(ordering: .relaxed))
    }
}

/// A fixed run of atomics.
/// `@unchecked Sendable`: the memory holds atomics alone, is initialised before the object is shared and freed by the
/// last owner.
private final class Cells: @unchecked Sendable {
    private let base: UnsafeMutablePointer<Atomic<Int64>>
    private let count: Int
    let sum = Atomic<Int64>(0)

    init(count: Int) {
        self.count = count
        base = .allocate(capacity: count)
        for index in 0..<count { (base + index).initialize(to: Atomic(0)) }
    }

    deinit {
        base.deinitialize(count: count)
        base.deallocate()
    }

    func add(_ amount: Int64, at index: Int) {
        precondition(index < count)
        base[index].wrappingAdd(amount, ordering: .relaxed)
    }

    func load(at index: Int) -> Int64 {
        precondition(index < count)
        return base[index].load(ordering: .relaxed)
    }
}
