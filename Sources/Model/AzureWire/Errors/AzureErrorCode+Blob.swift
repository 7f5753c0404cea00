// Codes of the Blob service. Source: "Blob service error codes".
extension AzureErrorCode {
    package static let accessTierNotSupportedForBlobType = Self(
        "AccessTierNotSupportedForBlobType", 400, "The access tier is not supported for this blob type.")
    package static let blobAccessTierNotSupportedForAccountType = Self(
        "BlobAccessTierNotSupportedForAccountType", 409,
        "The access tier is not supported on this storage account type.")
    package static let blobAlreadyExists = Self("BlobAlreadyExists", 409, "The specified blob already exists.")
    package static let blobArchived = Self(
        "BlobArchived", 409, "This operation is not permitted on an archived blob.")
    package static let blobBeingRehydrated = Self(
        "BlobBeingRehydrated", 409, "This operation is not permitted because the blob is being rehydrated.")
    package static let blobImmutableDueToPolicy = Self(
        "BlobImmutableDueToPolicy", 409, "This operation is not permitted as the blob is immutable due to a policy.")
    package static let blobNotArchived = Self("BlobNotArchived", 409, "The blob is not in archive tier.")
    package static let blobNotFound = Self("BlobNotFound", 404, "The specified blob does not exist.")
    package static let blobOverwritten = Self(
        "BlobOverwritten", 409, "The blob has been recreated since the previous snapshot was taken.")
    package static let blobTierInadequateForContentLength = Self(
        "BlobTierInadequateForContentLength", 409, "Specified blob tier size limit cannot be less than content length.")
    package static let blobUsesCustomerSpecifiedEncryption = Self(
        "BlobUsesCustomerSpecifiedEncryption", 409, "The blob is encrypted with customer specified encryption key.")
    package static let blockCountExceedsLimit = Self(
        "BlockCountExceedsLimit", 409, "The committed block count cannot exceed the maximum limit of 50,000 blocks.")
    package static let blockListTooLong = Self(
        "BlockListTooLong", 400, "The block list may not contain more than 50,000 blocks.")
    package static let bothCrc64AndMd5HeaderPresent = Self(
        "BothCrc64AndMd5HeaderPresent", 400, "Both x-ms-content-crc64 header and Content-MD5 header are present.")
    package static let bothUserTagsAndSourceTagsCopyPresent = Self(
        "BothUserTagsAndSourceTagsCopyPresentException", 400,
        "x-ms-tags header must not be present with x-ms-copy-source-tag-option as COPY.")
    package static let cannotChangeToLowerTier = Self(
        "CannotChangeToLowerTier", 409, "A higher blob tier has already been explicitly set.")
    package static let cannotVerifyCopySource = Self(
        "CannotVerifyCopySource", 500,
        "Could not verify the copy source within the specified time. Examine the HTTP status code and message for more "
            + "information about the failure.")
    package static let containerAlreadyExists = Self(
        "ContainerAlreadyExists", 409, "The specified container already exists.")
    package static let containerBeingDeleted = Self(
        "ContainerBeingDeleted", 409, "The specified container is being deleted. Try operation later.")
    package static let containerDisabled = Self(
        "ContainerDisabled", 409, "The specified container has been disabled by the administrator.")
    package static let containerNotFound = Self("ContainerNotFound", 404, "The specified container does not exist.")
    package static let contentLengthLargerThanTierLimit = Self(
        "ContentLengthLargerThanTierLimit", 409, "The blob's content length cannot exceed its tier limit.")
    package static let copyAcrossAccountsNotSupported = Self(
        "CopyAcrossAccountsNotSupported", 400, "The copy source account and destination account must be the same.")
    package static let copyIdMismatch = Self(
        "CopyIdMismatch", 409, "The specified copy ID did not match the copy ID for the pending copy operation.")
    package static let corsPreflightFailure = Self(
        "CorsPreflightFailure", 403,
        "CORS not enabled or no matching rule found for this request.")
    package static let duplicateTagNames = Self("DuplicateTagNames", 400, "The tags specified contain duplicate names.")
    package static let emptyTagName = Self("EmptyTagName", 400, "The name of one of the tag key-value pairs is empty.")
    package static let invalidTag = Self(
        "InvalidTag", 400, "The tags specified are invalid. They contain characters that are not permitted.")
    package static let tagsTooLarge = Self(
        "TagsTooLarge", 400, "The tags specified exceed the maximum permissible limit.")
    package static let exceedsMaxBatchRequestCount = Self(
        "ExceedsMaxBatchRequestCount", 400, "The batch operation exceeds maximum number of allowed subrequests.")
    package static let featureNotSupportedForAccount = Self(
        "FeatureNotSupportedForAccount", 409, "The feature is not supported for this account.")
    package static let infiniteLeaseDurationRequired = Self(
        "InfiniteLeaseDurationRequired", 412,
        "The lease ID matched, but the specified lease must be an infinite-duration lease.")
    package static let invalidBlobOrBlock = Self(
        "InvalidBlobOrBlock", 400, "The specified blob or block content is invalid.")
    package static let invalidBlobTier = Self("InvalidBlobTier", 400, "The specified blob tier is invalid.")
    package static let invalidBlobType = Self("InvalidBlobType", 409, "The blob type is invalid for this operation.")
    package static let invalidBlockId = Self(
        "InvalidBlockId", 400, "The specified block ID is invalid. The block ID must be Base64-encoded.")
    package static let invalidBlockList = Self("InvalidBlockList", 400, "The specified block list is invalid.")
    package static let invalidSourceBlobType = Self(
        "InvalidSourceBlobType", 409, "The copy source blob type is invalid for this operation.")
    package static let invalidSourceBlobUrl = Self(
        "InvalidSourceBlobUrl", 409,
        "The source URL for incremental copy operation must be valid Azure Storage blob URL.")
    package static let noPendingCopyOperation = Self(
        "NoPendingCopyOperation", 409, "There is currently no pending copy operation.")
    package static let pendingCopyOperation = Self(
        "PendingCopyOperation", 409, "There is currently a pending copy operation.")
    package static let snapshotsPresent = Self(
        "SnapshotsPresent", 409, "This operation is not permitted while the blob has snapshots.")
    package static let sourceConditionNotMet = Self(
        "SourceConditionNotMet", 412,
        "The source condition specified using HTTP conditional header(s) is not met.")
    package static let systemInUse = Self("SystemInUse", 409, "This blob is in use by the system.")
    package static let targetConditionNotMet = Self(
        "TargetConditionNotMet", 412,
        "The target condition specified using HTTP conditional header(s) is not met.")
    package static let unauthorizedBlobOverwrite = Self(
        "UnauthorizedBlobOverwrite", 403, "This request is not authorized to perform blob overwrites.")
}

