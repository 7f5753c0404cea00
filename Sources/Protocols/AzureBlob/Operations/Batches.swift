import Access
import AzureWire
import HTTPExchange
import NIOCore
import NIOHTTP1
import Namespace
import StorageModel

/// What the parts of a batch take from it, and what they may be.
struct BatchScope: Sendable {
    var version: ServiceVersion
    var account: AccountName
    /// Of a batch on a container's URL: all parts lie in it.
    var container: ContainerName?

    /// - Throws: 400 for a part that a batch cannot hold.
    func check(_ operation: Operation, account: Account) throws(AzureError) {
        guard case .blob(let container, _, let kind) = operation, kind == .delete || kind == .setTier else {
            throw AzureError(.invalidInput, message: "A batch holds Delete Blob or Set Blob Tier requests.")
        }
        guard account.name == self.account, self.container == nil || self.container == container else {
            throw AzureError(.invalidInput, message: "The request lies outside of the batch's account or container.")
        }
    }
}

// Blob Batch. Every part is authenticated, charged, answered and written down for itself.
extension AzureBlobService {
    /// How many parts of one batch are worked on at a time.
    private static let partsAtATime = 8

    func submitBatch(_ call: Call, container: ContainerName?) async throws -> Answer {
        let boundary = try BatchRequest.boundary(contentType: call.headers["Content-Type"])
        let document = try await call.document(limit: BodyLimits.batch)
        let parts = try BatchRequest.parse(document, boundary: boundary)
        guard Set(parts.map(\.method)).count == 1 else {
            throw AzureError(.invalidInput, message: "All requests of a batch must be of one kind.")
        }
        if let container { _ = try await namespace.containerProperties(call.address(container), lease: nil) }
        let scope = BatchScope(version: call.version, account: call.account.name, container: container)

        let answered = await answers(to: parts.map { request(for: $0, of: call) }, scope)
        var written = BatchResponse(id: configuration.world.uuid())
        for (part, (response, _)) in zip(parts, answered) {
            var body = ByteBuffer()
            if case .bytes(let bytes) = response.body { body = bytes }
            var headers = response.headers.map { (name: $0.name, value: $0.value) }
            if body.readableBytes > 0 { headers.append((name: "Content-Length", value: String(body.readableBytes))) }
            written.append(
                contentID: part.contentID, status: Int(response.status.code), reason: response.status.reasonPhrase,
                headers: headers, body: body)
        }
        var answer = Answer(.accepted, body: .bytes(written.finish()))
        answer.set("Content-Type", written.contentType)
        answer.parts = answered.map { $0.record }
        return answer
    }

    /// The part as a request of its own. It comes over the connection, and to the host, of the batch.
    private func request(for part: BatchPart, of call: Call) -> HTTPRequest {
        var headers = HTTPHeaders(part.headers)
        if !headers.contains(name: "Host"), let host = call.headers["Host"] { headers.add(name: "Host", value: host) }
        let head = HTTPRequestHead(
            version: call.request.head.version, method: HTTPMethod(rawValue: part.method), uri: part.target,
            headers: headers)
        return HTTPRequest(
            id: configuration.world.uuid(), head: head, receivedAt: call.request.receivedAt,
            peer: call.request.peer, body: EmptyBody())
    }

    private typealias AnsweredPart = (response: HTTPResponse, record: PartRecord)

    private func answer(to request: HTTPRequest, _ scope: BatchScope) async -> AnsweredPart {
        let startedAt = configuration.world.monotonicNanoseconds()
        let response = await respond(to: request, within: scope)
        let duration = configuration.world.monotonicNanoseconds() - startedAt
        return (
            response,
            PartRecord(
                id: request.id, requestHeaders: request.head.headers, response: response, durationNanoseconds: duration)
        )
    }

    /// In the order of the requests.
    private func answers(to requests: [HTTPRequest], _ scope: BatchScope) async -> [AnsweredPart] {
        await withTaskGroup(of: (Int, AnsweredPart).self) { group in
            var answers = [AnsweredPart?](repeating: nil, count: requests.count)
            var waiting = requests.enumerated().makeIterator()
            func startNext() {
                guard let (index, request) = waiting.next() else { return }
                group.addTask { (index, await self.answer(to: request, scope)) }
            }
            for _ in 0..<Self.partsAtATime { startNext() }
            while let (index, answered) = await group.next() {
                answers[index] = answered
                startNext()
            }
            return answers.compactMap { $0 }
        }
    }
}

/// The parts of a batch have no bodies.
private final class EmptyBody: RequestBody {
    var declaredLength: Int64? { 0 }
    var isFramed: Bool { true }
    func next() async throws(StorageFailure) -> ByteBuffer? { nil }
}
