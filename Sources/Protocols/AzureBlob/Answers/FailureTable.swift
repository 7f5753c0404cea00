import AzureWire
import StorageModel

extension AzureError {
    /// The one table from what went wrong inside to what the service calls it.
    /// Sources: "Common REST API error codes", "Blob service error codes".
    init(_ failure: StorageFailure) {
        self = Self.table(failure.code)
        if let detail = failure.detail { messageOverride = detail }
    }

    private static func table(_ code: StorageFailure.Code) -> AzureError {
        switch code {
        // Names and shapes
        case .invalidName(.length): AzureError(.outOfRangeInput)
        case .invalidName(.characters), .invalidName(.segment): AzureError(.invalidResourceName)
        case .invalidName(.encoding): AzureError(.invalidUri)
        case .nameConflict: AzureError(.resourceTypeMismatch)
        case .metadataTooLarge: AzureError(.metadataTooLarge)
        case .invalidMetadata: AzureError(.invalidMetadata)
        case .invalidTags(.tooMany): AzureError(.tagsTooLarge)
        case .invalidTags(.emptyKey): AzureError(.emptyTagName)
        case .invalidTags(.duplicateKey): AzureError(.duplicateTagNames)
        case .invalidTags(.invalidKeyOrValue): AzureError(.invalidTag)
        case .invalidInput: AzureError(.invalidInput)

        // Existence
        case .containerNotFound: AzureError(.containerNotFound)
        case .containerAlreadyExists: AzureError(.containerAlreadyExists)
        case .blobNotFound: AzureError(.blobNotFound)
        case .blobAlreadyExists: AzureError(.blobAlreadyExists)
        case .accountNotFound: AzureError(.resourceNotFound)

        // Conditions
        case .preconditionFailed: AzureError(.conditionNotMet)
        case .notModified: AzureError(.conditionNotMet, status: 304)
        case .sourceConditionNotMet: AzureError(.sourceConditionNotMet)
        case .rangeNotSatisfiable(let length):
            AzureError(.invalidRange, headers: [Field("Content-Range", RangeHeader.unsatisfied(length: length))])

        // Leases
        case .leaseAlreadyPresent: AzureError(.leaseAlreadyPresent)
        case .leaseIDMissing(.blob): AzureError(.leaseIdMissing)
        case .leaseIDMissing(.container):
            AzureError(
                .leaseIdMissing,
                message: "There is currently a lease on the container and no lease ID was specified in the request.")
        case .leaseIDMismatch(.blob): AzureError(.leaseIdMismatchWithBlobOperation)
        case .leaseIDMismatch(.container): AzureError(.leaseIdMismatchWithContainerOperation)
        case .leaseIDMismatchWithLeaseOperation: AzureError(.leaseIdMismatchWithLeaseOperation)
        case .leaseLost: AzureError(.leaseLost)
        case .leaseNotPresent(.blob): AzureError(.leaseNotPresentWithBlobOperation)
        case .leaseNotPresent(.container): AzureError(.leaseNotPresentWithContainerOperation)
        case .leaseNotPresentWithLeaseOperation: AzureError(.leaseNotPresentWithLeaseOperation)
        case .leaseIsBreakingAndCannotBeAcquired: AzureError(.leaseIsBreakingAndCannotBeAcquired)
        case .leaseIsBreakingAndCannotBeChanged: AzureError(.leaseIsBreakingAndCannotBeChanged)
        case .leaseIsBrokenAndCannotBeRenewed: AzureError(.leaseIsBrokenAndCannotBeRenewed)
        case .infiniteLeaseRequired: AzureError(.infiniteLeaseDurationRequired)

        // Blocks
        case .invalidBlockList: AzureError(.invalidBlockList)
        case .blockIDLengthMismatch: AzureError(.invalidBlobOrBlock)
        case .tooManyUncommittedBlocks:
            AzureError(
                .blockCountExceedsLimit,
                message: "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.")
        case .blockListTooLong(let limit): .blockListTooLong(limit: limit)

        // Tiers and copies
        case .blobArchived: AzureError(.blobArchived)
        case .blobBeingRehydrated: AzureError(.blobBeingRehydrated)
        case .noPendingCopy: AzureError(.noPendingCopyOperation)
        case .copySourceNotFound: .cannotVerifyCopySource(status: 404, code: .blobNotFound)
        case .copySourceArchived: .cannotVerifyCopySource(status: 409, code: .blobArchived)

        // Bodies
        case .md5Mismatch(let given, let computed): .md5Mismatch(given: given, computed: computed)
        case .crc64Mismatch(let given, let computed): .crc64Mismatch(given: given, computed: computed)
        case .bodyTooLarge(let limit): .bodyTooLarge(limit: limit)
        case .bodyTruncated: AzureError(.invalidInput, message: "The request body ended before its declared length.")
        case .bodyTimedOut: AzureError(.operationTimedOut)

        // The node's own state
        case .outOfSpace: .noSpaceLeft
        case .busy(let seconds): .serverBusy(retryAfterSeconds: seconds)
        case .unavailable, .readOnly: .serverBusy(retryAfterSeconds: 2)
        case .publicAccessNotPermitted: AzureError(.publicAccessNotPermitted)
        case .damaged, .wouldBlock, .internal: AzureError(.internalError)
        }
    }

    /// The node's byte budget is used up. Space comes back as data is deleted, so clients may try again.
    static let noSpaceLeft = AzureError(
        .serverBusy, message: "The node has no space left for this write. Delete data or add space.",
        headers: [Field("Retry-After", "10")])

    static func serverBusy(retryAfterSeconds seconds: Int) -> AzureError {
        AzureError(.serverBusy, headers: [Field("Retry-After", String(max(seconds, 1)))])
    }

    /// The source of a copy answered with a refusal of its own: its status is this answer's.
    static func cannotVerifyCopySource(status: Int, code: AzureErrorCode, message: String? = nil) -> AzureError {
        AzureError(
            .cannotVerifyCopySource, status: status, message: message ?? code.message,
            details: [
                Field("CopySourceStatusCode", String(status)), Field("CopySourceErrorCode", code.name),
                Field("CopySourceErrorMessage", code.message),
            ],
            headers: [
                Field("x-ms-copy-source-status-code", String(status)), Field("x-ms-copy-source-error-code", code.name),
            ])
    }
}

extension AzureErrorCode {
    static let hierarchicalNamespaceNotEnabled = Self(
        "HierarchicalNamespaceNotEnabled", 400, "This operation is only supported on a hierarchical namespace account.")
}
