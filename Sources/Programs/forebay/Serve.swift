import ArgumentParser
import Foundation
import Logging
import Node
import Observability
import ServiceLifecycle
import StorageModel
import UnixSignals

/// Runs a node until SIGTERM or SIGINT.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a node.",
        discussion: """
            Every setting is a flag (--name), an environment variable (FOREBAY_NAME) or an entry of the JSON file given \
            with --config, in this order of precedence. Accounts and their keys come from the environment \
            (FOREBAY_ACCOUNTS=name:key1[:key2],...) or a file, never from flags; or they are made with `forebay account`. \
            So do the node key (FOREBAY_NODE_KEY) and the admin token (FOREBAY_ADMIN_TOKEN), which otherwise lie in the \
            data directory.
            """)

    @Option(help: "Directory of the node's data; made when it is missing.") var data: String?
    @Option(help: "HOST:PORT of the Blob endpoint (default 127.0.0.1:10000; port 0 chooses one), or none.")
    var listen: String?
    @Option(help: "HOST:PORT of the admin endpoint (default 127.0.0.1:10009).") var admin: String?
    @Option(help: "Suffix of host-style names, as in ACCOUNT.SUFFIX; may be repeated.") var domain: [String] = []
    @Flag(help: "Adds the account and key of Azure's storage emulator; loopback addresses only.") var dev = false
    @Option(name: .customLong("accounts-file"), help: "File with one name:key1[:key2] a line.") var accountsFile:
        String?
    @Option(name: .customLong("node-key-file"), help: "File with the node key (default DATA/node.key).")
    var nodeKeyFile: String?
    @Option(name: .customLong("admin-token-file"), help: "File with the admin token (default DATA/admin.token).")
    var adminTokenFile: String?
    @Flag(name: .customLong("metrics-open"), help: "Shows /metrics and /status without the admin token.")
    var metricsOpen = false
    @Flag(name: .customLong("allow-public-access"), help: "Lets containers be made readable by anybody.")
    var allowPublicAccess = false
    @Option(help: "synced (default) or relaxed: relaxed answers before data is on the medium and may lose it.")
    var durability: String?
    @Option(help: "Bytes that stored data may use, e.g. 500G (default: what the file system has free, less a reserve).")
    var capacity: String?
    @Option(name: .customLong("block-cache"), help: "Memory for cached metadata (default 64M).") var blockCache: String?
    @Flag(name: .customLong("serve-archived"), help: "Reads blobs in the Archive tier as if they were online.")
    var serveArchived = false
    @Option(
        name: .customLong("rehydration-seconds"), help: "How long leaving the Archive tier stays pending (default 10).")
    var rehydrationSeconds: String?
    @Option(
        name: .customLong("scrub-rate"), help: "Bytes a second that the scrubber reads (default 50M; 0 turns it off).")
    var scrubRate: String?
    @Option(name: .customLong("max-connections"), help: "Connections at once (default 4096).") var maxConnections:
        String?
    @Option(name: .customLong("max-requests"), help: "Requests at once (default 2048).") var maxRequests: String?
    @Option(name: .customLong("drain-seconds"), help: "How long running requests may take at shutdown (default 30).")
    var drainSeconds: String?
    @Option(help: "Where audit lines go: none (default), stdout or a file.") var audit: String?
    @Option(
        name: .customLong("audit-overflow"), help: "drop (default) or refuse when audit lines cannot be kept up with.")
    var auditOverflow: String?
    @Option(
        name: .customLong("audit-rotate-size"),
        help: "Bytes after which the audit file is rotated (default 256M; 0 turns it off).") var auditRotateSize:
        String?
    @Option(name: .customLong("audit-keep"), help: "Rotated audit files that stay (default 8).") var auditKeep: String?
    @Option(name: .customLong("log-level"), help: "trace, debug, info (default), notice, warning, error or critical.")
    var logLevel: String?
    @Option(name: .customLong("log-format"), help: "text (default) or json.") var logFormat: String?
    @Option(name: .customLong("entra-tenant"), help: "Tenant id (GUID) whose bearer tokens count; may be repeated.")
    var entraTenant: [String] = []
    @Option(
        name: .customLong("entra-authority"),
        help: "Where tenants announce their keys (default https://login.microsoftonline.com).")
    var entraAuthority: String?
    @Option(
        name: .customLong("entra-audience"), help: "Audience of tokens beside Azure Storage's own; may be repeated.")
    var entraAudience: [String] = []
    @Option(name: .customLong("entra-keys-file"), help: "Key set (JWKS) to use instead of asking the authority.")
    var entraKeysFile: String?
    @Option(name: .customLong("entra-ca-file"), help: "PEM file with the authority's certificate authorities.")
    var entraCAFile: String?
    @OptionGroup(title: "TLS and proxies") var network: NetworkOptions
    @Option(help: "JSON file with settings (also FOREBAY_CONFIG).") var config: String?

    private var flags: [Setting: [String]] {
        var flags: [Setting: [String]] = [
            .domain: domain, .entraTenant: entraTenant, .entraAudience: entraAudience,
        ]
        let options: [(Setting, String?)] = [
            (.data, data), (.listen, listen), (.admin, admin), (.accountsFile, accountsFile), (.durability, durability),
            (.nodeKeyFile, nodeKeyFile), (.adminTokenFile, adminTokenFile),
            (.metricsOpen, metricsOpen ? "true" : nil), (.capacity, capacity), (.blockCache, blockCache),
            (.rehydrationSeconds, rehydrationSeconds),
            (.scrubRate, scrubRate), (.maxConnections, maxConnections), (.maxRequests, maxRequests),
            (.drainSeconds, drainSeconds), (.audit, audit), (.auditOverflow, auditOverflow),
            (.auditRotateSize, auditRotateSize), (.auditKeep, auditKeep), (.logLevel, logLevel),
            (.logFormat, logFormat), (.entraAuthority, entraAuthority), (.entraKeysFile, entraKeysFile),
            (.entraCAFile, entraCAFile), (.dev, dev ? "true" : nil),
            (.allowPublicAccess, allowPublicAccess ? "true" : nil), (.serveArchived, serveArchived ? "true" : nil),
        ]
        for (setting, value) in options { flags[setting] = value.map { [$0] } }
        flags.merge(network.flags) { _, new in new }
        return flags
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let configuration: NodeConfiguration
        do {
            configuration = try NodeConfiguration(
                SettingValues(flags: flags, environment: environment, file: config ?? environment["FOREBAY_CONFIG"]))
        } catch let error as SettingError { throw ValidationError(error.description) }
        LoggingSystem.bootstrap { label in
            LineLogHandler(label: label, format: configuration.logFormat, level: configuration.logLevel)
        }
        let logger = Logger(label: "forebay")
        let node = NodeService(configuration, logger: logger) { addresses in
            let tls = addresses.tls.map { " tls=\($0)" } ?? ""
            Terminal.say("forebay ready blob=\(addresses.blob)\(tls) admin=\(addresses.admin)")
        }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(
                        service: node, successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .gracefullyShutdownGroup),
                    .init(service: HangupReload(node: node), successTerminationBehavior: .ignore),
                ], gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "forebay.lifecycle")))
        do { try await group.run() } catch {
            logger.critical("cannot run", metadata: [LogKey.error: "\(error)"])
            throw ExitCode.failure
        }
    }
}
