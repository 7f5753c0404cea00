import AzureWire
import StorageModel
import Testing

@Suite struct HTTPDateTests {
    @Test(
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_294_400, "Fri, 01 Mar 2024 12:00:00 GMT"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (-86_400, "Wed, 31 Dec 1969 00:00:00 GMT"),
        ] as [(Int64, String)])
    func vectors(seconds: Int64, text: String) {
        #expect(HTTPDate.format(Timestamp(seconds: seconds)) == text)
        #expect(HTTPDate.parse(text) == Timestamp(seconds: seconds))
    }

    @Test func fractionsAreCut() {
        #expect(HTTPDate.format(Timestamp(nanoseconds: 999_999_999)) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.format(Timestamp(nanoseconds: -1)) == "Wed, 31 Dec 1969 23:59:59 GMT")
    }

    @Test(arguments: ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", " Sun, 06 Nov 1994 08:49:37 GMT "])
    func oldForms(text: String) {
        #expect(HTTPDate.parse(text) == Timestamp(seconds: 784_111_777))
    }

    @Test func yearsOfTwoDigits() {
        #expect(HTTPDate.parse("Friday, 01-Mar-24 12:00:00 GMT") == Timestamp(seconds: 1_709_294_400))
    }

    @Test(arguments: [
        "", "now", "Fri, 01 Mar 2024 12:00:00", "Fri, 01 Mar 2024 12:00:00 UTC", "Fri, 1 Mar 2024 12:00:00 GMT",
        "Fri, 32 Mar 2024 12:00:00 GMT", "Fri, 30 Feb 2024 12:00:00 GMT", "Wed, 29 Feb 2023 12:00:00 GMT",
        "Fri, 01 Mar 2024 24:00:00 GMT", "Fri, 01 Mar 2024 12:60:00 GMT", "Fri, 01 Mar 2024 12:00:60 GMT",
        "Fri, 01 mar 2024 12:00:00 GMT", "Fry, 01 Mar 2024 12:00:00 GMT", "Fri, 01 Mar 2024 12:00:00 GMTx",
        "Fri, 01 Mar 2024 12:00:00 GMT, Fri, 01 Mar 2024 12:00:00 GMT", "2024-03-01T12:00:00Z",
        "Fri, 01 Mar 0000 12:00:00 GMT", "Fri, 00 Mar 2024 12:00:00 GMT", "Fri, +1 Mar 2024 12:00:00 GMT",
    ])
    func refuses(text: String) {
        #expect(HTTPDate.parse(text) == nil)
    }

    @Test func farYearsBecomeTheNearestMoment() {
        #expect(HTTPDate.parse("Mon, 01 Jan 0001 00:00:00 GMT") == Timestamp(nanoseconds: .min))
        #expect(HTTPDate.parse("Fri, 31 Dec 9999 23:59:59 GMT") == Timestamp(nanoseconds: .max))
        #expect(HTTPDate.format(Timestamp(nanoseconds: .min)).hasSuffix("1677 00:12:43 GMT"))
        #expect(HTTPDate.format(Timestamp(nanoseconds: .max)) == "Fri, 11 Apr 2262 23:47:16 GMT")
    }

    @Test func everyDayAroundTwoCommonCenturies() {
        // Weekday and month advance day by day; leap years as the calendar has them.
        var (year, month, day, weekday) = (1896, 1, 1, 3)
        let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var seconds: Int64 = -2_335_219_200
        while year < 2105 {
            if year % 100 <= 4 || year % 100 >= 96 || year == 1970 {
                let text = HTTPDate.format(Timestamp(seconds: seconds))
                let dayText = day < 10 ? "0\(day)" : "\(day)"
                let expected = "\(weekdays[weekday]), \(dayText) \(months[month - 1]) \(year) 00:00:00 GMT"
                guard text == expected, HTTPDate.parse(text)?.seconds == seconds else {
                    Issue.record("\(text) is not \(expected)")
                    return
                }
            }
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            day += 1
            if day > lengths[month - 1] + (month == 2 && isLeap ? 1 : 0) { (day, month) = (1, month + 1) }
            if month > 12 { (month, year) = (1, year + 1) }
            weekday = (weekday + 1) % 7
            seconds += 86_400
        }
    }
}

@Suite struct ISODateTests {
    @Test(
        arguments: [
            ("2024-03-01", 0), ("2024-03-01T00:00Z", 0), ("2024-03-01T12:34Z", 45_240_000_000_000),
            ("2024-03-01T12:34:56Z", 45_296_000_000_000), ("2024-03-01T12:34:56.1Z", 45_296_100_000_000),
            ("2024-03-01T12:34:56.1234567Z", 45_296_123_456_700),
            ("2024-03-01T12:34:56.123456789Z", 45_296_123_456_789),
            ("2024-03-01T14:34:56+02:00", 45_296_000_000_000), ("2024-03-01T10:04:56-02:30", 45_296_000_000_000),
        ] as [(String, Int64)])
    func accepts(text: String, offset: Int64) {
        #expect(ISODate.parse(text) == Timestamp(nanoseconds: 1_709_251_200_000_000_000 + offset))
    }

    @Test(arguments: [
        "", "2024", "2024-3-1", "2024-03-01T", "2024-03-01T12Z", "2024-03-01T12:00", "2024-03-01T12:00:00",
        "2024-03-01T12:00:00.Z", "2024-03-01T12:00:00.1234567890Z", "2024-13-01", "2024-02-30", "2024-03-01T24:00Z",
        "2024-03-01 12:00Z", "2024-03-01T12:00:00z", "2024-03-01T12:00:00+0200", "2024-03-01T12:00:00ZZ", " 2024-03-01",
        "２０２４-03-01",
    ])
    func refuses(text: String) {
        #expect(ISODate.parse(text) == nil)
    }

    @Test func sevenDigits() {
        #expect(ISODate.format(Timestamp(seconds: 1_709_294_400)) == "2024-03-01T12:00:00.0000000Z")
        let moment = Timestamp(nanoseconds: 1_709_294_400_123_456_789)
        #expect(ISODate.format(moment) == "2024-03-01T12:00:00.1234567Z")
    }
}

@Suite struct ServiceVersionTests {
    @Test(arguments: [
        "2009-04-14", "2017-04-17", "2019-02-02", "2023-05-03", "2025-07-05", "2026-12-06", "2027-01-31", "2049-12-31",
    ])
    func accepts(text: String) {
        #expect(ServiceVersion(text)?.description == text)
    }

    @Test(arguments: [
        "", "latest", "2099-11-05", "2050-01-01", "2009-04-13", "2020-13-01", "2020-02-30", "2020-2-3", "2020-02-02 ",
        "2020/02/02", "20200202", "2020-02-02-preview",
    ])
    func refuses(text: String) {
        #expect(ServiceVersion(text) == nil)
    }

    @Test func order() throws {
        let old = try #require(ServiceVersion("2015-02-20"))
        let new = try #require(ServiceVersion("2015-02-21"))
        #expect(old < .emptyContentLengthSigned)
        #expect(new >= .emptyContentLengthSigned)
        #expect(ServiceVersion.encodedNamesInLists.description == "2021-02-12")
        #expect(ServiceVersion.first.description == "2009-04-14")
    }
}
