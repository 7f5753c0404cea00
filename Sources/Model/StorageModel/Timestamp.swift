/// A point in time: nanoseconds since 1970-01-01T00:00:00Z. Comes from `World`, never from the system directly.
package struct Timestamp: Hashable, Comparable, Sendable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    package init(seconds: Int64) { self.nanoseconds = seconds * 1_000_000_000 }

    /// Whole seconds, rounded down: the precision of HTTP dates.
    package var seconds: Int64 {
        let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return remainder < 0 ? quotient - 1 : quotient
    }

    package func adding(seconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: nanoseconds + seconds * 1_000_000_000)
    }

    package static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }
}
