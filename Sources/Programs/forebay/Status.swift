import ArgumentParser
import Node

/// Asks a running node how it is.
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the state of a running node.",
        discussion: "Exit status: 0 ready, 1 not ready, 2 not reachable.")

    @Option(help: "HOST:PORT of the node's admin endpoint.") var admin = "127.0.0.1:10009"

    @Option(
        name: .customLong("admin-ca"), help: "PEM file with the authorities of an admin endpoint that speaks TLS.")
    var adminCA: String?
    @Option(
        name: .customLong("admin-certificate"), help: "PEM file with a certificate and its key, to show to the node.")
    var adminCertificate: String?

    func run() async throws {
        let tls = adminCA.map { authorities in
            AdminClient.TLS(authorities: authorities, certificate: adminCertificate.map { ($0, $0) })
        }
        let answer: AdminClient.Answer
        do {
            answer = try await AdminClient.get("/status", from: admin, tls: tls)
        } catch {
            Terminal.complain("forebay status: no answer from \(admin): \(error)")
            throw ExitCode(2)
        }
        Terminal.say(answer.body)
        let ready = try await AdminClient.get("/healthz/ready", from: admin, tls: tls)
        if ready.status != 200 { throw ExitCode(1) }
    }
}
