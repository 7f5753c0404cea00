import AsyncHTTPClient
import NIOCore
import NIOSSL
package import StorageModel
import WebDocuments

/// Documents over HTTPS, with the system's certificate authorities or given ones.
package final class WebDocumentsHTTP: WebDocuments {
    private let client = HTTPClient(eventLoopGroupProvider: .singleton)

    package init() {}

    package func fetch(_ url: String, limit: Int) async throws(StorageFailure) -> [UInt8] {
        do {
            let response = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(10))
            var body = try await response.body.collect(upTo: limit)
            return body.readBytes(length: body.readableBytes) ?? []
        } catch {
            throw StorageFailure(.unavailable, cause: "\(error)")
        }
    }
}
