/// What a Shared Key signature covers. Source: "Authorize with Shared Key", version 2009-09-19 and later.
package struct SharedKeyRequest: Sendable {
    package var method: String
    /// The path exactly as on the request line.
    package var rawPath: String
    /// Without `-secondary`.
    package var account: String
    package var style: AddressingStyle
    package var query: QueryString
    package var headers: SignableHeaders
    package var version: ServiceVersion

    package init(
        method: String, rawPath: String, account: String, style: AddressingStyle, query: QueryString,
        headers: SignableHeaders, version: ServiceVersion
    ) {
        self.method = method
        self.rawPath = rawPath
        self.account = account
        self.style = style
        self.query = query
        self.headers = headers
        self.version = version
    }
}

/// Clients differ in a few spellings of the same request, and the service takes each of them.
struct SignatureSpelling: Hashable {
    enum HeaderOrder { case ordinal, weighted }
    enum Blanks { case asSent, collapsed }
    enum AccountInPath { case asSent, withoutSuffix }

    var order: HeaderOrder
    var blanks: Blanks
    var accountInPath: AccountInPath

    static let plain = Self(order: .ordinal, blanks: .asSent, accountInPath: .asSent)
}

extension SharedKeyRequest {
    /// The spellings under which this request could have been signed, the usual one first.
    func spellings() -> [SignatureSpelling] {
        let names = headers.extensions.map(\.name)
        let orders: [SignatureSpelling.HeaderOrder] =
            names == names.sorted(by: HeaderCollation.precedes) ? [.ordinal] : [.ordinal, .weighted]
        let blanks: [SignatureSpelling.Blanks] =
            headers.extensions.contains { $0.value != Self.collapsed($0.value) } ? [.asSent, .collapsed] : [.asSent]
        let paths: [SignatureSpelling.AccountInPath] =
            pathWithoutSuffix == nil ? [.asSent] : [.asSent, .withoutSuffix]
        var result: [SignatureSpelling] = []
        for path in paths {
            for blank in blanks {
                for order in orders {
                    result.append(SignatureSpelling(order: order, blanks: blank, accountInPath: path))
                }
            }
        }
        return result
    }

    /// The text under the signature, as UTF-8.
    package func stringToSign(_ scheme: SharedKeyScheme) -> String {
        String(decoding: bytesToSign(scheme, .plain), as: UTF8.self)
    }

    func bytesToSign(_ scheme: SharedKeyScheme, _ spelling: SignatureSpelling) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(512)
        text.append(contentsOf: method.utf8)
        text.append(newline)
        let slots = scheme == .full ? SignableHeaders.fullSlots : SignableHeaders.liteSlots
        for slot in slots { appendLine(slot, to: &text) }
        appendExtensions(spelling, to: &text)
        text.append(slash)
        text.append(contentsOf: account.utf8)
        let path = spelling.accountInPath == .withoutSuffix ? pathWithoutSuffix ?? rawPath : rawPath
        if path.isEmpty { text.append(slash) } else { text.append(contentsOf: path.utf8) }
        switch scheme {
        case .full: appendQuery(to: &text)
        case .lite:
            if let comp = query["comp"] {
                text.append(contentsOf: "?comp=".utf8)
                text.append(contentsOf: comp.utf8)
            }
        }
        return text
    }

    private func appendLine(_ slot: SignableHeaders.Slot, to text: inout [UInt8]) {
        defer { text.append(newline) }
        guard let value = headers[slot] else { return }
        if slot == .date, headers.hasExtensionDate { return }
        // Since 2015-02-21 a length of zero is signed as if it were absent.
        if slot == .contentLength, value == "0", version >= .emptyContentLengthSigned { return }
        text.append(contentsOf: value.utf8)
    }

    private func appendExtensions(_ spelling: SignatureSpelling, to text: inout [UInt8]) {
        let sorted: [SignableHeaders.Extension]
        switch spelling.order {
        case .ordinal: sorted = headers.extensions
        case .weighted: sorted = headers.extensions.sorted { HeaderCollation.precedes($0.name, $1.name) }
        }
        for header in sorted {
            if header.value.isEmpty, version < .emptyHeadersSigned { continue }
            text.append(contentsOf: header.name.utf8)
            text.append(UInt8(ascii: ":"))
            text.append(contentsOf: spelling.blanks == .asSent ? header.value.utf8 : Self.collapsed(header.value).utf8)
            text.append(newline)
        }
    }

    /// `\nname:value` for every parameter; names by their bytes, several values of a name sorted and joined by commas.
    private func appendQuery(to text: inout [UInt8]) {
        guard !query.parameters.isEmpty else { return }
        // Bytes decide, not characters: texts that Unicode calls equivalent are two names.
        let sorted = query.parameters.sorted {
            $0.name.utf8.elementsEqual($1.name.utf8)
                ? $0.value.utf8.lexicographicallyPrecedes($1.value.utf8)
                : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
        }
        var previous: String?
        for parameter in sorted {
            if let previous, parameter.name.utf8.elementsEqual(previous.utf8) {
                text.append(UInt8(ascii: ","))
            } else {
                text.append(newline)
                text.append(contentsOf: parameter.name.utf8)
                text.append(UInt8(ascii: ":"))
            }
            text.append(contentsOf: parameter.value.utf8)
            previous = parameter.name
        }
    }

    /// On the secondary endpoint some clients sign the path with the account's bare name, others as they send it.
    private var pathWithoutSuffix: String? {
        guard style == .path else { return nil }
        let prefix = "/\(account)-secondary"
        guard rawPath.hasPrefix(prefix) else { return nil }
        let rest = rawPath.utf8.dropFirst(prefix.utf8.count)
        guard rest.isEmpty || rest.first == slash else { return nil }
        return "/\(account)\(Substring(rest))"
    }

    /// Runs of blanks outside quotes as one space: what the documentation asks for and most clients leave out.
    static func collapsed(_ value: String) -> String {
        var bytes: [UInt8] = []
        var quoted = false
        var changed = false
        for byte in value.utf8 {
            if byte == UInt8(ascii: "\"") { quoted.toggle() }
            if byte.isBlank, !quoted {
                if bytes.last == UInt8(ascii: " ") {
                    changed = true
                    continue
                }
                if byte != UInt8(ascii: " ") { changed = true }
                bytes.append(UInt8(ascii: " "))
            } else {
                bytes.append(byte)
            }
        }
        return changed ? String(decoding: bytes, as: UTF8.self) : value
    }
}

private let newline = UInt8(ascii: "\n")
private let slash = UInt8(ascii: "/")
