package import StorageModel

/// `Range`, `x-ms-range` and `x-ms-source-range`. Source: "Specifying the Range header for Blob service operations".
package enum RangeHeader {
    /// Reads `bytes=a-` and `bytes=a-b`. Everything else, several ranges and suffixes among it, is `nil`: the service
    /// then answers as if the header were not there. Numbers beyond 64 bits count as the largest.
    package static func parse(_ value: String) -> RangeRequest? {
        let text = value.trimmingBlanks
        guard text.hasPrefixIgnoringASCIICase("bytes=") else { return nil }
        let specification = text.utf8.dropFirst(6)
        guard let dash = specification.firstIndex(of: UInt8(ascii: "-")) else { return nil }
        guard let first = number(specification[..<dash]) else { return nil }
        let lastDigits = specification[specification.index(after: dash)...]
        if lastDigits.isEmpty { return RangeRequest(first: first, last: nil) }
        guard let last = number(lastDigits), first <= last else { return nil }
        return RangeRequest(first: first, last: last)
    }

    private static func number(_ digits: some Sequence<UInt8>) -> Int64? {
        var value: Int64 = 0
        var isEmpty = true
        var saturated = false
        for digit in digits {
            guard digit.isDigit else { return nil }
            isEmpty = false
            let (scaled, tooFar) = value.multipliedReportingOverflow(by: 10)
            let (sum, over) = scaled.addingReportingOverflow(Int64(digit &- 0x30))
            saturated = saturated || tooFar || over
            value = saturated ? 0 : sum
        }
        return isEmpty ? nil : (saturated ? .max : value)
    }

    /// `bytes a-b/length`
    package static func contentRange(_ range: Range<Int64>, length: Int64) -> String {
        "bytes \(range.lowerBound)-\(range.upperBound &- 1)/\(length)"
    }

    /// `bytes */length`, with a 416.
    package static func unsatisfied(length: Int64) -> String { "bytes */\(length)" }
}
