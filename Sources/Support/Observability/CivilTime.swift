package import StorageModel

/// A timestamp as a UTC calendar date and time of day (proleptic Gregorian), and its text forms.
package struct CivilTime: Sendable, Equatable {
    package var year: Int
    package var month: Int
    package var day: Int
    package var hour: Int
    package var minute: Int
    package var second: Int
    package var nanosecond: Int
    /// 0 is Sunday.
    package var weekday: Int

    package init(_ timestamp: Timestamp) {
        let seconds = timestamp.seconds
        nanosecond = Int(timestamp.nanoseconds - seconds * 1_000_000_000)
        var days = seconds / 86_400
        var rest = seconds % 86_400
        if rest < 0 {
            rest += 86_400
            days -= 1
        }
        hour = Int(rest / 3600)
        minute = Int(rest % 3600 / 60)
        second = Int(rest % 60)
        weekday = Int(((days + 4) % 7 + 7) % 7)
        // Days to a date by eras of 400 years, counted from 0000-03-01 so that the leap day ends a year.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
        month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
        year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    }

    private static let monthNames = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
    package var httpDate: String {
        let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        return names[weekday] + ", " + padded(day, 2) + " " + Self.monthNames[month - 1] + " " + padded(year, 4) + " "
            + padded(hour, 2) + ":" + padded(minute, 2) + ":" + padded(second, 2) + " GMT"
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` as `1994-11-06T08:49:37Z`; `nil` for any other form.
    package static func rfc3339(httpDate text: String) -> String? {
        let bytes = Array(text.utf8)
        guard bytes.count == 29 else { return nil }
        func field(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
        guard let month = monthNames.firstIndex(of: field(8..<11)), field(25..<29) == " GMT" else { return nil }
        let numbers = [field(12..<16), padded(month + 1, 2), field(5..<7)]
        guard numbers.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else { return nil }
        return numbers.joined(separator: "-") + "T" + field(17..<25) + "Z"
    }

    /// `1994-11-06T08:49:37.123456Z` (RFC 3339), with `digits` of fraction.
    package func rfc3339(fractionDigits digits: Int = 3) -> String {
        var text = padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) + "T"
        text += padded(hour, 2) + ":" + padded(minute, 2) + ":" + padded(second, 2)
        if digits > 0 {
            var fraction = nanosecond
            for _ in min(digits, 9)..<9 { fraction /= 10 }
            text += "." + padded(fraction, min(digits, 9))
        }
        return text + "Z"
    }
}

private func padded(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return digits.count >= width ? digits : String(repeating: "0", count: width - digits.count) + digits
}
