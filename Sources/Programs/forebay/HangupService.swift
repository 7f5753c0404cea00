import ServiceLifecycle
import UnixSignals

/// Calls a closure at every SIGHUP, until the node ends.
struct HangupService: Service {
    let onHangup: @Sendable () -> Void

    func run() async {
        let signals = await UnixSignalsSequence(trapping: .sighup)
        await cancelWhenGracefulShutdown { for await _ in signals { onHangup() } }
    }
}
