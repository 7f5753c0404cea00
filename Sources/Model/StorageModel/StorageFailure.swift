/// The one error type below the protocols.
///
/// A code is something that a caller can act on; `detail` may be shown to a client, `cause` goes to the log alone.
/// Each protocol turns codes into its own statuses and bodies in a single table.
package struct StorageFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        // Names and shapes
        case invalidName(NameProblem)
        case nameConflict
        case metadataTooLarge
        case invalidMetadata
        case invalidTags(TagProblem)
        case invalidInput

        // Existence
        case containerNotFound
        case containerAlreadyExists
        case blobNotFound
        case blobAlreadyExists

        // Conditions
        case preconditionFailed
        case notModified
        case sourceConditionNotMet
        case rangeNotSatisfiable(length: Int64)

        // Leases
        case leaseAlreadyPresent
        case leaseIDMissing(LeaseSubject)
        case leaseIDMismatch(LeaseSubject)
        case leaseIDMismatchWithLeaseOperation
        case leaseLost(LeaseSubject)
        case leaseNotPresent(LeaseSubject)
        case leaseNotPresentWithLeaseOperation
        case leaseIsBreakingAndCannotBeAcquired
        case leaseIsBreakingAndCannotBeChanged
        case leaseIsBrokenAndCannotBeRenewed
        case infiniteLeaseRequired

        // Blocks
        case invalidBlockList
        case blockIDLengthMismatch
        case tooManyUncommittedBlocks
        case blockListTooLong(limit: Int)

        // Tiers
        case blobArchived
        case blobBeingRehydrated

        // Copies
        case noPendingCopy
        case copySourceNotFound
        case copySourceArchived

        // Bodies
        case md5Mismatch(given: [UInt8], computed: [UInt8])
        case crc64Mismatch(given: UInt64, computed: UInt64)
        case bodyTooLarge(limit: Int64)
        case bodyTruncated
        /// The sender stopped sending.
        case bodyTimedOut

        // The node's own state
        case outOfSpace
        case busy(retryAfterSeconds: Int)
        case publicAccessNotPermitted
        case accountNotFound
        /// Stored bytes or records do not match their checksums. Never reported as absence.
        case damaged
        /// A read that may only be answered from memory would have to wait for the disk. Handled inside the metadata seam.
        case wouldBlock
        case unavailable
        /// The store takes no writes until it is opened again; nothing of this one took effect.
        case readOnly
        case `internal`
    }

    package enum NameProblem: Sendable, Equatable {
        case length
        case characters
        /// An empty, `.` or `..` path segment, or more than 254 segments.
        case segment
        case encoding
    }

    package enum TagProblem: Sendable, Equatable {
        case tooMany, emptyKey, duplicateKey, invalidKeyOrValue
    }

    package enum LeaseSubject: Sendable, Equatable {
        case container, blob
    }

    package var code: Code
    /// Safe to show to the client.
    package var detail: String?
    /// For the log only.
    package var cause: String?

    package init(_ code: Code, detail: String? = nil, cause: String? = nil) {
        self.code = code
        self.detail = detail
        self.cause = cause
    }

    package var description: String {
        var text = "\(code)"
        if let detail { text += ": \(detail)" }
        if let cause { text += " (\(cause))" }
        return text
    }
}
