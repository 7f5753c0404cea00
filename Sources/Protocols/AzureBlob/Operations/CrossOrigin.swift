import Access
import AzureWire
import HTTPExchange
import Logging
import NIOHTTP1
import Namespace
import Observability
import StorageModel

// Preflight requests, and the CORS headers of actual answers. The rules are read only when a browser asks.
extension AzureBlobService {
    func preflight(_ headers: RequestHeaders, account: Account) async throws -> Answer {
        let rules = try await namespace.serviceProperties(of: account.name).cors ?? []
        let allowed = try CORS.preflight(
            origin: headers["Origin"], method: headers["Access-Control-Request-Method"],
            requestHeaders: headers["Access-Control-Request-Headers"], rules: rules)
        var answer = Answer(.ok)
        for header in allowed { answer.set(header.name, header.value) }
        return answer
    }

    /// Errors get the headers too: without them a browser would hide the error from the page.
    func addCORSHeaders(
        to response: inout HTTPResponse, for request: HTTPRequest, origin: String, trace: Trace
    ) async {
        guard let account = trace.account, trace.operation != .preflight else { return }
        let rules: [CORS.Rule]
        do { rules = try await namespace.serviceProperties(of: account.name).cors ?? [] } catch {
            // The operation is done and its answer stands; a page of another origin will not see it.
            logger.warning(
                "CORS rules unreadable", metadata: [LogKey.account: "\(account.name)", LogKey.error: "\(error)"])
            return
        }
        // What is added later belongs to the answer too.
        let names =
            response.headers.map(\.name) + [
                "x-ms-request-id", "x-ms-client-request-id", "x-ms-version", "Content-Length", "Date", "Server",
            ]
        let added = CORS.actual(
            origin: origin, method: request.head.method.rawValue, responseHeaders: names, rules: rules)
        for header in added { response.headers.add(name: header.name, value: header.value) }
    }
}
