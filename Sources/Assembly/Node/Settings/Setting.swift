/// Every setting of `forebay serve`, by its one name: `--name` as a flag, `FOREBAY_NAME` in the environment (hyphens become
/// underscores), `"name"` in the JSON file. A flag beats the environment, the environment beats the file.
package enum Setting: String, CaseIterable, Sendable {
    case data
    case listen
    case admin
    case adminPlain = "admin-plain"
    case domain
    case dev
    case accounts
    case accountsFile = "accounts-file"
    case nodeKey = "node-key"
    case nodeKeyFile = "node-key-file"
    case adminToken = "admin-token"
    case adminTokenFile = "admin-token-file"
    case metricsOpen = "metrics-open"
    case allowPublicAccess = "allow-public-access"
    case durability
    case capacity
    case blockCache = "block-cache"
    case serveArchived = "serve-archived"
    case rehydrationSeconds = "rehydration-seconds"
    case scrubRate = "scrub-rate"
    case maxConnections = "max-connections"
    case maxRequests = "max-requests"
    case drainSeconds = "drain-seconds"
    case audit
    case auditOverflow = "audit-overflow"
    case auditRotateSize = "audit-rotate-size"
    case auditKeep = "audit-keep"
    case logLevel = "log-level"
    case logFormat = "log-format"
    case entraTenant = "entra-tenant"
    case entraAuthority = "entra-authority"
    case entraAudience = "entra-audience"
    case entraKeysFile = "entra-keys-file"
    case entraCAFile = "entra-ca-file"
    case tlsListen = "tls-listen"
    case tlsCertificate = "tls-certificate"
    case tlsKey = "tls-key"
    case tlsMinimum = "tls-minimum"
    case proxyProtocolFrom = "proxy-protocol-from"
    case adminTLSCertificate = "admin-tls-certificate"
    case adminTLSKey = "admin-tls-key"
    case adminClientCA = "admin-client-ca"

    package var environmentName: String {
        "FOREBAY_" + rawValue.uppercased().replacing("-", with: "_")
    }

    /// Settings that may be given several times; in the environment a list with commas.
    package var isList: Bool {
        switch self {
        case .domain, .tlsCertificate, .tlsKey, .proxyProtocolFrom, .entraTenant, .entraAudience: true
        default: false
        }
    }

    /// Secrets have no flag: process arguments are visible to everybody on the machine.
    package var isSecret: Bool { [.accounts, .nodeKey, .adminToken].contains(self) }
}

/// A setting that cannot be used, said so that the operator can mend it.
package struct SettingError: Error, CustomStringConvertible, Sendable {
    package var description: String
    package init(_ description: String) { self.description = description }
}
