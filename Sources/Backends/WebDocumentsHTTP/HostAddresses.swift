import StorageModel

#if canImport(Glibc)
    import Glibc
#endif

/// The addresses of a host, from the system's resolver.
enum HostAddresses {
    /// Blocks for as long as the resolver takes. A numeric address, in any spelling that the resolver reads, is its own.
    static func resolve(_ host: String) throws -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else { throw WebProblem(String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        var addresses: [IPAddress] = []
        var next = list
        while let entry = next {
            if let address = address(entry.pointee), !addresses.contains(address) { addresses.append(address) }
            next = entry.pointee.ai_next
        }
        return addresses
    }

    /// The first of one family, the first of the other, and so on: a network that carries only one of them is no reason
    /// to fail.
    static func alternating(_ addresses: [IPAddress]) -> [IPAddress] {
        guard let first = addresses.first else { return [] }
        var same = addresses.filter { $0.isIPv4 == first.isIPv4 }[...]
        var other = addresses.filter { $0.isIPv4 != first.isIPv4 }[...]
        var ordered: [IPAddress] = []
        while !same.isEmpty || !other.isEmpty {
            if let next = same.popFirst() { ordered.append(next) }
            if let next = other.popFirst() { ordered.append(next) }
        }
        return ordered
    }

    private static func address(_ entry: addrinfo) -> IPAddress? {
        guard let start = UnsafeRawPointer(entry.ai_addr) else { return nil }
        switch entry.ai_family {
        case AF_INET:
            return IPAddress(bytes: withUnsafeBytes(of: start.loadUnaligned(as: sockaddr_in.self).sin_addr, Array.init))
        case AF_INET6:
            return IPAddress(
                bytes: withUnsafeBytes(of: start.loadUnaligned(as: sockaddr_in6.self).sin6_addr, Array.init))
        default: return nil
        }
    }
}

extension IPAddress {
    /// Numeric, without brackets.
    var text: String {
        if isIPv4 { return bytes.map(String.init).joined(separator: ".") }
        return stride(from: 0, to: 16, by: 2)
            .map { String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16) }.joined(separator: ":")
    }
}
