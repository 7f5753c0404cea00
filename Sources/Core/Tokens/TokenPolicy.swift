import StorageModel

/// Whose tokens count, and which of them are meant for this node. Sources: "Authorize with Microsoft Entra ID", Entra's
/// access token claims reference.
package struct TokenPolicy: Sendable {
    package static let publicAuthority = "https://login.microsoftonline.com"
    /// Clocks may differ by so much.
    package static let skewSeconds: Int64 = 300

    /// Azure Storage as such: its address and its application id.
    static let storageAudiences = ["https://storage.azure.com", "e406a681-f3d4-42a8-90b6-c2b029497af1"]
    /// The public cloud and the national ones: an account's own address is an audience too.
    static let azureSuffixes = ["blob.core.windows.net", "blob.core.chinacloudapi.cn", "blob.core.usgovcloudapi.net"]
    /// Where version 1 tokens of Entra's authorities come from; other authorities sign those with their own name.
    static let versionOneHosts = [
        "https://login.microsoftonline.com": "https://sts.windows.net",
        "https://login.microsoftonline.us": "https://sts.windows.net",
        "https://login.chinacloudapi.cn": "https://sts.chinacloudapi.cn",
        "https://login.partner.microsoftonline.cn": "https://sts.chinacloudapi.cn",
    ]

    /// Where clients without a token are sent, tenant first in the path: `authorization_uri` of the challenge.
    let authorizationURL: String
    private let tenants: Set<String>
    private let issuers: [String: TrustedIssuer]
    private let audiences: Set<String>
    private let suffixes: [String]

    /// - Parameters:
    ///   - tenants: GUIDs in lower case; clients without a token are sent to the first.
    ///   - authority: where discovery documents are: `https://HOST[/PATH]`, no slash at the end.
    ///   - audiences: beside Azure's own ones.
    ///   - domainSuffixes: `SUFFIX` of this node's `ACCOUNT.SUFFIX`, beside Azure's own ones.
    package init(
        tenants: [String], authority: String = publicAuthority, audiences: [String] = [], domainSuffixes: [String] = []
    ) {
        authorizationURL = "\(authority)/\(tenants.first ?? "common")/oauth2/authorize"
        self.tenants = Set(tenants)
        let trusted = tenants.flatMap { TrustedIssuer.both(of: $0, authority: authority) }
        issuers = Dictionary(trusted.map { ($0.value, $0) }, uniquingKeysWith: { first, _ in first })
        self.audiences = Set((Self.storageAudiences + audiences).map(Self.normal))
        suffixes = (Self.azureSuffixes + domainSuffixes).map { ".\($0.lowercased())" }
    }

    func trusts(tenant: String) -> Bool { tenants.contains(tenant) }

    func issuer(_ text: String) -> TrustedIssuer? { issuers[text] }

    /// The accounts that a token for these audiences opens; `nil` when it is for somebody else.
    func reach(of audiences: [String]) -> AudienceReach? {
        let given = audiences.map(Self.normal)
        if given.contains(where: self.audiences.contains) { return .everyAccount }
        let accounts = given.compactMap(account)
        return accounts.isEmpty ? nil : .accounts(Set(accounts))
    }

    /// Hosts know no case, and a slash at the end comes and goes with the client.
    private static func normal(_ audience: String) -> String {
        let text = audience.lowercased()
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    private func account(_ audience: String) -> AccountName? {
        let scheme = "https://"
        guard audience.hasPrefix(scheme) else { return nil }
        let host = audience.dropFirst(scheme.count)
        guard let suffix = suffixes.first(where: { host.hasSuffix($0) }) else { return nil }
        do { return try AccountName(validating: String(host.dropLast(suffix.count))) } catch { return nil }
    }
}

/// Which accounts a token is for.
enum AudienceReach: Sendable, Hashable {
    case everyAccount
    case accounts(Set<AccountName>)

    func covers(_ account: AccountName) -> Bool {
        switch self {
        case .everyAccount: true
        case .accounts(let names): names.contains(account)
        }
    }
}

/// One spelling of a tenant's name in `iss`, and where its keys are announced.
package struct TrustedIssuer: Sendable, Hashable {
    /// `iss`, to the letter.
    package let value: String
    /// A GUID in lower case.
    package let tenantID: String
    package let discoveryURL: String
    /// All issuers of the tenant: a key that names its issuer may name any of them.
    let spellings: [String]

    /// Version 2 and version 1.
    static func both(of tenant: String, authority: String) -> [TrustedIssuer] {
        let two = "\(authority)/\(tenant)/v2.0"
        let one = "\(TokenPolicy.versionOneHosts[authority] ?? authority)/\(tenant)/"
        return [(two, "\(authority)/\(tenant)/v2.0"), (one, "\(authority)/\(tenant)")].map { issuer, base in
            TrustedIssuer(
                value: issuer, tenantID: tenant, discoveryURL: "\(base)/.well-known/openid-configuration",
                spellings: [two, one])
        }
    }

    /// Documents for all tenants say `{tenantid}` where the tenant belongs.
    func isNamed(by template: String) -> Bool { value == fill(template) }
    func isSiblingNamed(by template: String) -> Bool { spellings.contains(fill(template)) }

    private func fill(_ template: String) -> String { template.replacing("{tenantid}", with: tenantID) }
}
