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
    private static let encryption = [
        "x-ms-encryption-key", "x-ms-encryption-key-sha256", "x-ms-encryption-algorithm", "x-ms-encryption-scope",
        "x-ms-source-encryption-key",
    ]
    private static let immutability = ["x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode"]

    /// - Throws: 409 for customer keys and immutability, 400 for bodies in a framing that would be stored as it stands.
    static func check(_ headers: RequestHeaders) throws(AzureError) {
        for name in encryption where headers.has(name) {
            throw AzureError(
                .featureNotSupportedForAccount, message: "Customer-provided keys and encryption scopes are not supported.",
                details: [.init("HeaderName", name)])
        }
        for name in immutability where headers.has(name) {
            throw AzureError(
                .featureNotSupportedForAccount, message: "Immutability policies are not supported.",
                details: [.init("HeaderName", name)])
        }
        if try headers.boolean("x-ms-legal-hold") == true {
            throw AzureError(
                .featureNotSupportedForAccount, message: "Legal holds are not supported.",
                details: [.init("HeaderName", "x-ms-legal-hold")])
        }
        for name in ["x-ms-structured-body", "x-ms-structured-content-length"] {
            if let value = headers[name] { throw .unsupportedHeader(name, value) }
        }
    }
}
