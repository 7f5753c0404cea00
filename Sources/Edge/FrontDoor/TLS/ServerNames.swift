/// Which of several certificates a client gets, by the name that it asks for (SNI, RFC 6066, section 3).
struct ServerNames: Sendable {
    private var exact: [String: Int] = [:]
    /// Without their `*.`.
    private var wildcards: [String: Int] = [:]

    /// - Parameter names: of each certificate, in the order of precedence; the first that has a name gets it.
    init(_ names: [[String]]) {
        for (index, names) in names.enumerated() {
            for name in names.map(Self.canonical) {
                if name.hasPrefix("*.") {
                    let parent = String(name.dropFirst(2))
                    if wildcards[parent] == nil { wildcards[parent] = index }
                } else if exact[name] == nil {
                    exact[name] = index
                }
            }
        }
    }

    /// The certificate for a name; the first one when none has it, and for a client that names nothing. A wildcard stands
    /// for one label (RFC 9525, section 6.3), and a full name beats it.
    func index(of name: String?) -> Int {
        guard let name = name.map(Self.canonical) else { return 0 }
        if let index = exact[name] { return index }
        guard let dot = name.firstIndex(of: "."), dot > name.startIndex else { return 0 }
        return wildcards[String(name[name.index(after: dot)...])] ?? 0
    }

    private static func canonical(_ name: String) -> String {
        let lowered = name.lowercased()
        return lowered.hasSuffix(".") ? String(lowered.dropLast()) : lowered
    }
}
