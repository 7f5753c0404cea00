/// A version of the Blob service's protocol: the date in `x-ms-version`. Clients send dates newer than any list of
/// ours, so every real date from the first version to the end of 2049 counts.
package struct ServiceVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 20210212 for 2021-02-12
    private let packed: Int

    private init(packed: Int) { self.packed = packed }

    package init?(_ text: some StringProtocol) {
        var scanner = FieldScanner(text)
        guard let year = scanner.digits(4), scanner.skip("-"), let month = scanner.digits(2), scanner.skip("-"),
            let day = scanner.digits(2), scanner.isAtEnd,
            CalendarTime(year: year, month: month, day: day).isValid
        else { return nil }
        packed = year * 10_000 + month * 100 + day
        guard self >= Self.first, year < 2050 else { return nil }
    }

    package var description: String {
        String(unsafeUninitializedCapacity: 10) { text in
            var rest = packed
            for index in (0..<10).reversed() {
                if index == 4 || index == 7 {
                    text[index] = UInt8(ascii: "-")
                } else {
                    text[index] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                }
            }
            return 10
        }
    }

    package static func < (left: Self, right: Self) -> Bool { left.packed < right.packed }

    // What each version began. Source: "Versioning for the Azure Storage services".
    package static let first = Self(packed: 2009_04_14)
    package static let sharedKeyLayout = Self(packed: 2009_09_19)
    package static let quotedETags = Self(packed: 2011_08_18)
    package static let combinedReadConditions = Self(packed: 2013_08_15)
    package static let serviceEndpointInLists = Self(packed: 2013_08_15)
    package static let emptyContentLengthSigned = Self(packed: 2015_02_21)
    package static let serverEncryptedInLists = Self(packed: 2015_12_11)
    package static let emptyHeadersSigned = Self(packed: 2016_05_31)
    package static let blocksOf100MiB = Self(packed: 2016_05_31)
    package static let publicAccessInLists = Self(packed: 2016_05_31)
    package static let accessTiers = Self(packed: 2017_04_17)
    package static let deletePermanent = Self(packed: 2017_07_29)
    package static let bearerTokens = Self(packed: 2017_11_09)
    package static let creationTime = Self(packed: 2017_11_09)
    package static let staticWebsite = Self(packed: 2018_03_28)
    package static let contentCRC64 = Self(packed: 2019_02_02)
    package static let blocksOf4000MiB = Self(packed: 2019_12_12)
    package static let tags = Self(packed: 2019_12_12)
    package static let bearerChallenge = Self(packed: 2019_12_12)
    package static let encodedNamesInLists = Self(packed: 2021_02_12)
    package static let structuredBodies = Self(packed: 2025_01_05)
    package static let startFrom = Self(packed: 2026_02_06)
}
