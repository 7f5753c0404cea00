/// The version of TLS that a connection speaks, or the least that is accepted.
package enum TLSVersion: String, Sendable, Hashable, CaseIterable, Comparable {
    case tls10 = "TLS 1.0"
    case tls11 = "TLS 1.1"
    case tls12 = "TLS 1.2"
    case tls13 = "TLS 1.3"

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
