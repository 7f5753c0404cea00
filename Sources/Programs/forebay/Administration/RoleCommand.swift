import ArgumentParser
import Node
import Observability

/// Role assignments in the accounts of a running node.
struct RoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "role", abstract: "Manages who has which role in an account of a running node.",
        discussion: "Exit status: 0 done, 1 refused by the node, 2 no answer or no valid admin token.",
        subcommands: [List.self, Assign.self, Remove.self])

    struct List: AdminCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the role assignments of an account.")
        @Option(help: "The account.") var account: String
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws {
            let text = try await node.send(.get, "/accounts/\(account.pathPart)/roles")
            if output.json { return Terminal.sayDocument(text) }
            Terminal.say(RoleDocument.table(try node.document(RoleList.self, text).roles))
        }
    }

    struct Assign: AdminCommand {
        static let configuration = CommandConfiguration(
            abstract: "Gives a role to a principal, an application or a group.")
        @Option(help: "The account.") var account: String
        @Option(help: "reader, contributor, owner or delegator.") var role: String
        @Option(help: "Object id of a user, a service principal or a managed identity.") var object: String?
        @Option(help: "Client id of an application.") var application: String?
        @Option(help: "Object id of a group.") var group: String?
        @Option(help: "Only principals of this tenant.") var tenant: String?
        @Option(help: "Only in this container.") var container: String?
        @Option(help: "Only for blobs whose names begin with this; needs --container.") var prefix: String?
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws {
            var json = JSONWriter()
            json.object { json in
                json.member("role", role)
                for (name, value) in [
                    ("object", object), ("application", application), ("group", group), ("tenant", tenant),
                    ("container", container), ("prefix", prefix),
                ] {
                    if let value { json.member(name, value) }
                }
            }
            let text = try await node.send(.post, "/accounts/\(account.pathPart)/roles", body: json.bytes)
            if output.json { return Terminal.sayDocument(text) }
            Terminal.say(RoleDocument.table([try node.document(RoleDocument.self, text)]))
        }
    }

    struct Remove: AdminCommand {
        static let configuration = CommandConfiguration(abstract: "Takes a role assignment away.")
        @Option(help: "The account.") var account: String
        @Argument(help: "Id of the assignment, as `forebay role list` shows it.") var id: String
        @OptionGroup var options: AdminOptions

        func run(on node: AdminSession) async throws {
            try await node.send(.delete, "/accounts/\(account.pathPart)/roles/\(id.pathPart)")
        }
    }
}
