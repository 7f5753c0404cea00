import ArgumentParser
import Node

/// The flags of `forebay serve` for TLS and the PROXY protocol.
struct NetworkOptions: ParsableArguments {
    @Option(name: .customLong("tls-listen"), help: "HOST:PORT for TLS, beside plain HTTP at --listen.")
    var tlsListen: String?
    @Option(
        name: .customLong("tls-certificate"),
        help: "PEM file with a certificate chain; may be repeated, the first is the default.")
    var tlsCertificate: [String] = []
    @Option(
        name: .customLong("tls-key"),
        help: "PEM file with the key of the certificate in the same place (default: in the certificate's file).")
    var tlsKey: [String] = []
    @Option(name: .customLong("tls-minimum"), help: "1.2 (default) or 1.3.") var tlsMinimum: String?
    @Option(
        name: .customLong("proxy-protocol-from"),
        help: "ADDRESS/BITS of proxies that send PROXY protocol headers; may be repeated. No one else may connect then."
    )
    var proxyProtocolFrom: [String] = []
    @Option(name: .customLong("admin-tls-certificate"), help: "PEM file: the admin endpoint speaks TLS.")
    var adminTLSCertificate: String?
    @Option(name: .customLong("admin-tls-key"), help: "PEM file with its key (default: in the certificate's file).")
    var adminTLSKey: String?
    @Option(
        name: .customLong("admin-client-ca"),
        help: "PEM file with authorities: clients of the admin endpoint must show a certificate of theirs.")
    var adminClientCA: String?
    @Flag(
        name: .customLong("admin-plain"),
        help: "Lets the admin endpoint listen beyond loopback without TLS: for private networks and containers.")
    var adminPlain = false

    var flags: [Setting: [String]] {
        [
            .tlsListen: [tlsListen].compactMap { $0 }, .tlsCertificate: tlsCertificate, .tlsKey: tlsKey,
            .tlsMinimum: [tlsMinimum].compactMap { $0 }, .proxyProtocolFrom: proxyProtocolFrom,
            .adminTLSCertificate: [adminTLSCertificate].compactMap { $0 },
            .adminPlain: adminPlain ? ["true"] : [], .adminTLSKey: [adminTLSKey].compactMap { $0 },
            .adminClientCA: [adminClientCA].compactMap { $0 },
        ]
    }
}
