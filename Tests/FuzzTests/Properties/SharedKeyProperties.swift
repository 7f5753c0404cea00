import StorageModel

@testable import AzureWire

/// The text under a signature is what the documentation says, in whatever order headers and parameters came; what was
/// signed verifies, what was changed does not.
enum SharedKeyProperties {
    /// The first line is method and target, the others are headers.
    static func check(_ input: [UInt8]) throws {
        try authorizationHeader(String(decoding: input.prefix { $0 != 0x0A }, as: UTF8.self))
        var choices = Choices(input)
        let lines = lines(of: input)
        let words = lines[0].split(separator: " ", maxSplits: 1)
        guard words.count == 2, let target = RequestTarget(String(words[1])), let query = QueryString(target.rawQuery)
        else { return }
        let headers = lines.dropFirst().compactMap(header)
        for style in [AddressingStyle.path, .host] {
            for version in [ServiceVersion.first, .emptyContentLengthSigned, .structuredBodies] {
                let request = SharedKeyRequest(
                    method: String(words[0]), rawPath: target.rawPath, account: "acc", style: style, query: query,
                    headers: SignableHeaders(headers), version: version)
                guard request.headers.duplicate == nil else {
                    return try hold(
                        verify(request, .full, "AAAA") == .duplicateHeader(request.headers.duplicate ?? ""),
                        "a header that stands twice passed")
                }
                try reference(request, headers)
                try order(request, headers, &choices)
                try signatures(request)
            }
        }
    }

    private static let key = AccountKey(bytes: Array("a key of thirty-two bytes, or so".utf8))
    private static let other = AccountKey(bytes: [1, 2, 3])

    private static func verify(
        _ request: SharedKeyRequest, _ scheme: SharedKeyScheme, _ signature: String
    ) -> SharedKey.Verdict {
        SharedKey.verify(request, scheme: scheme, signature: signature, keys: [other, key])
    }

    /// "Authorize with Shared Key", word for word.
    private static func reference(_ request: SharedKeyRequest, _ headers: [(name: String, value: String)]) throws {
        let given = Dictionary(
            headers.map { ($0.name.asciiLowercased, $0.value) }, uniquingKeysWith: { first, _ in first })
        let standard = [
            "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
            "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
        ]
        var lines = [request.method]
        for name in standard {
            var value = given[name] ?? ""
            if name == "content-length", value == "0", request.version >= .emptyContentLengthSigned { value = "" }
            if name == "date", given["x-ms-date"] != nil { value = "" }
            lines.append(value)
        }
        for name in given.keys.filter({ $0.hasPrefix("x-ms-") }).sorted(by: precedesByBytes) {
            let value = given[name] ?? ""
            if value.isEmpty, request.version < .emptyHeadersSigned { continue }
            lines.append("\(name):\(value)")
        }
        lines.append("/acc\(request.rawPath)")
        var grouped: [[UInt8]: [String]] = [:]
        for parameter in request.query.parameters {
            grouped[Array(parameter.name.utf8), default: []] += [parameter.value]
        }
        for (name, values) in grouped.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            lines.append(
                "\(String(decoding: name, as: UTF8.self)):"
                    + values.sorted(by: precedesByBytes).joined(separator: ","))
        }
        let expected = lines.joined(separator: "\n")
        let text = request.stringToSign(.full)
        try hold(sameBytes(text, expected), "\(text.debugDescription) instead of \(expected.debugDescription)")
    }

    private static func precedesByBytes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    private static func order(
        _ request: SharedKeyRequest, _ headers: [(name: String, value: String)], _ choices: inout Choices
    ) throws {
        var shuffled = request
        shuffled.headers = SignableHeaders(headers.shuffled(using: &choices))
        shuffled.query = QueryString(parameters: request.query.parameters.shuffled(using: &choices))
        for spelling in request.spellings() {
            try hold(
                request.bytesToSign(.full, spelling) == shuffled.bytesToSign(.full, spelling),
                "the order of headers and parameters decides under \(spelling)")
        }
        try hold(Set(request.spellings()) == Set(shuffled.spellings()), "the order decides the spellings")
    }

    private static func signatures(_ request: SharedKeyRequest) throws {
        for scheme in [SharedKeyScheme.full, .lite] {
            for spelling in request.spellings() {
                let code = key.sign(request.bytesToSign(scheme, spelling))
                let verdict = verify(request, scheme, Base64.encode(code))
                try hold(verdict == .valid(key: 1), "\(verdict) for what was signed under \(spelling)")
            }
            var code = key.sign(request.bytesToSign(scheme, .plain))
            code[7] ^= 1
            let refused = SharedKey.Verdict.invalid(stringToSign: request.stringToSign(scheme))
            try hold(verify(request, scheme, Base64.encode(code)) == refused, "a changed signature passed")
            try hold(verify(request, scheme, "") == refused, "no signature passed")
        }
        var changed = request
        changed.rawPath += "x"
        let signature = SharedKey.signature(request, scheme: .full, key: key)
        try hold(verify(changed, .full, signature) != .valid(key: 1), "a changed path passed")
    }

    private static func authorizationHeader(_ text: String) throws {
        switch AuthorizationHeader(text) {
        case nil: return
        case .bearer(let token)?:
            try hold(AuthorizationHeader("bearer \(token)") == .bearer(token: token), "\(token) is another token")
        case .sharedKey(let scheme, let account, let signature)?:
            let again = "\(scheme == .full ? "SharedKey" : "SharedKeyLite")  \(account):\(signature)"
            try hold(
                AuthorizationHeader(again) == .sharedKey(scheme, account: account, signature: signature),
                "\(again) is another credential")
        }
    }
}
