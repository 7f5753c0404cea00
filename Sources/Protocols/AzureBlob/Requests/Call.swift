import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import StorageModel

/// An authenticated request on its way to the core: what every operation gets.
struct Call: Sendable {
    let request: HTTPRequest
    let headers: RequestHeaders
    let query: QueryString
    let version: ServiceVersion
    let target: Target
    let account: Account
    /// That access was decided. An operation cannot be called without one.
    let grant: Grant

    var isHead: Bool { request.head.method == .HEAD }

    func address(_ container: ContainerName) -> ContainerAddress {
        ContainerAddress(account: account.name, container: container)
    }

    func address(_ container: ContainerName, _ blob: BlobName) -> BlobAddress {
        BlobAddress(account: account.name, container: container, blob: blob)
    }

    /// The `ServiceEndpoint` of listings.
    var serviceEndpoint: String {
        let scheme = request.peer.isTLS ? "https" : "http"
        let host = headers["host"] ?? "localhost"
        return switch target.style {
        case .host: "\(scheme)://\(host)/"
        case .path: "\(scheme)://\(host)/\(account.name)\(target.isSecondary ? "-secondary" : "")/"
        }
    }
}
