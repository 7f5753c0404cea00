import Node
import ServiceLifecycle
import UnixSignals

/// SIGHUP makes a node read again what lies in files, and open its audit file anew.
struct HangupReload: Service {
    let node: NodeService

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { await node.reload() }
    }
}
