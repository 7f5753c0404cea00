/// Every setting of `forebay serve`, by its one name: `--name` as a flag, `FOREBAY_NAME` in the environment (hyphens become
/// underscores), `"name"` in the JSON file. A flag beats the environment, the environment beats the file.
package enum Setting: String, CaseIterable, Sendable {
    case data
    case listen
    case admin
    case domain
    case dev
    case accounts
    case accountsFile = "accounts-file"
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

    package var environmentName: String {
        "FOREBAY_" + rawValue.uppercased().replacing("-", with: "_")
    }

    /// Secrets have no flag: process arguments are visible to everybody on the machine.
    package var isSecret: Bool { self == .accounts }
}

/// A setting that cannot be used, said so that the operator can mend it.
package struct SettingError: Error, CustomStringConvertible, Sendable {
    package var description: String
    package init(_ description: String) { self.description = description }
}
