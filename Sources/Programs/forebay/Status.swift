import ArgumentParser
import Node

/// Asks a running node how it is.
struct Status: AdminCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the state of a running node.",
        discussion: "Exit status: 0 ready, 1 not ready, 2 not reachable or no valid admin token.")

    @OptionGroup var options: AdminOptions

    func run(on node: AdminSession) async throws {
        Terminal.sayDocument(try await node.send(.get, "/status"))
        let ready = try await node.client.get("/healthz/ready")
        if ready.status != 200 { throw ExitCode(1) }
    }
}
