package import StorageModel

/// ISO 8601 dates in UTC as the service writes them: always seven digits of a second, `2024-03-01T12:00:00.1234567Z`.
package enum ISODate {
    private static let length = 28

    package static func format(_ timestamp: Timestamp) -> String {
        let time = CalendarTime(timestamp)
        return String(unsafeUninitializedCapacity: length) { text in
            let pattern: StaticString = "0000-00-00T00:00:00.0000000Z"
            for position in 0..<length { text[position] = pattern.utf8Start[position] }
            func digits(_ value: Int, _ count: Int, at offset: Int) {
                var rest = value
                for position in stride(from: offset + count - 1, through: offset, by: -1) {
                    text[position] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                }
            }
            digits(time.year, 4, at: 0)
            digits(time.month, 2, at: 5)
            digits(time.day, 2, at: 8)
            digits(time.hour, 2, at: 11)
            digits(time.minute, 2, at: 14)
            digits(time.second, 2, at: 17)
            digits(time.nanosecond / 100, 7, at: 20)
            return length
        }
    }

    /// Reads `YYYY-MM-DD`, `…Thh:mmZ`, `…Thh:mm:ssZ` and `…ss.f…Z` with one to nine digits. Go's client may write an
    /// offset (`+02:00`) in the place of `Z`.
    package static func parse(_ text: some StringProtocol) -> Timestamp? {
        guard text.utf8.count <= 40 else { return nil }
        var scanner = FieldScanner(text)
        guard let year = scanner.digits(4), scanner.skip("-"), let month = scanner.digits(2), scanner.skip("-"),
            let day = scanner.digits(2)
        else { return nil }
        var time = CalendarTime(year: year, month: month, day: day)
        var offset: Int64 = 0
        if !scanner.isAtEnd {
            guard scanner.skip("T"), let hour = scanner.digits(2), scanner.skip(":"), let minute = scanner.digits(2)
            else { return nil }
            time.hour = hour
            time.minute = minute
            if scanner.skip(":") {
                guard let second = scanner.digits(2) else { return nil }
                time.second = second
                if scanner.skip(".") {
                    guard let fraction = fraction(&scanner) else { return nil }
                    time.nanosecond = fraction
                }
            }
            guard let zone = zone(&scanner), scanner.isAtEnd else { return nil }
            offset = zone
        }
        guard time.isValid else { return nil }
        let local = time.timestamp
        let (utc, overflow) = local.nanoseconds.subtractingReportingOverflow(offset * 1_000_000_000)
        return overflow ? local : Timestamp(nanoseconds: utc)
    }

    private static func fraction(_ scanner: inout FieldScanner) -> Int? {
        var (value, count) = scanner.digitRun(limit: 9)
        guard count > 0 else { return nil }
        while count < 9 {
            value *= 10
            count += 1
        }
        return value
    }

    /// Seconds east of Greenwich.
    private static func zone(_ scanner: inout FieldScanner) -> Int64? {
        if scanner.skip("Z") { return 0 }
        let sign: Int64
        if scanner.skip("+") { sign = 1 } else if scanner.skip("-") { sign = -1 } else { return nil }
        guard let hours = scanner.digits(2), scanner.skip(":"), let minutes = scanner.digits(2), hours < 24,
            minutes < 60
        else { return nil }
        return sign * Int64(hours * 3_600 + minutes * 60)
    }
}
