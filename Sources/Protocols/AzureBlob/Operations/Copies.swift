import AzureWire
import NIOHTTP1
import Namespace
import StorageModel

// Copy Blob, Copy Blob From URL, Put Blob From URL, Put Block From URL, Abort Copy Blob: within this node.
extension AzureBlobService {
    /// Copy Blob is asynchronous on the service; here the bytes are shared, so it is done when it is answered.
    func copyBlob(_ call: Call, _ blob: BlobAddress, isSynchronous: Bool) async throws -> Answer {
        let headers = call.headers
        try call.requireEmptyBody()
        let source = try await copySource(call)
        let metadata = try headers.metadata()
        let expectedMD5 = isSynchronous ? try headers.md5("x-ms-source-content-md5") : nil
        let request = CopyRequest(
            source: source.blob, sourceConditions: try headers.conditions(.write, .source), sourceURL: source.shownURL,
            headers: nil, metadata: metadata.isEmpty ? nil : metadata, tags: try Self.tagChoice(headers),
            tier: try headers.tier(), recordsCopy: true, expectedMD5: expectedMD5)
        let held = try call.creationGuard()
        let receipt: CopyReceipt
        do throws(StorageFailure) {
            receipt = try await namespace.copyBlob(to: blob, request, guard: held)
        } catch {
            throw Self.copyFailure(error, isSynchronous ? .copyFromURL : .copy, request.sourceConditions)
        }
        var answer = Answer(.accepted)
        answer.setState(receipt.write)
        answer.set("x-ms-copy-id", receipt.copyID)
        answer.set("x-ms-copy-status", "success")
        answer.set("Content-MD5", expectedMD5.map { Base64.encode($0) })
        return answer
    }

    func putBlobFromURL(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        try Self.checkBlobType(headers)
        try call.requireEmptyBody()
        let source = try await copySource(call)
        let copiesProperties = try headers.boolean("x-ms-copy-source-blob-properties") ?? true
        var request = CopyRequest(
            source: source.blob, sourceConditions: try headers.conditions(.write, .source), sourceURL: source.shownURL,
            headers: nil, metadata: try headers.metadata(), tags: try Self.tagChoice(headers),
            tier: try headers.tier(), recordsCopy: false, expectedMD5: try headers.md5("x-ms-source-content-md5"))
        let held = try call.creationGuard()
        let receipt: CopyReceipt
        do throws(StorageFailure) {
            if !copiesProperties || headers.givesBlobContentHeaders {
                try await mergeHeaders(of: &request, given: headers, copiesProperties: copiesProperties)
            }
            receipt = try await namespace.copyBlob(to: blob, request, guard: held)
        } catch {
            throw Self.copyFailure(error, .putFromURL, request.sourceConditions)
        }
        var answer = Answer(.created)
        answer.setState(receipt.write)
        answer.set("Content-MD5", receipt.contentMD5.map { Base64.encode($0) })
        answer.setEncrypted()
        return answer
    }

    /// Given headers replace those of the source one by one. The source is pinned, so that headers and bytes belong together.
    private func mergeHeaders(
        of request: inout CopyRequest, given: RequestHeaders, copiesProperties: Bool
    ) async throws(StorageFailure) {
        let properties: BlobProperties
        do throws(StorageFailure) {
            properties = try await namespace.blobProperties(
                request.source, guard: Guard(conditions: request.sourceConditions))
        } catch {
            switch error.code {
            case .containerNotFound, .blobNotFound: throw StorageFailure(.copySourceNotFound)
            case .preconditionFailed, .notModified: throw StorageFailure(.sourceConditionNotMet)
            default: throw error
            }
        }
        var headers = copiesProperties ? properties.headers : ContentHeaders(contentMD5: properties.headers.contentMD5)
        headers.contentType = given["x-ms-blob-content-type"] ?? headers.contentType
        headers.contentEncoding = given["x-ms-blob-content-encoding"] ?? headers.contentEncoding
        headers.contentLanguage = given["x-ms-blob-content-language"] ?? headers.contentLanguage
        headers.contentDisposition = given["x-ms-blob-content-disposition"] ?? headers.contentDisposition
        headers.cacheControl = given["x-ms-blob-cache-control"] ?? headers.cacheControl
        do throws(AzureError) {
            headers.contentMD5 = try given.md5("x-ms-blob-content-md5") ?? headers.contentMD5
        } catch { throw StorageFailure(.invalidInput, detail: error.message) }
        request.headers = headers
        request.sourceConditions.ifMatch = .versions([properties.version])
    }

    func putBlockFromURL(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let headers = call.headers
        let id = try Self.blockID(call)
        try call.requireEmptyBody()
        let md5 = try headers.md5("x-ms-source-content-md5")
        let crc64 = try headers.crc64("x-ms-source-content-crc64")
        guard md5 == nil || crc64 == nil else { throw AzureError(.bothCrc64AndMd5HeaderPresent) }
        var range: RangeRequest?
        if let text = headers["x-ms-source-range"] {
            guard let parsed = RangeHeader.parse(text) else {
                throw AzureError.invalidHeaderValue("x-ms-source-range", text)
            }
            range = parsed
        }
        let lease = try headers.lease()
        let conditions = try headers.conditions(.write, .source)
        let source = try await copySource(call)
        do throws(StorageFailure) {
            let digests = try await namespace.putBlockFromBlob(
                blob, id: id, source: source.blob, range: range, sourceConditions: conditions, expectedMD5: md5,
                expectedCRC64: crc64, lease: lease)
            return Self.blockAnswer(digests, md5: md5, call.version)
        } catch {
            throw Self.copyFailure(error, .putBlockFromURL, conditions)
        }
    }

    /// A copy is done when it is answered, so there is never one to abort.
    func abortCopy(_ call: Call, _ blob: BlobAddress) async throws -> Answer {
        let name = "x-ms-copy-action"
        let action = try call.headers.required(name)
        guard action.lowercased() == "abort" else { throw AzureError.invalidHeaderValue(name, action) }
        guard call.query["copyid"] != nil else { throw AzureError.missingRequiredQueryParameter("copyid") }
        _ = try await namespace.blobProperties(blob, guard: Guard(lease: try call.headers.lease()))
        throw StorageFailure(.noPendingCopy)
    }

    private static func tagChoice(_ headers: RequestHeaders) throws -> CopyRequest.TagChoice {
        let name = "x-ms-copy-source-tag-option"
        switch headers[name]?.lowercased() {
        case "copy"?:
            guard !headers.has("x-ms-tags") else { throw AzureError(.bothUserTagsAndSourceTagsCopyPresent) }
            return .copy
        case "replace"?, nil: return .replace(try headers.tags())
        case let other?: throw AzureError.invalidHeaderValue(name, other)
        }
    }

    /// The codes of conditions differ between the operations that copy.
    static func copyFailure(
        _ failure: StorageFailure, _ operation: BlobOperation, _ sourceConditions: Conditions
    ) -> any Error {
        switch (failure.code, operation) {
        case (.preconditionFailed, .copy): return AzureError(.targetConditionNotMet)
        case (.copySourceArchived, .copy): return AzureError(.blobArchived)
        case (.sourceConditionNotMet, .copy), (.sourceConditionNotMet, .copyFromURL):
            var others = sourceConditions
            others.ifTags = nil
            return others.isEmpty && sourceConditions.ifTags != nil ? AzureError(.conditionNotMet) : failure
        case (.sourceConditionNotMet, _): return AzureError.cannotVerifyCopySource(status: 412, code: .conditionNotMet)
        default: return failure
        }
    }
}
