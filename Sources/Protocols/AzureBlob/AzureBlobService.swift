package import Access
package import Admission
import AzureWire
package import HTTPExchange
package import Logging
import NIOCore
import NIOHTTP1
package import Namespace
import Observability
import StorageModel
package import Tokens

/// The Azure Blob REST protocol over the namespace: parse, authorize, one core call, render.
///
/// A request passes `Addressing` (which account, container and blob), `Router` (which operation), `Authenticator` (who),
/// `Access` (may they), one operation and at last `render`, or the failure table. See `respond(to:)`.
package final class AzureBlobService: HTTPService {
    let namespace: Namespace
    let accounts: AccountDirectory
    let configuration: Configuration
    let addressing: Addressing
    let authenticator: Authenticator
    private let admission: AdmissionControl?
    let logger: Logger

    /// What refusals name that belong to no request, and the layout of signatures when no version is given.
    static let newestVersion = ServiceVersion("2026-06-06") ?? .tags
    /// What a request without a version gets, unless the account says otherwise.
    static let oldestVersion = ServiceVersion.sharedKeyLayout
    /// What a request without a version gets when its account sets no default: the oldest one that is fully supported.
    static let defaultVersion = ServiceVersion("2017-04-17") ?? .tags

    package init(
        namespace: Namespace, accounts: AccountDirectory, tokens: TokenVerifier? = nil, access: AccessStore? = nil,
        admission: AdmissionControl? = nil, configuration: Configuration, logger: Logger
    ) {
        self.namespace = namespace
        self.accounts = accounts
        self.configuration = configuration
        self.logger = logger
        self.admission = admission
        addressing = Addressing(domainSuffixes: configuration.domainSuffixes)
        authenticator = Authenticator(
            world: configuration.world, namespace: namespace, tokens: tokens, access: access)
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        await respond(to: request, within: nil)
    }

    /// - Parameter batch: the batch of which this is a part; it lends its version and its account.
    func respond(to request: HTTPRequest, within batch: BatchScope?) async -> HTTPResponse {
        let headers = RequestHeaders(request.head.headers)
        var trace = Trace(version: batch?.version ?? Self.newestVersion)
        var response: HTTPResponse
        do {
            let answer = try await handle(request, headers, within: batch, trace: &trace)
            response = HTTPResponse(status: answer.status, headers: answer.headers, body: answer.body)
            response.parts = answer.parts
        } catch {
            response = refusal(error, of: request, trace: &trace)
        }
        if batch == nil, let origin = headers["Origin"] {
            await addCORSHeaders(to: &response, for: request, origin: origin, trace: trace)
        }
        complete(&response, of: request, headers, trace: trace)
        response.ticket = trace.ticket
        return response
    }

    /// Whether the account and the caller may ask for more right now.
    func admit(_ credential: Credential, to account: Account) throws(StorageFailure) -> (any RequestTicket)? {
        try admission?.enter(
            account: account.name, accountLimits: account.limits.account, principal: credential.admissionName,
            principalLimits: account.limits.principal)
    }

    /// The same for a part of a batch. It came in with the batch and needs no place, but it is a request all the same, and
    /// not always of who sent the batch.
    func charge(_ credential: Credential, to account: Account) throws(StorageFailure) {
        try admission?.charge(
            account: account.name, accountLimits: account.limits.account, principal: credential.admissionName,
            principalLimits: account.limits.principal)
    }

    package func refuse(_ refusal: HTTPRefusal, requestID: String) -> HTTPResponse {
        let error = AzureError(refusal)
        var response = HTTPResponse(status: HTTPResponseStatus(statusCode: error.status), closesConnection: true)
        write(error, to: &response, requestID: requestID, withBody: true)
        response.headers.add(name: "x-ms-request-id", value: requestID)
        response.headers.add(name: "x-ms-version", value: Self.newestVersion.description)
        response.audit.statusText = error.code.name
        return response
    }

    private func refusal(_ thrown: any Error, of request: HTTPRequest, trace: inout Trace) -> HTTPResponse {
        let error: AzureError
        var closesConnection = false
        switch thrown {
        case let refused as AzureError: error = refused
        case let failure as StorageFailure:
            error = AzureError(failure)
            trace.cause = failure.cause
            closesConnection = failure.code == .bodyTruncated || failure.code == .bodyTimedOut
        default:
            error = AzureError(.internalError)
            trace.cause = "\(thrown)"
        }
        trace.errorCode = error.code.name
        // A refusal of a crowded node is counted; to log each would be one more load.
        if error.status >= 500, error.status != 501, error.code != .serverBusy {
            logger.error(
                "request failed",
                metadata: [
                    LogKey.requestID: "\(request.id)", LogKey.operation: "\(trace.operation?.auditName ?? "Unknown")",
                    LogKey.error: "\(error.code.name)", LogKey.cause: "\(Redaction.text(trace.cause ?? "\(thrown)"))",
                ])
        }
        var response = HTTPResponse(
            status: HTTPResponseStatus(statusCode: error.status), closesConnection: closesConnection)
        let withBody = request.head.method != .HEAD && error.status != 304
        write(error, to: &response, requestID: request.id, withBody: withBody)
        return response
    }

    private func write(_ error: AzureError, to response: inout HTTPResponse, requestID: String, withBody: Bool) {
        response.headers.add(name: "x-ms-error-code", value: error.code.name)
        for field in error.headers { response.headers.add(name: field.name, value: field.value) }
        guard withBody else { return }
        response.headers.add(name: "Content-Type", value: "application/xml")
        response.body = .bytes(error.xml(requestID: requestID, time: configuration.world.now()))
    }
}

/// What is found out about a request on its way, for the answer's headers and the audit line.
struct Trace: Sendable {
    var version: ServiceVersion
    /// As on the request line; empty until it is read.
    var rawPath = ""
    var account: Account?
    var operation: Operation?
    var credential: Credential?
    var ticket: (any RequestTicket)?
    var asked: AccessRequest?
    var grant: Grant?
    var errorCode: String?
    var cause: String?
}

extension AzureError {
    /// What never became a request.
    init(_ refusal: HTTPRefusal) {
        switch refusal {
        case .malformed(let reason): self.init(.invalidInput, message: "The request is malformed: \(reason)")
        case .headersTooLarge: self.init(.invalidInput, status: 431, message: "The request headers are too large.")
        case .uriTooLong: self.init(.invalidUri, status: 414, message: "The request URI is too long.")
        // Clients retry a 408; the service's own 500 OperationTimedOut is for operations that have begun.
        case .requestTimeout: self.init(.operationTimedOut, status: 408)
        case .overloaded(let seconds): self = .serverBusy(retryAfterSeconds: seconds)
        case .versionNotSupported:
            self.init(.invalidInput, status: 505, message: "The HTTP version is not supported.")
        }
    }
}
