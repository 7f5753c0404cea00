import StorageModel

/// A name that a server is called by.
enum CertificateName: Equatable, Sendable {
    /// Lower case; may begin with `*.`.
    case dns(String)
    case address(IPAddress)

    /// Letters, digits and hyphens in labels of at most 63 (RFC 1034, section 3.5), underscores too, as resolvers have it.
    init(validating text: String) throws(CertificateFailure) {
        if let address = IPAddress(text) {
            self = .address(address)
            return
        }
        let lowered = text.lowercased()
        var labels = lowered.split(separator: ".", omittingEmptySubsequences: false)
        if labels.first == "*", labels.count > 1 { labels.removeFirst() }
        let isName =
            lowered.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy(Self.isLabelByte)
            }
        guard isName else { throw CertificateFailure("\"\(text)\" is neither a DNS name nor an IP address") }
        self = .dns(lowered)
    }

    private static func isLabelByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
