import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import Observability
import StorageModel

extension AzureBlobService {
    /// The headers that every answer has, refusals included, and the facts for the audit line.
    func complete(_ response: inout HTTPResponse, of request: HTTPRequest, _ headers: RequestHeaders, trace: Trace) {
        let clientRequestID = Self.clientRequestID(headers)
        let version = trace.version.description
        response.headers.add(name: "x-ms-request-id", value: request.id)
        response.headers.add(name: "x-ms-version", value: version)
        if let clientRequestID { response.headers.add(name: "x-ms-client-request-id", value: clientRequestID) }

        var audit = AuditFacts()
        audit.operationName = Self.auditName(trace.operation, headers)
        audit.category = trace.operation?.category ?? .read
        audit.accountName = trace.account?.name.value
        audit.serviceVersion = version
        audit.clientRequestID = clientRequestID
        audit.etag = response.headers.first(name: "ETag")
        audit.cause = trace.cause
        audit.requester = trace.credential.map { $0.facts ?? RequesterFacts($0, trace) }
        audit.statusText =
            trace.errorCode
            ?? (trace.operation == .preflight ? "Success" : trace.credential?.successText ?? "Success")
        audit.objectKey = Self.objectKey(trace)
        audit.redactedURI =
            (request.peer.isTLS ? "https://" : "http://") + (headers["Host"] ?? "") + Redaction.uri(request.head.uri)
        response.audit = audit
    }

    /// As StorageBlobLogs names it: the five actions on a lease are operations of their own there.
    private static func auditName(_ operation: Operation?, _ headers: RequestHeaders) -> String {
        let action = headers["x-ms-lease-action"]?.lowercased() ?? ""
        switch operation {
        case .blob(_, _, .lease)? where LeaseRequest.actions.contains(action):
            return "\(action.prefix(1).uppercased())\(action.dropFirst())BlobLease"
        case .container(_, .lease)? where LeaseRequest.actions.contains(action):
            return "\(action.prefix(1).uppercased())\(action.dropFirst())ContainerLease"
        default: return operation?.auditName ?? "Unknown"
        }
    }

    /// The client's own id for the request, echoed when it is at most 1,024 printable ASCII characters.
    static func clientRequestID(_ headers: RequestHeaders) -> String? {
        guard let value = headers["x-ms-client-request-id"],
            value.utf8.count <= 1024, value.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { return nil }
        return value
    }

    private static func objectKey(_ trace: Trace) -> String? {
        guard let account = trace.account?.name, let operation = trace.operation else { return nil }
        return switch operation {
        case .preflight, .service, .unsupported: "/" + account.value
        case .container(let container, _): "/" + account.value + "/" + container.value
        case .blob(let container, let blob, _): blobKey(account, container, blob, as: trace.rawPath)
        }
    }

    /// In path style and without escapes the URL's path is the key already: same length, same text.
    private static func blobKey(
        _ account: AccountName, _ container: ContainerName, _ blob: BlobName, as rawPath: String
    ) -> String {
        let count = account.value.utf8.count + container.value.utf8.count + blob.value.utf8.count + 3
        if rawPath.utf8.count == count, !rawPath.utf8.contains(UInt8(ascii: "%")),
            rawPath.utf8.dropFirst().starts(with: account.value.utf8)
        {
            return rawPath
        }
        return "/" + account.value + "/" + container.value + "/" + blob.value
    }
}
