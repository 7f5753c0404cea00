/// A refusal as the service words it: what a protocol operation throws, and what becomes the status, the headers and
/// the body of the answer.
package struct AzureError: Error, Sendable, Equatable {
    package struct Field: Sendable, Hashable {
        package var name: String
        package var value: String
        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package var code: AzureErrorCode
    /// In the place of the code's own status.
    package var statusOverride: Int?
    /// In the place of the code's own message.
    package var messageOverride: String?
    /// Elements of the body after `Message`, in this order.
    package var details: [Field]
    /// Extra headers of the answer, such as `Content-Range` or `Retry-After`.
    package var headers: [Field]

    package var status: Int { statusOverride ?? code.status }
    package var message: String { messageOverride ?? code.message }

    package init(
        _ code: AzureErrorCode, status: Int? = nil, message: String? = nil, details: [Field] = [], headers: [Field] = []
    ) {
        self.code = code
        statusOverride = status
        messageOverride = message
        self.details = details
        self.headers = headers
    }
}

// The refusals that carry details. Source of the element names: the error code pages.
extension AzureError {
    package static func invalidHeaderValue(_ name: String, _ value: String) -> Self {
        Self(.invalidHeaderValue, details: [Field("HeaderName", name), Field("HeaderValue", bounded(value))])
    }

    package static func unsupportedHeader(_ name: String, _ value: String) -> Self {
        Self(.unsupportedHeader, details: [Field("HeaderName", name), Field("HeaderValue", bounded(value))])
    }

    package static func missingRequiredHeader(_ name: String) -> Self {
        Self(.missingRequiredHeader, details: [Field("HeaderName", name)])
    }

    package static func invalidQueryParameter(_ name: String, _ value: String, reason: String? = nil) -> Self {
        var details = [Field("QueryParameterName", name), Field("QueryParameterValue", bounded(value))]
        if let reason { details.append(Field("Reason", reason)) }
        return Self(.invalidQueryParameterValue, details: details)
    }

    package static func outOfRangeQueryParameter(_ name: String, _ value: String, minimum: Int, maximum: Int) -> Self {
        Self(
            .outOfRangeQueryParameterValue,
            details: [
                Field("QueryParameterName", name), Field("QueryParameterValue", bounded(value)),
                Field("MinimumAllowed", String(minimum)), Field("MaximumAllowed", String(maximum)),
            ])
    }

    package static func missingRequiredQueryParameter(_ name: String) -> Self {
        Self(.missingRequiredQueryParameter, details: [Field("QueryParameterName", name)])
    }

    package static func invalidXMLNode(_ name: String, _ value: String) -> Self {
        Self(.invalidXmlNodeValue, details: [Field("XmlNodeName", name), Field("XmlNodeValue", bounded(value))])
    }

    package static func missingXMLNode(_ name: String) -> Self {
        Self(.missingRequiredXmlNode, details: [Field("XmlNodeName", name)])
    }

    package static func unsupportedXMLNode(_ name: String) -> Self {
        Self(.unsupportedXmlNode, details: [Field("XmlNodeName", bounded(name))])
    }

    package static func invalidXML(line: Int, column: Int, reason: String) -> Self {
        Self(
            .invalidXmlDocument,
            details: [
                Field("LineNumber", String(line)), Field("LinePosition", String(column)), Field("Reason", reason),
            ])
    }

    package static func invalidXML(reason: String) -> Self {
        Self(.invalidXmlDocument, details: [Field("Reason", reason)])
    }

    package static func bodyTooLarge(limit: Int64) -> Self {
        Self(.requestBodyTooLarge, details: [Field("MaxLimit", String(limit))])
    }

    package static func blockListTooLong(limit: Int) -> Self {
        Self(.blockListTooLong, details: [Field("MaxLimit", String(limit))])
    }

    package static func authenticationFailed(detail: String) -> Self {
        Self(.authenticationFailed, details: [Field("AuthenticationErrorDetail", detail)])
    }

    /// The service's version header with a date that it does not serve.
    package static func unsupportedVersion(_ value: String) -> Self { invalidHeaderValue("x-ms-version", value) }

    /// What a client sent comes back to it, but never without a bound.
    static func bounded(_ value: String) -> String {
        value.utf8.count <= 1_024 ? value : String(value.prefix(256))
    }
}
