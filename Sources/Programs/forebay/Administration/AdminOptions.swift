import ArgumentParser
import Foundation
import Node

/// How a command reaches a running node and proves itself.
struct AdminOptions: ParsableArguments {
    @Option(help: "HOST:PORT of the node's admin endpoint (also FOREBAY_ADMIN; default 127.0.0.1:10009).")
    var admin: String?
    @Option(
        name: .customLong("token-file"),
        help: "File with the admin token (also FOREBAY_ADMIN_TOKEN and FOREBAY_ADMIN_TOKEN_FILE).")
    var tokenFile: String?
    @Option(help: "The node's data directory, for the token in it (also FOREBAY_DATA).") var data: String?

    @Option(
        name: .customLong("admin-ca"), help: "PEM file with the authorities of an admin endpoint that speaks TLS.")
    var adminCA: String?
    @Option(
        name: .customLong("admin-certificate"),
        help: "PEM file with a certificate and its key, to show to such an endpoint instead of a token.")
    var adminCertificate: String?
    @Flag(
        name: .customLong("admin-plain"),
        help: "Sends the token without TLS to another machine, too (also FOREBAY_ADMIN_PLAIN): private networks only.")
    var adminPlain = false

    private var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { !$0.value.isEmpty }
    }
    var address: String { admin ?? environment["FOREBAY_ADMIN"] ?? "127.0.0.1:10009" }

    /// - Throws: `CommandFailure` for a token that was pointed to and cannot be read, none at all, and a way that it must
    ///   not be sent.
    func client() throws -> AdminClient {
        do {
            let tls = try AdminClient.TLS(authorities: adminCA, certificate: adminCertificate)
            // A certificate does for a credential.
            return try AdminClient(
                address: address, token: adminCertificate == nil ? try token() : nil, tls: tls,
                allowsPlain: adminPlain
                    || SettingValues.flag(environment[Setting.adminPlain.environmentName], .adminPlain))
        } catch let error as SettingError { throw CommandFailure(error.description, status: .unreachable) }
    }

    private func token() throws -> String {
        if let tokenFile { return try read(tokenFile) }
        if let token = environment["FOREBAY_ADMIN_TOKEN"] { return trimmed(token) }
        if let file = environment["FOREBAY_ADMIN_TOKEN_FILE"] { return try read(file) }
        if let data = data ?? environment["FOREBAY_DATA"] { return try read(data + "/admin.token") }
        throw CommandFailure(
            "no admin token: give --token-file FILE, FOREBAY_ADMIN_TOKEN, FOREBAY_ADMIN_TOKEN_FILE or --data DIR",
            status: .unreachable)
    }

    private func read(_ path: String) throws -> String {
        do { return trimmed(try String(contentsOfFile: path, encoding: .utf8)) } catch {
            throw CommandFailure("the admin token cannot be read: \(error.localizedDescription)", status: .unreachable)
        }
    }

    private func trimmed(_ text: String) -> String { text.trimmingCharacters(in: .whitespacesAndNewlines) }
}

/// Why a command has ended, for people, with its exit status.
struct CommandFailure: Error {
    enum Status: Int32 {
        /// The node has refused.
        case refused = 1
        /// No node, or none that accepts the credential.
        case unreachable = 2
    }

    var message: String
    var status: Status

    init(_ message: String, status: Status) {
        self.message = message
        self.status = status
    }
}

/// A command that asks a running node.
protocol AdminCommand: AsyncParsableCommand {
    var options: AdminOptions { get }
    func run(on node: AdminSession) async throws
}

extension AdminCommand {
    func run() async throws {
        do { try await run(on: AdminSession(client: options.client(), address: options.address)) } catch let failure
            as CommandFailure
        {
            Terminal.complain("forebay: \(failure.message)")
            throw ExitCode(failure.status.rawValue)
        }
    }
}

/// Requests whose answers are documents.
struct AdminSession {
    let client: AdminClient
    let address: String

    /// - Returns: the answer's document.
    /// - Throws: `CommandFailure`, with what the node says.
    @discardableResult
    func send(_ method: AdminClient.Method, _ path: String, body: [UInt8]? = nil) async throws -> String {
        let answer: AdminClient.Answer
        do { answer = try await client.send(method, path, body: body) } catch {
            throw CommandFailure("no answer from \(address): \(error)", status: .unreachable)
        }
        guard !answer.isSuccess else { return answer.body }
        let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(answer.body.utf8))
        throw CommandFailure(
            refusal.map { "\($0.error.message) (\($0.error.code))" }
                ?? (answer.status == 0
                    ? "no HTTP answer: does the endpoint speak TLS? Then give --admin-ca FILE"
                    : "the node answers \(answer.status)"),
            status: answer.status == 401 || answer.status == 0 ? .unreachable : .refused)
    }

    func document<Document: Decodable>(_ type: Document.Type, _ text: String) throws -> Document {
        do { return try JSONDecoder().decode(type, from: Data(text.utf8)) } catch {
            throw CommandFailure("the node's answer cannot be read", status: .unreachable)
        }
    }

    private struct Refusal: Decodable {
        struct Body: Decodable {
            var code: String
            var message: String
        }
        var error: Body
    }
}

/// Rows under a head, in columns.
struct Table {
    private var rows: [[String]]

    init(_ head: [String]) { rows = [head] }

    mutating func add(_ row: [String]) { rows.append(row.map { $0.isEmpty ? "-" : $0 }) }

    var text: String {
        let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).dropLast().map { $0 + String(repeating: " ", count: $1 - $0.count) + "  " }.joined()
                + (row.last ?? "")
        }.joined(separator: "\n")
    }
}

struct OutputOptions: ParsableArguments {
    @Flag(help: "Prints the node's JSON document.") var json = false
}
