#if canImport(Glibc)
    import Glibc
#endif

/// An IPv4 or IPv6 address: 4 or 16 bytes in network order. An IPv4 address inside IPv6 (`::ffff:…`) is the IPv4 one.
package struct IPAddress: Sendable, Hashable {
    package let bytes: [UInt8]

    /// `nil` unless there are 4 or 16 bytes.
    package init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: self.bytes = Array(bytes)
        case 16:
            let mapped =
                bytes.prefix(10).allSatisfy { $0 == 0 } && bytes.dropFirst(10).prefix(2).allSatisfy { $0 == 0xFF }
            self.bytes = Array(mapped ? bytes.suffix(4) : bytes.suffix(16))
        default: return nil
        }
    }

    /// Numeric text; no name is looked up. Without brackets, zone and port.
    package init?(_ text: String) {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self.init(bytes: withUnsafeBytes(of: four) { Array($0) })
            return
        }
        var sixteen = in6_addr()
        guard inet_pton(AF_INET6, text, &sixteen) == 1 else { return nil }
        self.init(bytes: withUnsafeBytes(of: sixteen) { Array($0) })
    }

    package var isIPv4: Bool { bytes.count == 4 }
    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        isIPv4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
    }
}

/// Addresses from `lower` to `upper`, both included, of one family.
package struct IPRange: Sendable, Hashable {
    private let lower: [UInt8]
    private let upper: [UInt8]

    /// `nil` for two families and for a range that is upside down.
    package init?(from lower: IPAddress, to upper: IPAddress) {
        guard lower.bytes.count == upper.bytes.count, !upper.bytes.lexicographicallyPrecedes(lower.bytes) else {
            return nil
        }
        self.lower = lower.bytes
        self.upper = upper.bytes
    }

    /// `ADDRESS` or `ADDRESS/BITS`.
    package init?(cidr text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = IPAddress(String(parts[0])) else { return nil }
        var bits = address.bytes.count * 8
        if parts.count == 2 {
            guard let given = Int(parts[1]), (0...bits).contains(given), parts[1].utf8.allSatisfy({ $0 != 0x2B }) else {
                return nil
            }
            bits = given
        }
        var lower = address.bytes
        var upper = address.bytes
        for index in lower.indices {
            let fixed = min(8, max(0, bits - index * 8))
            let free = UInt8(truncatingIfNeeded: 0xFF >> fixed)
            lower[index] &= ~free
            upper[index] |= free
        }
        self.lower = lower
        self.upper = upper
    }

    package func contains(_ address: IPAddress) -> Bool {
        address.bytes.count == lower.count && !address.bytes.lexicographicallyPrecedes(lower)
            && !upper.lexicographicallyPrecedes(address.bytes)
    }
}
