#if canImport(Glibc)
    import Glibc
#endif

/// Time and chance, as parameters. Nothing else in the project reads a clock or draws random numbers.
package struct World: Sendable {
    package var now: @Sendable () -> Timestamp
    /// Nanoseconds of a clock that never goes back; for durations only.
    package var monotonicNanoseconds: @Sendable () -> Int64
    package var randomBytes: @Sendable (Int) -> [UInt8]
    package var sleep: @Sendable (Duration) async throws -> Void

    package init(
        now: @escaping @Sendable () -> Timestamp,
        monotonicNanoseconds: @escaping @Sendable () -> Int64,
        randomBytes: @escaping @Sendable (Int) -> [UInt8],
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.now = now
        self.monotonicNanoseconds = monotonicNanoseconds
        self.randomBytes = randomBytes
        self.sleep = sleep
    }

    package static let system = World(
        now: { Timestamp(nanoseconds: readClock(CLOCK_REALTIME)) },
        monotonicNanoseconds: { readClock(CLOCK_MONOTONIC) },
        randomBytes: { count in
            // One system call for all of them.
            [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                if let start = buffer.baseAddress { arc4random_buf(start, count) }
                initialized = count
            }
        },
        sleep: { try await Task.sleep(for: $0) }
    )

    /// A random (version 4) UUID in lower case with hyphens: request ids, lease ids, copy ids.
    package func uuid() -> String {
        var bytes = randomBytes(16)
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        return UUIDText.format(bytes)
    }
}

private func readClock(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// Text form of 16 bytes as 8-4-4-4-12 lower-case hexadecimal digits.
package enum UUIDText {
    package static func format(_ bytes: [UInt8]) -> String {
        precondition(bytes.count == 16, "a UUID has 16 bytes")
        return bytes.withUnsafeBufferPointer { bytes in
            String(unsafeUninitializedCapacity: 36) { text in
                var at = 0
                for index in 0..<16 {
                    if index == 4 || index == 6 || index == 8 || index == 10 {
                        text[at] = UInt8(ascii: "-")
                        at += 1
                    }
                    text[at] = hexDigit(bytes[index] >> 4)
                    text[at + 1] = hexDigit(bytes[index] & 15)
                    at += 2
                }
                return 36
            }
        }
    }

    /// Accepts the .NET forms N, D, B and P (`…`, `…-…`, `{…}`, `(…)`) in any case and answers the D form in lower case.
    package static func parse(_ text: some StringProtocol) -> String? {
        var body = Array(text.utf8)
        if let first = body.first, let last = body.last,
            (first == UInt8(ascii: "{") && last == UInt8(ascii: "}"))
                || (first == UInt8(ascii: "(") && last == UInt8(ascii: ")"))
        {
            body = Array(body.dropFirst().dropLast())
            guard body.count == 36 else { return nil }
        }
        if body.count == 36 {
            for position in [8, 13, 18, 23] where body[position] != UInt8(ascii: "-") { return nil }
            body = body.enumerated().filter { ![8, 13, 18, 23].contains($0.offset) }.map(\.element)
        }
        guard body.count == 32 else { return nil }
        var bytes: [UInt8] = []
        for pair in stride(from: 0, to: 32, by: 2) {
            guard let high = hexValue(body[pair]), let low = hexValue(body[pair + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return format(bytes)
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 &+ value : 0x57 &+ value }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
