import ArgumentParser
import Certificates
import StorageModel

/// Certificates for nodes that no public authority vouches for.
struct Cert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes certificates.", subcommands: [CertDev.self])
}

struct CertDev: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Makes a private authority and a server certificate for tests and private networks.",
        discussion:
            "An authority that is in the directory already and still valid is kept; the server certificate is new.")

    @Option(help: "Directory for ca.pem, ca.key, server.pem and server.key; made when it is missing.") var out: String
    @Option(
        help: ArgumentHelp(
            "DNS name (*. in front for one label) or IP address of the node; may be repeated "
                + "(default: \(DevelopmentCertificates.defaultNames.joined(separator: ", "))).",
            valueName: "name"))
    var name: [String] = []
    @Option(help: "How long the server certificate is valid.") var days = 365

    func run() throws {
        let made: DevelopmentCertificates
        do {
            made = try DevelopmentCertificates.make(
                in: out, names: name.isEmpty ? DevelopmentCertificates.defaultNames : name, days: days, world: .system)
        } catch {
            Terminal.complain("forebay cert dev: \(error)")
            throw ExitCode.failure
        }
        Terminal.say(
            """
            authority    \(made.authority) (\(made.hasKeptAuthority ? "kept" : "new"))
            its key      \(made.authorityKey) (keep it private: who has it can vouch for any name)
            certificate  \(made.certificate)
            its key      \(made.key)

            The node:    forebay serve --tls-listen HOST:PORT --tls-certificate \(made.certificate) --tls-key \(made.key)
            Clients:     make them trust \(made.authority):
              curl       --cacert \(made.authority)
              Python     REQUESTS_CA_BUNDLE=\(made.authority) (aiohttp, boostedblob: SSL_CERT_FILE)
              Go, rclone SSL_CERT_FILE=\(made.authority) (rclone also --ca-cert)
              Debian     copy it to /usr/local/share/ca-certificates/forebay.crt, then update-ca-certificates
            """)
    }
}
