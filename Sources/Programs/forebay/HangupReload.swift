import Node
import ServiceLifecycle
import UnixSignals

/// SIGHUP makes a node read its certificates again.
struct HangupReload: Service {
    let node: NodeService

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { await node.reload() }
    }
}
