package import StorageModel

/// Who is at the other end of a connection, as far as the connection itself tells. One for all its requests.
package final class Peer: Sendable {
    /// `ip:port` of the client: from the PROXY header where the connection began with one, else from the socket.
    package let address: String
    /// The address of `address`; `nil` for a local socket.
    package let ip: IPAddress?
    /// `nil` without TLS.
    package let tls: TLSVersion?
    /// The LINKID that Azure Private Link put into the PROXY header.
    package let privateLinkID: UInt32?
    /// Whether the client has shown a certificate that the listener's authorities vouch for.
    package let hasVerifiedCertificate: Bool

    package init(
        address: String, ip: IPAddress?, tls: TLSVersion? = nil, privateLinkID: UInt32? = nil,
        hasVerifiedCertificate: Bool = false
    ) {
        self.address = address
        self.ip = ip
        self.tls = tls
        self.privateLinkID = privateLinkID
        self.hasVerifiedCertificate = hasVerifiedCertificate
    }

    package var isTLS: Bool { tls != nil }
}
