import StorageModel

/// A moment in the fields of the Gregorian calendar, UTC.
struct CalendarTime: Hashable {
    var year: Int
    var month: Int
    var day: Int
    var hour = 0
    var minute = 0
    var second = 0
    /// 0 to 999,999,999
    var nanosecond = 0

    /// Whether every field is in its range, with 29 February in leap years alone.
    var isValid: Bool {
        (1...9999).contains(year) && (1...12).contains(month) && day >= 1 && day <= Self.days(inMonth: month, of: year)
            && (0...23).contains(hour) && (0...59).contains(minute) && (0...59).contains(second)
            && (0...999_999_999).contains(nanosecond)
    }

    static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }

    /// Days since 1970-01-01, by counting in eras of 400 years that begin on 1 March.
    var daysSinceEpoch: Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// Years that nanoseconds in 64 bits cannot hold (before 1678, after 2261) become the nearest moment that they can.
    var timestamp: Timestamp {
        let seconds = Int64(daysSinceEpoch) * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
        let (scaled, tooFar) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, over) = scaled.addingReportingOverflow(Int64(nanosecond))
        if tooFar || over { return Timestamp(nanoseconds: seconds < 0 ? .min : .max) }
        return Timestamp(nanoseconds: sum)
    }

    /// 0 is Sunday.
    var weekday: Int {
        let shifted = (daysSinceEpoch + 4) % 7
        return shifted < 0 ? shifted + 7 : shifted
    }

    init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0, nanosecond: Int = 0) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
        self.nanosecond = nanosecond
    }

    init(_ timestamp: Timestamp) {
        let seconds = Int(timestamp.seconds)
        let floored = seconds >= 0 ? seconds / 86_400 : -((86_399 - seconds) / 86_400)
        let secondOfDay = seconds - floored * 86_400
        let shifted = floored + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        hour = secondOfDay / 3_600
        minute = secondOfDay / 60 % 60
        second = secondOfDay % 60
        let remainder = timestamp.nanoseconds % 1_000_000_000
        nanosecond = Int(remainder < 0 ? remainder + 1_000_000_000 : remainder)
    }
}

/// Reads fixed-width fields from the front; each call answers `nil` when the text is not as expected.
struct FieldScanner {
    private var rest: Substring.UTF8View.SubSequence

    init(_ text: some StringProtocol) { rest = Substring(text).utf8 }

    var isAtEnd: Bool { rest.isEmpty }
    var next: UInt8? { rest.first }

    mutating func skip(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard text.withUTF8Buffer({ rest.prefix(count).elementsEqual($0) }) else { return false }
        rest = rest.dropFirst(count)
        return true
    }

    mutating func digits(_ count: Int) -> Int? {
        var value = 0
        var read = 0
        for byte in rest.prefix(count) {
            guard byte.isDigit else { return nil }
            value = value * 10 + Int(byte &- 0x30)
            read += 1
        }
        guard read == count else { return nil }
        rest = rest.dropFirst(count)
        return value
    }

    /// The longest run of digits, at most `limit` of them.
    mutating func digitRun(limit: Int) -> (value: Int, count: Int) {
        var value = 0
        var count = 0
        while count < limit, let byte = rest.first, byte.isDigit {
            value = value * 10 + Int(byte &- 0x30)
            count += 1
            rest = rest.dropFirst()
        }
        return (value, count)
    }

    /// The position in `names` of the name that stands here.
    mutating func name(of names: [StaticString]) -> Int? {
        for (index, name) in names.enumerated() where skip(name) { return index }
        return nil
    }
}
