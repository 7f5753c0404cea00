import ArgumentParser
import Node

@main
struct Forebay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forebay",
        abstract: "A storage node in front of an Azure Blob data lake.",
        version: NodeVersion.text,
        subcommands: [
            Serve.self, Status.self, AccountCommand.self, RoleCommand.self, Check.self, Cert.self, VersionCommand.self,
        ])
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Prints the version.")
    func run() { Terminal.say("forebay \(NodeVersion.text)") }
}
