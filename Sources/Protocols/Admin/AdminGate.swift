import AzureWire
import HTTPExchange
import NIOHTTP1
package import StorageModel

/// The word that opens the admin endpoint. Prints as nothing that helps anybody.
package struct AdminToken: Sendable, CustomStringConvertible {
    /// Visible ASCII characters: enough that nobody guesses them, few enough for a header.
    package static let lengths = 16...512

    private let bytes: [UInt8]

    /// `nil` for a text that is too short, too long or no token of RFC 6750.
    package init?(_ text: String) {
        guard Self.lengths.contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return nil
        }
        bytes = Array(text.utf8)
    }

    /// A new one, as its text: 32 bytes of chance in Base64.
    package static func draw(_ world: World) -> String { Base64.encode(world.randomBytes(32)) }

    /// In a time that depends on the length alone.
    func matches(_ given: some Sequence<UInt8>) -> Bool { ConstantTime.isEqual(bytes, Array(given)) }

    package var description: String { "AdminToken(…)" }
}

/// Who may come in at the admin endpoint: holders of the token or of a certificate that its authorities vouch for.
package struct AdminGate: Sendable {
    private let token: AdminToken
    /// Metrics and status need no credential.
    private let opensMetrics: Bool

    package init(token: AdminToken, opensMetrics: Bool) {
        self.token = token
        self.opensMetrics = opensMetrics
    }

    /// - Parameter operation: `nil` for what the endpoint does not know: strangers do not learn what there is.
    func admits(_ request: HTTPRequest, to operation: AdminOperation?) -> Bool {
        if let operation, operation.isOpen || (opensMetrics && operation.isForScrapers) { return true }
        if request.peer.hasVerifiedCertificate { return true }
        let given = request.head.headers["Authorization"]
        guard given.count == 1, let value = given.first else { return false }
        let scheme = value.prefix { $0 != " " }
        guard scheme.lowercased() == "bearer" else { return false }
        return token.matches(value.utf8.dropFirst(scheme.utf8.count).drop { $0 == UInt8(ascii: " ") })
    }
}
