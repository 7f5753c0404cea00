import AzureWire
import NIOHTTP1
import Namespace
import StorageModel

// Lease Blob, Lease Container.
extension AzureBlobService {
    func leaseBlob(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let action = try LeaseRequest.parse(call.headers)
        let conditions = try call.headers.conditions(.write)
        return LeaseRequest.answer(try await namespace.leaseBlob(blob, action, conditions: conditions), to: action)
    }

    func leaseContainer(_ call: Call, _ container: ContainerAddress) async throws -> Answer {
        let action = try LeaseRequest.parse(call.headers)
        let conditions = try call.headers.dateConditions()
        let receipt = try await namespace.leaseContainer(container, action, conditions: conditions)
        return LeaseRequest.answer(receipt, to: action)
    }
}

/// The headers of a lease request and of its answer. Source: "Lease Blob".
enum LeaseRequest {
    static let actions: Set<String> = ["acquire", "renew", "change", "release", "break"]

    private static let actionName = "x-ms-lease-action"
    private static let durationName = "x-ms-lease-duration"
    private static let periodName = "x-ms-lease-break-period"
    private static let proposedName = "x-ms-proposed-lease-id"

    static func parse(_ headers: RequestHeaders) throws(AzureError) -> LeaseAction {
        let text = try headers.required(actionName)
        switch text.lowercased() {
        case "acquire": return .acquire(duration: try duration(headers), proposed: try headers.lease(proposedName))
        case "renew": return .renew(try id(headers))
        case "change": return .change(try id(headers), proposed: try proposed(headers))
        case "release": return .release(try id(headers))
        case "break": return .breakAfter(seconds: try breakPeriod(headers))
        default: throw .invalidHeaderValue(actionName, text)
        }
    }

    private static func duration(_ headers: RequestHeaders) throws(AzureError) -> LeaseDuration {
        let text = try headers.required(durationName)
        if text == "-1" { return .infinite }
        guard let seconds = Int(text), (15...60).contains(seconds) else {
            throw .invalidHeaderValue(durationName, text)
        }
        return .seconds(seconds)
    }

    private static func breakPeriod(_ headers: RequestHeaders) throws(AzureError) -> Int? {
        guard let text = headers[periodName] else { return nil }
        guard let seconds = Int(text), (0...60).contains(seconds) else { throw .invalidHeaderValue(periodName, text) }
        return seconds
    }

    private static func id(_ headers: RequestHeaders) throws(AzureError) -> LeaseID {
        guard let id = try headers.lease() else { throw .missingRequiredHeader("x-ms-lease-id") }
        return id
    }

    private static func proposed(_ headers: RequestHeaders) throws(AzureError) -> LeaseID {
        guard let id = try headers.lease(proposedName) else { throw .missingRequiredHeader(proposedName) }
        return id
    }

    static func answer(_ receipt: LeaseReceipt, to action: LeaseAction) -> Answer {
        var answer: Answer
        switch action {
        case .acquire: answer = Answer(.created)
        case .renew, .change, .release: answer = Answer(.ok)
        case .breakAfter:
            answer = Answer(.accepted)
            answer.set("x-ms-lease-time", String(receipt.remainingSeconds ?? 0))
        }
        answer.set("x-ms-lease-id", receipt.id?.value)
        answer.setState(receipt.write)
        return answer
    }
}
