package import AzureWire

/// What a request's URL names, before anything is known to exist.
package struct Target: Sendable, Hashable {
    package enum Resource: Sendable, Hashable {
        case service
        case container(String)
        /// `/name` alone: a container when the query says so, else a blob in `$root`.
        case single(String)
        case blob(container: String, name: String)
    }

    /// Without `-secondary`; `nil` when the URL has none.
    package var account: String?
    package var isSecondary: Bool
    package var style: AddressingStyle
    package var resource: Resource
    /// As on the request line: signatures cover it.
    package var rawPath: String
}

/// Finds account, container and blob in a host name and a path. Host style is `ACCOUNT.<suffix>`, all else is path style.
package struct Addressing: Sendable {
    private let suffixes: [String]
    private static let secondary = "-secondary"

    /// - Parameter domainSuffixes: in lower case, without a dot first.
    package init(domainSuffixes: [String]) { suffixes = domainSuffixes.map { "." + $0 } }

    /// - Parameter host: the Host header or the authority of a URL, with or without a port.
    package func target(host: String?, rawPath: String) throws(AzureError) -> Target {
        let label = host.flatMap(accountLabel)
        let style: AddressingStyle = label == nil ? .path : .host
        let path = RawResourcePath(rawPath, style: style)
        var account = label
        if label == nil, let segment = path.account {
            guard let decoded = PercentCoding.decode(segment) else { throw AzureError(.invalidUri) }
            account = decoded
        }
        let isSecondary = account?.hasSuffix(Self.secondary) ?? false
        if isSecondary { account = account.map { String($0.dropLast(Self.secondary.count)) } }
        return Target(
            account: account, isSecondary: isSecondary, style: style, resource: try Self.resource(path),
            rawPath: rawPath)
    }

    private static func resource(_ path: RawResourcePath) throws(AzureError) -> Target.Resource {
        guard let rawContainer = path.container else {
            guard path.blob == nil else { throw AzureError(.invalidUri) }
            return .service
        }
        guard let container = PercentCoding.decode(rawContainer) else { throw AzureError(.invalidUri) }
        guard !container.isEmpty else { throw AzureError(.invalidUri) }
        if let rawBlob = path.blob {
            guard let blob = PercentCoding.decode(rawBlob) else { throw AzureError(.invalidUri) }
            return .blob(container: container, name: blob)
        }
        // Clients that escape the whole path: an escaped slash is a slash.
        if let slash = container.utf8.firstIndex(of: UInt8(ascii: "/")) {
            let name = container[container.utf8.index(after: slash)...]
            guard slash > container.startIndex, !name.isEmpty else { throw AzureError(.invalidUri) }
            return .blob(container: String(container[..<slash]), name: String(name))
        }
        return path.containerEndsInSlash ? .container(container) : .single(container)
    }

    /// The account's name in front of one of the suffixes, if the host has that form.
    package func accountLabel(_ host: String) -> String? {
        guard mayEndInSuffix(host) else { return nil }
        let name = Self.hostName(host)
        for suffix in suffixes where name.hasSuffix(suffix) {
            let label = name.dropLast(suffix.count)
            if !label.isEmpty, !label.contains(".") { return String(label) }
        }
        return nil
    }

    /// Tells addresses such as `127.0.0.1:10000` at once: no suffix ends as they do.
    private func mayEndInSuffix(_ host: String) -> Bool {
        let end = host.utf8.lastIndex(of: UInt8(ascii: ":")) ?? host.utf8.endIndex
        guard let last = host.utf8[..<end].last else { return false }
        return suffixes.contains { $0.utf8.last.map { $0 | 0x20 } == last | 0x20 }
    }

    /// In lower case and without the port.
    package static func hostName(_ host: String) -> String {
        let name = host.lowercased()
        if name.hasPrefix("[") {
            guard let close = name.firstIndex(of: "]") else { return name }
            return String(name[...close])
        }
        guard let colon = name.lastIndex(of: ":") else { return name }
        return String(name[..<colon])
    }
}