// Leases.
extension AzureErrorCode {
    package static let leaseAlreadyBroken = Self(
        "LeaseAlreadyBroken", 409, "The lease has already been broken and cannot be broken again.")
    package static let leaseAlreadyPresent = Self("LeaseAlreadyPresent", 409, "There is already a lease present.")
    package static let leaseIdMismatchWithBlobOperation = Self(
        "LeaseIdMismatchWithBlobOperation", 412, "The lease ID specified did not match the lease ID for the blob.")
    package static let leaseIdMismatchWithContainerOperation = Self(
        "LeaseIdMismatchWithContainerOperation", 412,
        "The lease ID specified did not match the lease ID for the container.")
    package static let leaseIdMismatchWithLeaseOperation = Self(
        "LeaseIdMismatchWithLeaseOperation", 409,
        "The lease ID specified did not match the lease ID for the blob/container.")
    package static let leaseIdMissing = Self(
        "LeaseIdMissing", 412,
        "There is currently a lease on the blob and no lease ID was specified in the request.")
    package static let leaseIsBreakingAndCannotBeAcquired = Self(
        "LeaseIsBreakingAndCannotBeAcquired", 409,
        "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken.")
    package static let leaseIsBreakingAndCannotBeChanged = Self(
        "LeaseIsBreakingAndCannotBeChanged", 409,
        "The lease ID matched, but the lease is currently in breaking state and cannot be changed.")
    package static let leaseIsBrokenAndCannotBeRenewed = Self(
        "LeaseIsBrokenAndCannotBeRenewed", 409,
        "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.")
    package static let leaseLost = Self(
        "LeaseLost", 412, "A lease ID was specified, but the lease for the blob/container has expired.")
    package static let leaseNotPresentWithBlobOperation = Self(
        "LeaseNotPresentWithBlobOperation", 412, "There is currently no lease on the blob.")
    package static let leaseNotPresentWithContainerOperation = Self(
        "LeaseNotPresentWithContainerOperation", 412, "There is currently no lease on the container.")
    package static let leaseNotPresentWithLeaseOperation = Self(
        "LeaseNotPresentWithLeaseOperation", 409, "There is currently no lease on the blob/container.")
}
