import ArgumentParser
import Foundation
import Node
import Observability

/// Accounts of a running node.
struct AccountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account", abstract: "Manages the accounts of a running node.",
        discussion: "Exit status: 0 done, 1 refused by the node, 2 no answer or no valid admin token.",
        subcommands: [
            List.self, Show.self, Create.self, Delete.self, Enable.self, Disable.self, Set.self, Keys.self,
            RotateKey.self, RevokeDelegationKeys.self,
        ])

    struct List: AdminCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the accounts.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws {
            let text = try await node.send(.get, "/accounts")
            if output.json { return Terminal.sayDocument(text) }
            Terminal.say(AccountDocument.table(try node.document(AccountList.self, text).accounts))
        }
    }

    struct Show: AdminCommand {
        static let configuration = CommandConfiguration(abstract: "Shows one account, without its keys.")
        @Argument(help: "The account.") var name: String
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws {
            try output.show(account: try await node.send(.get, "/accounts/\(name.pathPart)"), node)
        }
    }

    struct Create: AdminCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an account with two new keys, or with keys from a file.")
        @Argument(help: "The account: 3 to 24 characters of a-z and 0-9.") var name: String
        @Option(
            name: .customLong("keys-file"),
            help: "File with one or two keys in Base64, one a line; never given on the command line.")
        var keysFile: String?
        @OptionGroup var switches: SwitchOptions
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws {
            let keys = try keysFile.map(Self.keys)
            var json = JSONWriter()
            json.object { json in
                json.member("name", name)
                if let keys { json.array("keys") { array in for key in keys { array.element(key) } } }
                switches.write(to: &json)
            }
            try output.show(account: try await node.send(.post, "/accounts", body: json.bytes), node)
        }

        private static func keys(in path: String) throws -> [String] {
            do {
                return try String(contentsOfFile: path, encoding: .utf8).split(whereSeparator: \.isNewline)
                    .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
            } catch {
                throw CommandFailure("the keys cannot be read: \(error.localizedDescription)", status: .unreachable)
            }
        }
    }

    struct Delete: AdminCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes an account that has no containers, with its roles.")
        @Argument(help: "The account.") var name: String
        @OptionGroup var options: AdminOptions

        func run(on node: AdminSession) async throws {
            try await node.send(.delete, "/accounts/\(name.pathPart)")
        }
    }

    struct Enable: AdminCommand {
        static let configuration = CommandConfiguration(abstract: "Serves an account again.")
        @Argument(help: "The account.") var name: String
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws { try await output.set(name, enabled: true, node) }
    }

    struct Disable: AdminCommand {
        static let configuration = CommandConfiguration(abstract: "Refuses every request to an account.")
        @Argument(help: "The account.") var name: String
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws { try await output.set(name, enabled: false, node) }
    }

    struct Set: AdminCommand {
        static let configuration = CommandConfiguration(abstract: "Sets switches and limits of an account.")
        @Argument(help: "The account.") var name: String
        @OptionGroup var switches: SwitchOptions
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws {
            var json = JSONWriter()
            json.object { switches.write(to: &$0) }
            try output.show(
                account: try await node.send(.patch, "/accounts/\(name.pathPart)", body: json.bytes), node)
        }
    }

    struct Keys: AdminCommand {
        static let configuration = CommandConfiguration(abstract: "Prints the keys of an account.")
        @Argument(help: "The account.") var name: String
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws {
            let text = try await node.send(.get, "/accounts/\(name.pathPart)/keys")
            if output.json { return Terminal.sayDocument(text) }
            Terminal.say(KeyList.table(try node.document(KeyList.self, text).keys))
        }
    }

    struct RotateKey: AdminCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate-key", abstract: "Puts a new key in the place of key 1 or 2 and prints it.")
        @Argument(help: "The account.") var name: String
        @Argument(help: "1 or 2. The other key goes on working.") var number: Int
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws {
            let text = try await node.send(.post, "/accounts/\(name.pathPart)/keys/\(number)/rotate")
            if output.json { return Terminal.sayDocument(text) }
            Terminal.say(KeyList.table([try node.document(KeyDocument.self, text)]))
        }
    }

    struct RevokeDelegationKeys: AdminCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke-delegation-keys",
            abstract: "Makes all user delegation keys of an account void, and the signatures made with them.")
        @Argument(help: "The account.") var name: String
        @OptionGroup var options: AdminOptions
        @OptionGroup var output: OutputOptions

        func run(on node: AdminSession) async throws {
            try output.show(
                account: try await node.send(.post, "/accounts/\(name.pathPart)/revoke-delegation-keys"), node)
        }
    }
}

extension OutputOptions {
    func show(account text: String, _ node: AdminSession) throws {
        if json { return Terminal.sayDocument(text) }
        Terminal.say(try node.document(AccountDocument.self, text).details)
    }

    fileprivate func set(_ name: String, enabled: Bool, _ node: AdminSession) async throws {
        var json = JSONWriter()
        json.object { $0.member("enabled", enabled) }
        try show(account: try await node.send(.patch, "/accounts/\(name.pathPart)", body: json.bytes), node)
    }
}

extension Terminal {
    /// A document that ends its line itself.
    static func sayDocument(_ text: String) { say(text.trimmingCharacters(in: .newlines)) }
}

extension String {
    /// Fit for one part of a path.
    var pathPart: String { addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(["-"])) ?? "" }
}
