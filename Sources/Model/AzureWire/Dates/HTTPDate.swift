package import StorageModel

/// Dates of HTTP headers and of list bodies: `Fri, 01 Mar 2024 12:00:00 GMT` (RFC 9110 §5.6.7).
package enum HTTPDate {
    static let length = 29
    private static let weekdays: StaticString = "SunMonTueWedThuFriSat"
    private static let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
    private static let weekdayNames: [StaticString] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let longWeekdayNames: [StaticString] = [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]
    private static let monthNames: [StaticString] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    package static func format(_ timestamp: Timestamp) -> String {
        String(unsafeUninitializedCapacity: length) { text in
            write(timestamp, to: UnsafeMutableRawBufferPointer(text))
            return length
        }
    }

    /// `text` has room for `length` bytes.
    static func write(_ timestamp: Timestamp, to text: UnsafeMutableRawBufferPointer) {
        let time = CalendarTime(timestamp)
        func copy(_ names: StaticString, _ index: Int, at offset: Int) {
            for position in 0..<3 { text[offset + position] = names.utf8Start[index * 3 + position] }
        }
        func digits(_ value: Int, at offset: Int) {
            text[offset] = 0x30 &+ UInt8(truncatingIfNeeded: value / 10 % 10)
            text[offset + 1] = 0x30 &+ UInt8(truncatingIfNeeded: value % 10)
        }
        let pattern: StaticString = "Day, 00 Mon 0000 00:00:00 GMT"
        for position in 0..<length { text[position] = pattern.utf8Start[position] }
        copy(weekdays, time.weekday, at: 0)
        digits(time.day, at: 5)
        copy(months, time.month - 1, at: 8)
        digits(time.year / 100, at: 12)
        digits(time.year % 100, at: 14)
        digits(time.hour, at: 17)
        digits(time.minute, at: 20)
        digits(time.second, at: 23)
    }

    /// Reads the three forms that HTTP knows. The day of the week must be one, but need not be the right one.
    package static func parse(_ text: String) -> Timestamp? {
        var text = text
        return text.withUTF8 { parseUsual($0) } ?? parse(text[...])
    }

    /// The form that clients send, exactly as this type writes it. `nil` says nothing about the others.
    private static func parseUsual(_ text: UnsafeBufferPointer<UInt8>) -> Timestamp? {
        guard text.count == length else { return nil }
        func number(_ from: Int, _ count: Int) -> Int? {
            var value = 0
            for index in from..<from + count {
                guard text[index].isDigit else { return nil }
                value = value * 10 + Int(text[index] &- 0x30)
            }
            return value
        }
        func place(of names: StaticString, at offset: Int) -> Int? {
            for index in 0..<names.utf8CodeUnitCount / 3
            where (0..<3).allSatisfy({ names.utf8Start[index * 3 + $0] == text[offset + $0] }) {
                return index
            }
            return nil
        }
        guard text[3] == UInt8(ascii: ","), text[4] == 0x20, text[7] == 0x20, text[11] == 0x20, text[16] == 0x20,
            text[19] == UInt8(ascii: ":"), text[22] == UInt8(ascii: ":"), text[25] == 0x20,
            text[26] == UInt8(ascii: "G"), text[27] == UInt8(ascii: "M"), text[28] == UInt8(ascii: "T"),
            place(of: weekdays, at: 0) != nil, let month = place(of: months, at: 8), let day = number(5, 2),
            let year = number(12, 4), let hour = number(17, 2), let minute = number(20, 2), let second = number(23, 2)
        else { return nil }
        let time = CalendarTime(
            year: year, month: month + 1, day: day, hour: hour, minute: minute, second: second)
        return time.isValid ? time.timestamp : nil
    }

    private static func parse(_ text: Substring) -> Timestamp? {
        let trimmed = text.trimmingBlanks
        guard trimmed.utf8.count <= 40 else { return nil }
        let time = parseFixed(trimmed) ?? parseLongWeekday(trimmed) ?? parseASCTime(trimmed)
        guard let time, time.isValid else { return nil }
        return time.timestamp
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 1123)
    private static func parseFixed(_ text: some StringProtocol) -> CalendarTime? {
        var scanner = FieldScanner(text)
        guard scanner.name(of: weekdayNames) != nil, scanner.skip(", "), let day = scanner.digits(2), scanner.skip(" "),
            let month = scanner.name(of: monthNames), scanner.skip(" "), let year = scanner.digits(4),
            scanner.skip(" "),
            let clock = clock(&scanner), scanner.skip(" GMT"), scanner.isAtEnd
        else { return nil }
        return CalendarTime(
            year: year, month: month + 1, day: day, hour: clock.hour, minute: clock.minute, second: clock.second)
    }

    /// `Sunday, 06-Nov-94 08:49:37 GMT` (RFC 850). Two digits mean 1970 to 2069, so that no clock is needed.
    private static func parseLongWeekday(_ text: some StringProtocol) -> CalendarTime? {
        var scanner = FieldScanner(text)
        guard scanner.name(of: longWeekdayNames) != nil, scanner.skip(", "), let day = scanner.digits(2),
            scanner.skip("-"), let month = scanner.name(of: monthNames), scanner.skip("-"),
            let year = scanner.digits(2), scanner.skip(" "), let clock = clock(&scanner), scanner.skip(" GMT"),
            scanner.isAtEnd
        else { return nil }
        return CalendarTime(
            year: year < 70 ? 2000 + year : 1900 + year, month: month + 1, day: day, hour: clock.hour,
            minute: clock.minute, second: clock.second)
    }

    /// `Sun Nov  6 08:49:37 1994` (asctime)
    private static func parseASCTime(_ text: some StringProtocol) -> CalendarTime? {
        var scanner = FieldScanner(text)
        guard scanner.name(of: weekdayNames) != nil, scanner.skip(" "), let month = scanner.name(of: monthNames),
            scanner.skip(" "), let day = scanner.skip(" ") ? scanner.digits(1) : scanner.digits(2), scanner.skip(" "),
            let clock = clock(&scanner), scanner.skip(" "), let year = scanner.digits(4), scanner.isAtEnd
        else { return nil }
        return CalendarTime(
            year: year, month: month + 1, day: day, hour: clock.hour, minute: clock.minute, second: clock.second)
    }

    private static func clock(_ scanner: inout FieldScanner) -> (hour: Int, minute: Int, second: Int)? {
        guard let hour = scanner.digits(2), scanner.skip(":"), let minute = scanner.digits(2), scanner.skip(":"),
            let second = scanner.digits(2)
        else { return nil }
        return (hour, minute, second)
    }
}
