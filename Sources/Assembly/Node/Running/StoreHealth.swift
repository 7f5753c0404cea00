import Logging
import MetadataRocks
import Observability
import StorageModel

/// Whether the stores take writes: told by the metadata store, shown by log, metric and status.
final class StoreHealth: Sendable {
    private struct State {
        var refusal: StorageFailure?
        var loss: StorageFailure?
    }

    private let state = Locked(State())
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    var takesWrites: Bool { state.withLock { $0.refusal == nil } }
    /// Why writes are refused, for the status page.
    var refusalCause: String? { state.withLock { $0.refusal?.cause } }
    /// What opening again has found: damage, or acknowledged commits missing.
    var loss: StorageFailure? { state.withLock { $0.loss } }

    func changed(to health: RocksHealth) {
        switch health {
        case .writable:
            state.withLock { $0.refusal = nil }
            logger.notice("writes are taken again: the metadata store has been opened anew")
        case .suspended(let refusal):
            state.withLock { $0.refusal = refusal }
            logger.error(
                "writes are refused until the disk takes them again; reads go on",
                metadata: [LogKey.cause: "\(refusal.cause ?? "")"])
        case .failed(let loss):
            state.withLock { state in
                state.refusal = loss
                state.loss = loss
            }
            logger.critical(
                "the metadata store is damaged, so it cannot be opened again; the node ends",
                metadata: [LogKey.cause: "\(loss.cause ?? "")"])
        }
    }
}
