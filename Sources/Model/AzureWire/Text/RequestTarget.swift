/// A request target split but not decoded: signatures cover the path as it was sent.
package struct RequestTarget: Sendable, Hashable {
    /// Only in the absolute form, which proxies use.
    package var authority: String?
    /// Begins with `/`.
    package var rawPath: String
    /// Without the `?`; empty when there is none.
    package var rawQuery: String

    /// Reads the origin form (`/path?query`), the absolute form (`http://host/path?query`) and `*` (as `/`).
    package init?(_ target: String) {
        var rest = target[...]
        if rest == "*" {
            self.init(authority: nil, rawPath: "/", rawQuery: "")
            return
        }
        var authority: String?
        if rest.utf8.first != UInt8(ascii: "/") {
            let schemes: [StaticString] = ["http://", "https://"]
            guard let scheme = schemes.first(where: { rest.hasPrefixIgnoringASCIICase($0) }) else { return nil }
            rest = Substring(rest.utf8.dropFirst(scheme.utf8CodeUnitCount))
            let stop = rest.utf8.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
            guard stop > rest.startIndex else { return nil }
            authority = String(rest[..<stop])
            rest = rest[stop...]
        }
        let fragment = rest.utf8.firstIndex(of: UInt8(ascii: "#")) ?? rest.endIndex
        rest = rest[..<fragment]
        let question = rest.utf8.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
        let path = rest[..<question]
        let query = question < rest.endIndex ? rest[rest.utf8.index(after: question)...] : ""
        self.init(authority: authority, rawPath: path.isEmpty ? "/" : String(path), rawQuery: String(query))
    }

    package init(authority: String?, rawPath: String, rawQuery: String) {
        self.authority = authority
        self.rawPath = rawPath
        self.rawQuery = rawQuery
    }
}

/// Where the account's name stands in a URL.
package enum AddressingStyle: Sendable, Hashable {
    /// `https://ACCOUNT.blob.SUFFIX/CONTAINER/BLOB`
    case host
    /// `http://HOST:PORT/ACCOUNT/CONTAINER/BLOB`
    case path
}

/// The segments of a raw path. Only a literal `/` separates: `%2F` belongs to the blob's name.
package struct RawResourcePath: Sendable, Hashable {
    /// Path style only; without an escape decoded. `nil` for `/`.
    package var account: Substring?
    package var container: Substring?
    /// Everything after the container's slash; `nil` when there is none, or nothing after it.
    package var blob: Substring?
    /// `/container/`: a slash with nothing after it. Matters for `$root`, whose blobs hide the container's name.
    package var containerEndsInSlash = false

    package init(_ rawPath: String, style: AddressingStyle) {
        var rest: Substring? =
            rawPath.utf8.first == UInt8(ascii: "/") ? Substring(rawPath.utf8.dropFirst()) : rawPath[...]
        if style == .path { account = Self.takeSegment(&rest) }
        container = Self.takeSegment(&rest)
        if let rest {
            if rest.isEmpty { containerEndsInSlash = container != nil } else { blob = rest }
        }
    }

    package var containerName: String? { container.flatMap { PercentCoding.decode($0) } }
    package var blobName: String? { blob.flatMap { PercentCoding.decode($0) } }

    /// Takes the text before the next slash. `rest` becomes `nil` when no slash is left.
    private static func takeSegment(_ rest: inout Substring?) -> Substring? {
        guard let text = rest else { return nil }
        guard let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")) else {
            rest = nil
            return text.isEmpty ? nil : text
        }
        rest = text[text.utf8.index(after: slash)...]
        return text[..<slash]
    }
}
