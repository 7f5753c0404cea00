import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import Namespace
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

    /// The conditions and the lease of a write that may create its blob. Leave to create alone is one condition more.
    func creationGuard() throws(AzureError) -> Guard {
        var conditions = try headers.conditions(.write)
        if grant.createsOnly { conditions.ifNoneMatch = .any }
        return Guard(conditions: conditions, lease: try headers.lease())
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
