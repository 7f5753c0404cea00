import AzureWire
import StorageModel

extension AzureBlobService {
    func perform(_ operation: Operation, _ call: Call) async throws -> Answer {
        switch operation {
        case .service(let operation): try await perform(operation, call)
        case .container(let container, let operation): try await perform(operation, call, call.address(container))
        case .blob(let container, let blob, let operation):
            try await perform(operation, call, call.address(container, blob))
        // Both are answered before any operation is performed.
        case .preflight, .unsupported: throw AzureError(.internalError)
        }
    }

    private func perform(_ operation: ServiceOperation, _ call: Call) async throws -> Answer {
        switch operation {
        case .listContainers: try await listContainers(call)
        case .getProperties: try await getServiceProperties(call)
        case .setProperties: try await setServiceProperties(call)
        case .getStats: try getServiceStats(call)
        case .getAccountInformation: accountInformation()
        case .getUserDelegationKey: try await getUserDelegationKey(call)
        case .findBlobsByTags: try await findBlobs(call, in: nil)
        case .submitBatch: try await submitBatch(call, container: nil)
        }
    }

    private func perform(
        _ operation: ContainerOperation, _ call: Call, _ container: ContainerAddress
    ) async throws -> Answer {
        switch operation {
        case .create: try await createContainer(call, container)
        case .delete: try await deleteContainer(call, container)
        case .getProperties: try await getContainerProperties(call, container)
        case .getMetadata: try await getContainerMetadata(call, container)
        case .setMetadata: try await setContainerMetadata(call, container)
        case .getACL: try await getContainerACL(call, container)
        case .setACL: try await setContainerACL(call, container)
        case .lease: try await leaseContainer(call, container)
        case .listBlobs: try await listBlobs(call, container)
        case .findBlobsByTags: try await findBlobs(call, in: container.container)
        case .submitBatch: try await submitBatch(call, container: container.container)
        case .getAccountInformation: accountInformation()
        }
    }

    private func perform(_ operation: BlobOperation, _ call: Call, _ blob: BlobAddress) async throws -> Answer {
        if !call.query.parameters.isEmpty, let missing = try await readOfVersion(operation, call, blob) {
            throw missing
        }
        switch operation {
        case .get: return try await getBlob(call, blob)
        case .getProperties: return try await getBlobProperties(call, blob)
        case .getMetadata: return try await getBlobMetadata(call, blob)
        case .setMetadata: return try await setBlobMetadata(call, blob)
        case .setProperties: return try await setBlobProperties(call, blob)
        case .getTags: return try await getBlobTags(call, blob)
        case .setTags: return try await setBlobTags(call, blob)
        case .setTier: return try await setBlobTier(call, blob)
        case .put: return try await putBlob(call, blob)
        case .putFromURL: return try await putBlobFromURL(call, blob)
        case .copy: return try await copyBlob(call, blob, isSynchronous: false)
        case .copyFromURL: return try await copyBlob(call, blob, isSynchronous: true)
        case .abortCopy: return try await abortCopy(call, blob)
        case .putBlock: return try await putBlock(call, blob)
        case .putBlockFromURL: return try await putBlockFromURL(call, blob)
        case .putBlockList: return try await putBlockList(call, blob)
        case .getBlockList: return try await getBlockList(call, blob)
        case .delete: return try await deleteBlob(call, blob)
        case .lease: return try await leaseBlob(call, blob)
        case .getAccountInformation: return accountInformation()
        }
    }
}
