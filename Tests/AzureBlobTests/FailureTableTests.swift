import AzureWire
import StorageModel
import Testing

@testable import AzureBlob

/// What goes wrong inside and what the service calls it: the codes of the error pages, row by row.
@Suite struct FailureTableTests {
    static let rows: [(StorageFailure.Code, Int, String)] = [
        (.invalidName(.length), 400, "OutOfRangeInput"),
        (.invalidName(.characters), 400, "InvalidResourceName"),
        (.invalidName(.segment), 400, "InvalidResourceName"),
        (.invalidName(.encoding), 400, "InvalidUri"),
        (.nameConflict, 409, "ResourceTypeMismatch"),
        (.metadataTooLarge, 400, "MetadataTooLarge"),
        (.invalidMetadata, 400, "InvalidMetadata"),
        (.invalidTags(.tooMany), 400, "TagsTooLarge"),
        (.invalidTags(.emptyKey), 400, "EmptyTagName"),
        (.invalidTags(.duplicateKey), 400, "DuplicateTagNames"),
        (.invalidTags(.invalidKeyOrValue), 400, "InvalidTag"),
        (.invalidInput, 400, "InvalidInput"),
        (.containerNotFound, 404, "ContainerNotFound"),
        (.containerAlreadyExists, 409, "ContainerAlreadyExists"),
        (.blobNotFound, 404, "BlobNotFound"),
        (.blobAlreadyExists, 409, "BlobAlreadyExists"),
        (.preconditionFailed, 412, "ConditionNotMet"),
        (.notModified, 304, "ConditionNotMet"),
        (.sourceConditionNotMet, 412, "SourceConditionNotMet"),
        (.rangeNotSatisfiable(length: 7), 416, "InvalidRange"),
        (.leaseAlreadyPresent, 409, "LeaseAlreadyPresent"),
        (.leaseIDMissing(.blob), 412, "LeaseIdMissing"),
        (.leaseIDMissing(.container), 412, "LeaseIdMissing"),
        (.leaseIDMismatch(.blob), 412, "LeaseIdMismatchWithBlobOperation"),
        (.leaseIDMismatch(.container), 412, "LeaseIdMismatchWithContainerOperation"),
        (.leaseIDMismatchWithLeaseOperation, 409, "LeaseIdMismatchWithLeaseOperation"),
        (.leaseLost(.blob), 412, "LeaseLost"),
        (.leaseNotPresent(.blob), 412, "LeaseNotPresentWithBlobOperation"),
        (.leaseNotPresent(.container), 412, "LeaseNotPresentWithContainerOperation"),
        (.leaseNotPresentWithLeaseOperation, 409, "LeaseNotPresentWithLeaseOperation"),
        (.leaseIsBreakingAndCannotBeAcquired, 409, "LeaseIsBreakingAndCannotBeAcquired"),
        (.leaseIsBreakingAndCannotBeChanged, 409, "LeaseIsBreakingAndCannotBeChanged"),
        (.leaseIsBrokenAndCannotBeRenewed, 409, "LeaseIsBrokenAndCannotBeRenewed"),
        (.infiniteLeaseRequired, 412, "InfiniteLeaseDurationRequired"),
        (.invalidBlockList, 400, "InvalidBlockList"),
        (.blockIDLengthMismatch, 400, "InvalidBlobOrBlock"),
        (.tooManyUncommittedBlocks, 409, "BlockCountExceedsLimit"),
        (.blockListTooLong(limit: 3), 400, "BlockListTooLong"),
        (.blobArchived, 409, "BlobArchived"),
        (.blobBeingRehydrated, 409, "BlobBeingRehydrated"),
        (.noPendingCopy, 409, "NoPendingCopyOperation"),
        (.copySourceNotFound, 404, "CannotVerifyCopySource"),
        (.copySourceArchived, 409, "CannotVerifyCopySource"),
        (.md5Mismatch(given: [1], computed: [2]), 400, "Md5Mismatch"),
        (.crc64Mismatch(given: 1, computed: 2), 400, "Crc64Mismatch"),
        (.bodyTooLarge(limit: 9), 413, "RequestBodyTooLarge"),
        (.bodyTruncated, 400, "InvalidInput"), (.bodyTimedOut, 500, "OperationTimedOut"),
        (.outOfSpace, 503, "ServerBusy"),
        (.busy(retryAfterSeconds: 4), 503, "ServerBusy"),
        (.unavailable, 503, "ServerBusy"),
        (.publicAccessNotPermitted, 409, "PublicAccessNotPermitted"),
        (.accountNotFound, 404, "ResourceNotFound"),
        (.damaged, 500, "InternalError"),
        (.wouldBlock, 500, "InternalError"),
        (.internal, 500, "InternalError"),
    ]

    @Test(arguments: rows) func row(code: StorageFailure.Code, status: Int, name: String) {
        let error = AzureError(StorageFailure(code, cause: "a secret of the node"))
        #expect(error.status == status)
        #expect(error.code.name == name)
        #expect(!error.message.contains("secret"))
    }

    @Test func detailsAndHeaders() {
        #expect(AzureError(StorageFailure(.busy(retryAfterSeconds: 4))).headers == [.init("Retry-After", "4")])
        #expect(
            AzureError(StorageFailure(.rangeNotSatisfiable(length: 7))).headers == [.init("Content-Range", "bytes */7")]
        )
        #expect(AzureError(StorageFailure(.bodyTooLarge(limit: 9))).details == [.init("MaxLimit", "9")])
        #expect(AzureError(StorageFailure(.invalidInput, detail: "because")).message == "because")
        let source = AzureError(StorageFailure(.copySourceNotFound))
        #expect(source.headers.contains(.init("x-ms-copy-source-status-code", "404")))
        #expect(source.headers.contains(.init("x-ms-copy-source-error-code", "BlobNotFound")))
    }
}
