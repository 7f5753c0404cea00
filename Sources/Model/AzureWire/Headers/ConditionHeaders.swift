package import StorageModel

/// A family of condition headers, by the names under which they come.
package struct ConditionHeaders: Sendable {
    package var ifMatch: String
    package var ifNoneMatch: String
    package var ifModifiedSince: String
    package var ifUnmodifiedSince: String
    package var ifTags: String?

    /// The target of the request.
    package static let target = Self(
        ifMatch: "If-Match", ifNoneMatch: "If-None-Match", ifModifiedSince: "If-Modified-Since",
        ifUnmodifiedSince: "If-Unmodified-Since", ifTags: "x-ms-if-tags")
    /// The source of a copy.
    package static let source = Self(
        ifMatch: "x-ms-source-if-match", ifNoneMatch: "x-ms-source-if-none-match",
        ifModifiedSince: "x-ms-source-if-modified-since", ifUnmodifiedSince: "x-ms-source-if-unmodified-since",
        ifTags: "x-ms-source-if-tags")
    /// The blob whose tags are read or set, since 2026-02-06.
    package static let tagged = Self(
        ifMatch: "x-ms-blob-if-match", ifNoneMatch: "x-ms-blob-if-none-match",
        ifModifiedSince: "x-ms-blob-if-modified-since", ifUnmodifiedSince: "x-ms-blob-if-unmodified-since",
        ifTags: "x-ms-if-tags")

    package enum Use: Sendable {
        case read
        /// Writes, and reads before 2013-08-15: few combinations are allowed.
        case write

        package static func reading(_ version: ServiceVersion) -> Use {
            version >= .combinedReadConditions ? .read : .write
        }
    }

    /// - Parameter values: every value of the header with the given name, in any case.
    package func parse(_ use: Use, _ values: (String) -> [String]) throws(AzureError) -> Conditions {
        var conditions = Conditions()
        let match = try etags(ifMatch, .strong, values)
        let noneMatch = try etags(ifNoneMatch, .weak, values)
        conditions.ifMatch = match?.condition
        conditions.ifNoneMatch = noneMatch?.condition
        conditions.ifModifiedSince = try date(ifModifiedSince, values)
        conditions.ifUnmodifiedSince = try date(ifUnmodifiedSince, values)
        if let ifTags, let text = values(ifTags).first {
            guard let filter = TagExpression.parse(text, dialect: .header) else {
                throw .invalidHeaderValue(ifTags, text)
            }
            conditions.ifTags = filter
        }
        switch use {
        case .read:
            if conditions.ifNoneMatch == .any { throw AzureError(.unsatisfiableCondition) }
        case .write:
            for (name, list) in [(ifMatch, match), (ifNoneMatch, noneMatch)] where (list?.count ?? 0) > 1 {
                throw .invalidHeaderValue(name, values(name).joined(separator: ","))
            }
            try Self.settle(&conditions)
        }
        return conditions
    }

    /// Of the four, one may be given, or an ETag with the date that it makes meaningless: the date is then dropped.
    private static func settle(_ conditions: inout Conditions) throws(AzureError) {
        let given = [
            conditions.ifMatch != nil, conditions.ifNoneMatch != nil, conditions.ifModifiedSince != nil,
            conditions.ifUnmodifiedSince != nil,
        ].count { $0 }
        guard given > 1 else { return }
        if given == 2, conditions.ifNoneMatch != nil, conditions.ifModifiedSince != nil {
            conditions.ifModifiedSince = nil
        } else if given == 2, conditions.ifMatch != nil, conditions.ifUnmodifiedSince != nil {
            conditions.ifUnmodifiedSince = nil
        } else {
            throw AzureError(.multipleConditionHeadersNotSupported)
        }
    }

    private func etags(
        _ name: String, _ comparison: ETagList.Comparison, _ values: (String) -> [String]
    ) throws(AzureError) -> ETagList? {
        let lines = values(name)
        guard let first = lines.first else { return nil }
        let text = lines.count == 1 ? first : lines.joined(separator: ",")
        // A header without a value is one that an SDK was given nothing for.
        if text.trimmingBlanks.isEmpty { return nil }
        guard let list = ETagList(text, comparison: comparison) else { throw .invalidHeaderValue(name, text) }
        return list
    }

    private func date(_ name: String, _ values: (String) -> [String]) throws(AzureError) -> Timestamp? {
        let lines = values(name)
        guard let first = lines.first else { return nil }
        if lines.count == 1, first.trimmingBlanks.isEmpty { return nil }
        guard lines.count == 1, let date = HTTPDate.parse(first) else {
            throw .invalidHeaderValue(name, lines.joined(separator: ","))
        }
        return date
    }

    /// `If-Range` (RFC 9110 §13.1.5). What cannot be read, or is weak, equals nothing: the whole object is sent.
    package static func rangeValidator(_ value: String) -> RangeValidator {
        if let date = HTTPDate.parse(value) { return .lastModified(date) }
        guard let list = ETagList(value, comparison: .strong), list.count == 1,
            case .versions(let versions) = list.condition
        else { return .version(nil) }
        return .version(versions.first)
    }
}
