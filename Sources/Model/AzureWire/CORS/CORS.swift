package import StorageModel

/// Cross-origin rules applied to a request. Source: "Cross-Origin Resource Sharing (CORS) support for Azure Storage".
package enum CORS {
    package typealias Rule = ServiceProperties.CORSRule
    package typealias Headers = [(name: String, value: String)]

    /// The headers of a 200 to a preflight request.
    /// - Throws: InvalidHeaderValue when a header that makes it a preflight is missing, CorsPreflightFailure when no
    ///   rule allows the request.
    package static func preflight(
        origin: String?, method: String?, requestHeaders: String?, rules: [Rule]
    ) throws(AzureError) -> Headers {
        guard let origin, !origin.isEmpty else { throw missing("Origin") }
        guard let method, !method.isEmpty else { throw missing("Access-Control-Request-Method") }
        let wanted = (requestHeaders ?? "").split(separator: ",").map { $0.trimmingBlanks }.filter { !$0.isEmpty }
        guard let (rule, isAny) = match(origin, method, rules),
            wanted.allSatisfy({ header in rule.allowedHeaders.contains { allows($0, header) } })
        else { throw AzureError(.corsPreflightFailure) }
        var headers: Headers = [
            ("Access-Control-Allow-Origin", isAny ? "*" : origin), ("Access-Control-Allow-Methods", method),
        ]
        if !wanted.isEmpty { headers.append(("Access-Control-Allow-Headers", wanted.joined(separator: ","))) }
        headers.append(("Access-Control-Max-Age", String(rule.maxAgeSeconds)))
        if !isAny { headers.append(("Access-Control-Allow-Credentials", "true")) }
        return headers
    }

    /// The headers that the answer to an actual request carries besides its own.
    /// - Parameter responseHeaders: the answer's own names: those that an exposed prefix covers are named to the
    ///   browser.
    package static func actual(
        origin: String?, method: String, responseHeaders: [String] = [], rules: [Rule]
    ) -> Headers {
        guard let origin, !origin.isEmpty, !rules.isEmpty else { return [] }
        let varies = method == "GET" || method == "HEAD"
        guard let (rule, isAny) = match(origin, method, rules) else { return varies ? [("Vary", "Origin")] : [] }
        var headers: Headers = [("Access-Control-Allow-Origin", isAny ? "*" : origin)]
        let exposed = exposedNames(rule.exposedHeaders, responseHeaders)
        if !exposed.isEmpty { headers.append(("Access-Control-Expose-Headers", exposed.joined(separator: ","))) }
        if !isAny {
            headers.append(("Access-Control-Allow-Credentials", "true"))
            if varies { headers.append(("Vary", "Origin")) }
        }
        return headers
    }

    private static func missing(_ name: String) -> AzureError {
        AzureError(
            .invalidHeaderValue, message: "A required CORS header is not present.",
            details: [AzureError.Field("HeaderName", name), AzureError.Field("HeaderValue", "")])
    }

    /// The first rule with the origin and the method decides; a later one is not asked.
    private static func match(_ origin: String, _ method: String, _ rules: [Rule]) -> (rule: Rule, isAny: Bool)? {
        for rule in rules where rule.allowedMethods.contains(method) {
            if rule.allowedOrigins.contains("*") { return (rule, true) }
            if rule.allowedOrigins.contains(origin) { return (rule, false) }
        }
        return nil
    }

    /// A pattern is a header's name, `*`, or the beginning of names with `*` behind it.
    private static func allows(_ pattern: String, _ header: some StringProtocol) -> Bool {
        guard pattern.utf8.last == UInt8(ascii: "*") else { return header.equalsIgnoringASCIICase(pattern) }
        let prefix = pattern.utf8.dropLast()
        return header.utf8.count >= prefix.count
            && header.utf8.prefix(prefix.count).elementsEqual(prefix) { $0.lowercased == $1.lowercased }
    }

    private static func exposedNames(_ patterns: [String], _ responseHeaders: [String]) -> [String] {
        var names: [String] = []
        for pattern in patterns {
            if pattern.utf8.last != UInt8(ascii: "*") {
                names.append(pattern)
                continue
            }
            for header in responseHeaders where allows(pattern, header) && !names.contains(header) {
                names.append(header)
            }
        }
        return names
    }
}
