import FoundationEssentials
import StorageModel

/// An address that may be asked, as far as its text says.
struct WebAddress: Sendable, Equatable {
    let url: String
    let isPlain: Bool
    /// A name or an address, without brackets.
    let host: String

    /// - Throws: `.unavailable` for another scheme than `https` and `http`, for credentials in it, and for no address.
    init(_ text: String) throws(StorageFailure) {
        guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), let host = url.host, !host.isEmpty,
            url.user == nil, url.password == nil, url.fragment == nil, scheme == "https" || scheme == "http"
        else { throw StorageFailure(.unavailable, cause: "\(text) is no address of a document") }
        self.url = text
        isPlain = scheme == "http"
        self.host = host
    }

    /// What no document of an issuer is at: this network's own services, above all the credentials that clouds give to
    /// their machines at link-local addresses (169.254.169.254, fd00:ec2::254) and Azure's 168.63.129.16.
    private static let forbidden = [
        "0.0.0.0/8", "169.254.0.0/16", "168.63.129.16", "224.0.0.0/4", "240.0.0.0/4", "::", "fe80::/10", "ff00::/8",
        "fd00:ec2::254", "fd20:ce::254",
    ].compactMap { IPRange(cidr: $0) }

    /// - Throws: `.unavailable` when any of the addresses must not be asked: a name that also leads elsewhere is not
    ///   a name to trust.
    func check(_ addresses: [IPAddress], allowsPlainLoopback: Bool) throws(StorageFailure) {
        guard !addresses.isEmpty else { throw StorageFailure(.unavailable, cause: "\(host) has no address") }
        for address in addresses {
            if Self.forbidden.contains(where: { $0.contains(address) }) {
                throw StorageFailure(.unavailable, cause: "\(url): \(address.text) is not asked for documents")
            }
            guard isPlain else { continue }
            guard allowsPlainLoopback, address.isLoopback else {
                throw StorageFailure(.unavailable, cause: "\(url) is not https")
            }
        }
    }
}
