package import Access
import AzureWire
import FoundationEssentials
package import Logging
package import Observability
import StorageModel

/// A node's configuration, parsed: everything in it can be used as it is.
package struct NodeConfiguration: Sendable {
    package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
        package var host: String
        package var port: Int
        /// Names other than `localhost` (RFC 6761) may lead anywhere.
        package var isLoopback: Bool { host.lowercased() == "localhost" || IPAddress(host)?.isLoopback == true }
        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    package enum Durability: String, CaseIterable, Sendable { case synced, relaxed }

    package var dataDirectory: String
    /// Where plain HTTP is spoken; with TLS and no `tls-listen`, where TLS is. `nil` for nowhere.
    package var listen: Endpoint?
    package var admin: Endpoint
    package var domains: [String]
    package var isDevelopment: Bool
    package var accounts: [Account]
    /// Switches of accounts for which nothing else is said.
    package var defaultSwitches: AccountSwitches
    package var secrets: NodeSecrets
    package var durability: Durability
    package var capacityBytes: Int64?
    package var blockCacheBytes: Int64
    package var servesArchived: Bool
    package var rehydrationSeconds: Int
    package var scrubBytesPerSecond: Int64
    package var maximumConnections: Int
    package var maximumRequests: Int
    package var drainSeconds: Int
    package var audit: AuditSettings
    package var logLevel: Logger.Level
    package var logFormat: LineLogHandler.Format
    package var entra: Entra
    package var network: NetworkSettings

    package init(_ values: SettingValues) throws {
        guard let data = values.text(.data), !data.isEmpty else {
            throw SettingError("no data directory: give --data DIR or FOREBAY_DATA")
        }
        dataDirectory = data
        let listenText = values.text(.listen) ?? "127.0.0.1:10000"
        listen = listenText == "none" ? nil : try Self.endpoint(listenText, .listen)
        network = try NetworkSettings(values, listens: listen != nil)
        admin = try Self.endpoint(values.text(.admin) ?? "127.0.0.1:10009", .admin)
        guard try admin.isLoopback || network.adminCertificate != nil || values.flag(.adminPlain) else {
            throw SettingError(
                """
                without TLS the admin endpoint's token crosses the network readable: give an admin-tls-certificate, a \
                loopback address instead of \(admin), or admin-plain where the network is private
                """)
        }
        domains = values.texts(.domain).map { $0.lowercased() }
        isDevelopment = try values.flag(.dev)
        for endpoint in [listen, network.tlsListen].compactMap({ $0 }) where isDevelopment && !endpoint.isLoopback {
            throw SettingError(
                "--dev uses a key that everybody knows: it listens on a loopback address only, not \(endpoint)")
        }
        defaultSwitches = AccountSwitches(allowsPublicAccess: try values.flag(.allowPublicAccess))
        accounts = try Self.accounts(values, isDevelopment: isDevelopment, switches: defaultSwitches)
        secrets = try NodeSecrets(values)
        durability = try values.choice(.durability, Durability.self) ?? .synced
        capacityBytes = try values.bytes(.capacity)
        blockCacheBytes = try values.bytes(.blockCache) ?? 64 << 20
        servesArchived = try values.flag(.serveArchived)
        rehydrationSeconds = try values.number(.rehydrationSeconds, in: 0...86_400 * 30) ?? 10
        scrubBytesPerSecond = try values.bytes(.scrubRate) ?? 50 << 20
        maximumConnections = try values.number(.maxConnections, in: 1...1_000_000) ?? 4096
        maximumRequests = try values.number(.maxRequests, in: 1...1_000_000) ?? 2048
        drainSeconds = try values.number(.drainSeconds, in: 0...3600) ?? 30
        audit = try AuditSettings(values)
        logLevel = try values.choice(.logLevel, Logger.Level.self) ?? .info
        logFormat = try values.choice(.logFormat, LineLogHandler.Format.self) ?? .text
        entra = try Entra(values, isDevelopment: isDevelopment)
    }

    static func endpoint(_ text: String, _ setting: Setting) throws(SettingError) -> Endpoint {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { throw SettingError("\(setting.rawValue) is HOST:PORT, not \"\(text)\"") }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { throw SettingError("\(setting.rawValue) is HOST:PORT, not \"\(text)\"") }
        return Endpoint(host: host, port: port)
    }

    /// None is fine: accounts may be made later, and are kept in the store then.
    private static func accounts(
        _ values: SettingValues, isDevelopment: Bool, switches: AccountSwitches
    ) throws -> [Account] {
        var lines: [String] = []
        if let path = values.text(.accountsFile) {
            do {
                lines = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
                    .split(whereSeparator: \.isNewline).map(String.init)
            } catch { throw SettingError("cannot read the accounts file \(path): \(error)") }
        }
        lines += (values.text(.accounts) ?? "").split(separator: ",").map(String.init)
        if isDevelopment { lines.append("\(DevelopmentAccount.name):\(DevelopmentAccount.key)") }
        var accounts: [Account] = []
        for line in lines {
            let text = line.withoutBlanksAround
            guard !text.isEmpty, !text.hasPrefix("#") else { continue }
            accounts.append(try account(text, switches: switches))
        }
        let names = accounts.map(\.name)
        guard Set(names).count == names.count else { throw SettingError("an account stands twice") }
        return accounts
    }

    /// Errors never repeat the text: it holds keys.
    private static func account(_ text: String, switches: AccountSwitches) throws -> Account {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count) else { throw SettingError("an account is name:key1[:key2]") }
        let name: AccountName
        do { name = try AccountName(validating: parts[0]) } catch {
            throw SettingError("\"\(parts[0])\" is no account name: 3 to 24 characters of a-z and 0-9")
        }
        let keys = parts.dropFirst().compactMap { Base64.decode($0) }
        guard keys.count == parts.count - 1, keys.allSatisfy({ $0.count >= 16 }) else {
            throw SettingError("a key of account \(name) is not Base64 of at least 16 bytes")
        }
        return Account(name: name, keys: keys, switches: switches)
    }
}

/// The account that Azure's storage emulator has and that everybody knows, key included.
package enum DevelopmentAccount {
    package static let name = "devstoreaccount1"
    package static let key =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
}
