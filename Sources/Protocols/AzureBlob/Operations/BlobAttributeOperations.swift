import AzureWire
import NIOHTTP1
import Namespace
import StorageModel

// Set Blob Properties, Metadata, Tags and Tier; Get Blob Tags; Delete Blob.
extension AzureBlobService {
    func setBlobProperties(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        // Resizing is for page blobs; to say that it worked would be wrong.
        for name in ["x-ms-blob-content-length", "x-ms-sequence-number-action"] where headers.has(name) {
            throw AzureError(.invalidBlobType)
        }
        let held = Guard(conditions: try headers.conditions(.write), lease: try headers.lease())
        let receipt = try await namespace.setProperties(blob, try headers.blobContentHeaders(), guard: held)
        var answer = Answer(.ok)
        answer.setState(receipt)
        return answer
    }

    func setBlobMetadata(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        let held = Guard(conditions: try headers.conditions(.write), lease: try headers.lease())
        let receipt = try await namespace.setMetadata(blob, try headers.metadata(), guard: held)
        var answer = Answer(.ok)
        answer.setState(receipt)
        answer.setEncrypted()
        return answer
    }

    func getBlobTags(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let tags = try await namespace.tags(blob, guard: try tagGuard(call))
        return .xml(TagsBody.xml(tags))
    }

    func setBlobTags(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let held = try tagGuard(call)
        let tags = try Tags(validating: try TagsBody.parse(try await call.document()))
        try await namespace.setTags(blob, tags, guard: held)
        return Answer(.noContent)
    }

    private func tagGuard(_ call: Call) throws -> Guard {
        Guard(conditions: try call.headers.conditions(.write, .tagged), lease: try call.headers.lease())
    }

    func setBlobTier(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        guard let tier = try headers.tier() else { throw AzureError.missingRequiredHeader("x-ms-access-tier") }
        let held = Guard(conditions: try headers.tagConditions(), lease: try headers.lease())
        let receipt = try await namespace.setTier(blob, tier, priority: try headers.rehydratePriority(), guard: held)
        return Answer(receipt.isPending ? .accepted : .ok)
    }

    func deleteBlob(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        // Permanent deletion is of snapshots and versions. Taken for a plain delete it would remove the blob itself.
        if let type = call.query["deletetype"], !type.isEmpty {
            throw AzureError.invalidQueryParameter("deletetype", type, reason: "There is no soft-deleted version.")
        }
        let held = Guard(conditions: try headers.conditions(.write), lease: try headers.lease())
        var answer = Answer(.accepted)
        switch headers["x-ms-delete-snapshots"]?.lowercased() {
        case "include"?, nil:
            try await namespace.deleteBlob(
                blob, guard: held, tierModifiedSince: try headers.date("x-ms-access-tier-if-modified-since"),
                tierUnmodifiedSince: try headers.date("x-ms-access-tier-if-unmodified-since"))
        case "only"?:
            // There are no snapshots, so none of them is left afterwards; the blob itself stays.
            do {
                _ = try await namespace.blobProperties(blob, guard: held)
            } catch {
                throw error.code == .notModified ? StorageFailure(.preconditionFailed) : error
            }
        case let other?: throw AzureError.invalidHeaderValue("x-ms-delete-snapshots", other)
        }
        answer.set("x-ms-delete-type-permanent", "true")
        return answer
    }
}
