import StorageModel

/// How often what was asked and how it ended: shows what a run has covered.
package struct ModelTally: Sendable {
    package var operations = 0
    package var refused = 0
    /// By `operation: success` or `operation: refusal`.
    package private(set) var counts: [String: Int] = [:]

    package init() {}

    package mutating func add(_ operation: ModelOperation, _ outcome: ModelOutcome) {
        operations += 1
        switch outcome {
        case .done: counts["\(operation.kind): success", default: 0] += 1
        case .refused(let refusal):
            refused += 1
            // Lengths in refusals are of no interest here.
            let words = refusal.text.split(separator: " ").prefix(2).joined(separator: " ")
            counts["\(operation.kind): \(words.prefix { $0 != "(" })", default: 0] += 1
        }
    }

    package mutating func add(_ other: ModelTally) {
        operations += other.operations
        refused += other.refused
        counts.merge(other.counts, uniquingKeysWith: +)
    }
}

extension ModelOperation {
    package var kind: String {
        switch self {
        case .createContainer: "create container"
        case .deleteContainer: "delete container"
        case .setContainerMetadata: "set container metadata"
        case .leaseContainer(_, let action, _): "\(Self.word(action)) container lease"
        case .putBlob: "put blob"
        case .putBlock: "put block"
        case .commit: "put block list"
        case .setProperties: "set properties"
        case .setMetadata: "set metadata"
        case .setTags: "set tags"
        case .setTier: "set tier"
        case .delete: "delete blob"
        case .leaseBlob(_, let action, _): "\(Self.word(action)) blob lease"
        case .copy: "copy"
        case .slice: "put block from blob"
        case .batch: "batch"
        case .advance: "time passes"
        case .reap: "reap"
        case .expire: "expire"
        case .read(.get): "get blob"
        case .read(.head): "get properties"
        case .read(.tags): "get tags"
        case .read(.blocks): "get block list"
        case .read(.container): "get container"
        case .read(.containers): "list containers"
        case .read(.list): "list blobs"
        case .read(.find): "find by tags"
        }
    }

    private static func word(_ action: LeaseAction) -> String {
        switch action {
        case .acquire: "acquire"
        case .renew: "renew"
        case .change: "change"
        case .release: "release"
        case .breakAfter: "break"
        }
    }
}
