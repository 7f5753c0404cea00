/// What a run did, as one number (FNV-1a over all choices and events) and, when asked for, as lines of text.
package struct SimulationTrace: Sendable {
    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    private let write: (@Sendable (String) -> Void)?

    /// - Parameter write: gets each event as a line: virtual milliseconds since the start, event, number, detail.
    package init(write: (@Sendable (String) -> Void)? = nil) { self.write = write }

    private mutating func fold(_ value: UInt64) {
        var rest = value
        for _ in 0..<8 {
            hash = (hash ^ (rest & 255)) &* 0x100_0000_01B3
            rest >>= 8
        }
    }

    mutating func note(_ index: UInt64, _ count: UInt64) { fold(index << 32 | count) }

    mutating func note(
        _ event: StaticString, _ number: UInt64, at nanoseconds: Int64, _ detail: @autoclosure () -> String
    ) {
        event.withUTF8Buffer { for byte in $0 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 } }
        fold(number)
        fold(UInt64(bitPattern: nanoseconds))
        guard let write else { return }
        let micros = nanoseconds / 1_000
        write("\(micros / 1_000).\(String(micros % 1_000 + 1_000).dropFirst()) ms  \(event) \(number)  \(detail())")
    }
}
