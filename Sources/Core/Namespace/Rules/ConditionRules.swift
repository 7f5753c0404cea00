import StorageModel

/// Conditions against what is there. Source: "Specifying conditional headers for Blob service operations".
enum ConditionRules {
    /// What conditions look at.
    struct Subject {
        var version: Version
        var lastModified: Timestamp
        var tags: Tags
        var container: ContainerName
    }

    /// A read: `If-Match AND If-Unmodified-Since AND (If-None-Match OR If-Modified-Since)`; of the last two the one that
    /// is present alone decides. 412 beats 304.
    static func checkRead(_ conditions: Conditions, _ subject: Subject) throws(StorageFailure) {
        if let ifMatch = conditions.ifMatch, !ifMatch.matches(subject.version) {
            throw StorageFailure(.preconditionFailed)
        }
        if let date = conditions.ifUnmodifiedSince, subject.lastModified.seconds > date.seconds {
            throw StorageFailure(.preconditionFailed)
        }
        if let filter = conditions.ifTags, !filter.matches(subject.tags, container: subject.container) {
            throw StorageFailure(.preconditionFailed)
        }
        let noneMatch = conditions.ifNoneMatch.map { !$0.matches(subject.version) }
        let modified = conditions.ifModifiedSince.map { subject.lastModified.seconds > $0.seconds }
        switch (noneMatch, modified) {
        case (nil, nil), (true?, _), (_, true?): return
        default: throw StorageFailure(.notModified)
        }
    }

    /// A write onto something that exists. The ETag counts before the date of the same kind.
    static func checkWrite(_ conditions: Conditions, _ subject: Subject) throws(StorageFailure) {
        if let ifMatch = conditions.ifMatch {
            guard ifMatch.matches(subject.version) else { throw StorageFailure(.preconditionFailed) }
        } else if let date = conditions.ifUnmodifiedSince {
            guard subject.lastModified.seconds <= date.seconds else { throw StorageFailure(.preconditionFailed) }
        }
        if let ifNoneMatch = conditions.ifNoneMatch {
            guard !ifNoneMatch.matches(subject.version) else { throw StorageFailure(.preconditionFailed) }
        } else if let date = conditions.ifModifiedSince {
            guard subject.lastModified.seconds > date.seconds else { throw StorageFailure(.preconditionFailed) }
        }
        if let filter = conditions.ifTags, !filter.matches(subject.tags, container: subject.container) {
            throw StorageFailure(.preconditionFailed)
        }
    }

    /// A write that may create. Create-only refused has a code of its own: Azure says 409, S3 says 412.
    static func checkCreatingWrite(_ conditions: Conditions, _ existing: Subject?) throws(StorageFailure) {
        guard let existing else {
            // If-Match names something that is not there; tags of nothing match nothing.
            if conditions.ifMatch != nil || conditions.ifTags != nil { throw StorageFailure(.preconditionFailed) }
            return
        }
        if conditions.ifNoneMatch == .any { throw StorageFailure(.blobAlreadyExists) }
        try checkWrite(conditions, existing)
    }
}
