import AzureWire
import StorageModel

extension RequestHeaders {
    /// The headers that describe a blob's content, in the `x-ms-blob-` form.
    func blobContentHeaders() throws(AzureError) -> ContentHeaders {
        ContentHeaders(
            contentType: self["x-ms-blob-content-type"] ?? ContentHeaders.defaultContentType,
            contentEncoding: self["x-ms-blob-content-encoding"],
            contentLanguage: self["x-ms-blob-content-language"],
            contentDisposition: self["x-ms-blob-content-disposition"],
            cacheControl: self["x-ms-blob-cache-control"],
            contentMD5: try md5("x-ms-blob-content-md5"))
    }

    /// Put Blob also takes the plain headers of the request itself where the `x-ms-blob-` form is absent.
    func putBlobContentHeaders() throws(AzureError) -> ContentHeaders {
        var headers = try blobContentHeaders()
        if !has("x-ms-blob-content-type"), let type = self["Content-Type"] { headers.contentType = type }
        headers.contentEncoding = headers.contentEncoding ?? self["Content-Encoding"]
        headers.contentLanguage = headers.contentLanguage ?? self["Content-Language"]
        headers.cacheControl = headers.cacheControl ?? self["Cache-Control"]
        return headers
    }

    /// Whether any header of the `x-ms-blob-` form is there that replaces a copied one.
    var givesBlobContentHeaders: Bool {
        ["type", "encoding", "language", "disposition", "md5"].contains { has("x-ms-blob-content-\($0)") }
            || has("x-ms-blob-cache-control")
    }
}

/// Headers that ask for something this node does not do. To ignore them would be a pretended success.
enum RefusedHeaders {
    private enum Kind { case encryption, immutability, legalHold }

    private static let kinds: [String: Kind] = [
        "x-ms-encryption-key": .encryption, "x-ms-encryption-key-sha256": .encryption,
        "x-ms-encryption-algorithm": .encryption, "x-ms-encryption-scope": .encryption,
        "x-ms-source-encryption-key": .encryption, "x-ms-source-encryption-key-sha256": .encryption,
        "x-ms-source-encryption-algorithm": .encryption,
        "x-ms-immutability-policy-until-date": .immutability, "x-ms-immutability-policy-mode": .immutability,
        "x-ms-legal-hold": .legalHold,
    ]
    /// How these names go on after `x-ms-`: most headers are out after one comparison.
    private static let initials = Set(kinds.keys.compactMap { $0.utf8.dropFirst(5).first })

    /// - Throws: 409 for customer keys, immutability and legal holds.
    static func check(_ headers: RequestHeaders) throws(AzureError) {
        for field in headers.fields {
            guard field.name.utf8.count > 5, let initial = field.name.utf8.dropFirst(5).first,
                initials.contains(initial | 0x20), let kind = kinds[field.name.lowercased()], headers.has(field.name)
            else { continue }
            switch kind {
            case .encryption: throw refusal(field.name, "Customer-provided keys and encryption scopes")
            case .immutability: throw refusal(field.name, "Immutability policies")
            case .legalHold:
                if try headers.boolean(field.name) == true { throw refusal(field.name, "Legal holds") }
            }
        }
    }

    private static func refusal(_ name: String, _ feature: String) -> AzureError {
        AzureError(
            .featureNotSupportedForAccount, message: "\(feature) are not supported.",
            details: [.init("HeaderName", name)])
    }
}
