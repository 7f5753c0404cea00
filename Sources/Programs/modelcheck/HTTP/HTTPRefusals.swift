import Namespace
import StorageModel
import StorageTestKit

/// Refusals as status and error code. Written from "Common REST API error codes", "Blob service error codes" and the pages
/// of the operations, not from the table that the product uses.
extension HTTPSubject {
    func refusal(ofShape operation: ModelOperation) -> ModelRefusal? {
        switch operation {
        case .putBlock(_, _, let bytes, _) where bytes.isEmpty: ModelRefusal("400 InvalidHeaderValue")
        case .read(.get(_, _, let held)) where held.conditions.ifNoneMatch == .any,
            .read(.head(_, let held)) where held.conditions.ifNoneMatch == .any:
            ModelRefusal("400 UnsatisfiableCondition")
        default: nil
        }
    }

    func refusal(_ code: StorageFailure.Code, of operation: ModelOperation) -> ModelRefusal {
        if case .copy(let at, let request, _) = operation, let text = Self.refusal(code, ofCopy: request, to: at) {
            return ModelRefusal(text)
        }
        if case .slice = operation, code == .sourceConditionNotMet { return ModelRefusal("412 CannotVerifyCopySource") }
        return ModelRefusal(Self.text(code))
    }

    /// The three operations that copy a whole blob say some refusals differently.
    private static func refusal(
        _ code: StorageFailure.Code, ofCopy request: CopyRequest, to at: ModelAddress
    ) -> String? {
        let isCopyBlob = request.recordsCopy && !isSynchronous(at)
        switch code {
        case .preconditionFailed: return isCopyBlob ? "412 TargetConditionNotMet" : nil
        case .copySourceArchived: return isCopyBlob ? "409 BlobArchived" : nil
        case .sourceConditionNotMet:
            guard request.recordsCopy else { return "412 CannotVerifyCopySource" }
            let tagsAlone = Conditions(ifTags: request.sourceConditions.ifTags)
            return request.sourceConditions == tagsAlone ? "412 ConditionNotMet" : nil
        default: return nil
        }
    }

    private static func text(_ code: StorageFailure.Code) -> String {
        switch code {
        case .containerNotFound: "404 ContainerNotFound"
        case .containerAlreadyExists: "409 ContainerAlreadyExists"
        case .blobNotFound: "404 BlobNotFound"
        case .blobAlreadyExists: "409 BlobAlreadyExists"
        case .preconditionFailed: "412 ConditionNotMet"
        case .notModified: "304 ConditionNotMet"
        case .sourceConditionNotMet: "412 SourceConditionNotMet"
        case .rangeNotSatisfiable(let length): "416 InvalidRange bytes */\(length)"
        case .invalidName(.segment): "400 InvalidResourceName"
        case .nameConflict: "409 ResourceTypeMismatch"
        case .invalidInput: "400 InvalidInput"
        case .invalidBlockList: "400 InvalidBlockList"
        case .blockIDLengthMismatch: "400 InvalidBlobOrBlock"
        case .blobArchived: "409 BlobArchived"
        case .blobBeingRehydrated: "409 BlobBeingRehydrated"
        case .copySourceNotFound: "404 CannotVerifyCopySource"
        case .copySourceArchived: "409 CannotVerifyCopySource"
        case .infiniteLeaseRequired: "412 InfiniteLeaseDurationRequired"
        default: lease(code) ?? "a refusal that the model does not know: \(code)"
        }
    }

    private static func lease(_ code: StorageFailure.Code) -> String? {
        switch code {
        case .leaseAlreadyPresent: "409 LeaseAlreadyPresent"
        case .leaseIDMissing: "412 LeaseIdMissing"
        case .leaseIDMismatch(.blob): "412 LeaseIdMismatchWithBlobOperation"
        case .leaseIDMismatch(.container): "412 LeaseIdMismatchWithContainerOperation"
        case .leaseIDMismatchWithLeaseOperation: "409 LeaseIdMismatchWithLeaseOperation"
        case .leaseLost: "412 LeaseLost"
        case .leaseNotPresent(.blob): "412 LeaseNotPresentWithBlobOperation"
        case .leaseNotPresent(.container): "412 LeaseNotPresentWithContainerOperation"
        case .leaseNotPresentWithLeaseOperation: "409 LeaseNotPresentWithLeaseOperation"
        case .leaseIsBreakingAndCannotBeAcquired: "409 LeaseIsBreakingAndCannotBeAcquired"
        case .leaseIsBreakingAndCannotBeChanged: "409 LeaseIsBreakingAndCannotBeChanged"
        case .leaseIsBrokenAndCannotBeRenewed: "409 LeaseIsBrokenAndCannotBeRenewed"
        default: nil
        }
    }
}
