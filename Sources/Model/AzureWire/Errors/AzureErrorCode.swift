/// A code of the service with the HTTP status and the message that go with it by default.
/// Sources: "Common REST API error codes", "Blob service error codes".
package struct AzureErrorCode: Hashable, Sendable {
    package let name: String
    package let status: Int
    package let message: String

    package init(_ name: String, _ status: Int, _ message: String) {
        self.name = name
        self.status = status
        self.message = message
    }

    package static func == (left: Self, right: Self) -> Bool { left.name == right.name }
    package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

// Common to the storage services.
extension AzureErrorCode {
    package static let accountAlreadyExists = Self("AccountAlreadyExists", 409, "The specified account already exists.")
    package static let accountBeingCreated = Self(
        "AccountBeingCreated", 409, "The specified account is in the process of being created.")
    package static let accountIsDisabled = Self("AccountIsDisabled", 403, "The specified account is disabled.")
    package static let accountRequiresHttps = Self(
        "AccountRequiresHttps", 400, "The account being accessed does not support http.")
    package static let authenticationFailed = Self(
        "AuthenticationFailed", 403,
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
            + "including the signature.")
    package static let authorizationFailure = Self(
        "AuthorizationFailure", 403, "This request is not authorized to perform this operation.")
    package static let authorizationPermissionMismatch = Self(
        "AuthorizationPermissionMismatch", 403,
        "This request is not authorized to perform this operation using this permission.")
    package static let authorizationProtocolMismatch = Self(
        "AuthorizationProtocolMismatch", 403,
        "This request is not authorized to perform this operation using this protocol.")
    package static let authorizationResourceTypeMismatch = Self(
        "AuthorizationResourceTypeMismatch", 403,
        "This request is not authorized to perform this operation using this resource type.")
    package static let authorizationServiceMismatch = Self(
        "AuthorizationServiceMismatch", 403,
        "This request is not authorized to perform this operation using this service.")
    package static let authorizationSourceIPMismatch = Self(
        "AuthorizationSourceIPMismatch", 403,
        "This request is not authorized to perform this operation using this source IP.")
    package static let conditionHeadersNotSupported = Self(
        "ConditionHeadersNotSupported", 400, "Condition headers are not supported.")
    package static let conditionNotMet = Self(
        "ConditionNotMet", 412, "The condition specified using HTTP conditional header(s) is not met.")
    package static let emptyMetadataKey = Self(
        "EmptyMetadataKey", 400, "The key for one of the metadata key-value pairs is empty.")
    package static let featureVersionMismatch = Self(
        "FeatureVersionMismatch", 409, "The operation for this resource needs a newer version of the service.")
    package static let insufficientAccountPermissions = Self(
        "InsufficientAccountPermissions", 403,
        "The account being accessed does not have sufficient permissions to execute this operation.")
    package static let internalError = Self(
        "InternalError", 500, "The server encountered an internal error. Please retry the request.")
    package static let invalidAuthenticationInfo = Self(
        "InvalidAuthenticationInfo", 400,
        "Authentication information is not given in the correct format. Check the value of Authorization header.")
    package static let invalidHeaderValue = Self(
        "InvalidHeaderValue", 400, "The value for one of the HTTP headers is not in the correct format.")
    package static let invalidHttpVerb = Self("InvalidHttpVerb", 400, "The HTTP verb specified is invalid.")
    package static let invalidInput = Self("InvalidInput", 400, "One of the request inputs is not valid.")
    package static let invalidMd5 = Self(
        "InvalidMd5", 400,
        "The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64 encoded.")
    package static let invalidMetadata = Self(
        "InvalidMetadata", 400, "The metadata specified is invalid. It has characters that are not permitted.")
    package static let invalidOperation = Self("InvalidOperation", 400, "The operation is not valid for this resource.")
    package static let invalidQueryParameterValue = Self(
        "InvalidQueryParameterValue", 400,
        "Value for one of the query parameters specified in the request URI is invalid.")
    package static let invalidRange = Self(
        "InvalidRange", 416, "The range specified is invalid for the current size of the resource.")
    package static let invalidResourceName = Self(
        "InvalidResourceName", 400, "The specified resource name contains invalid characters.")
    package static let invalidUri = Self(
        "InvalidUri", 400, "The requested URI does not represent any resource on the server.")
    package static let invalidXmlDocument = Self(
        "InvalidXmlDocument", 400, "XML specified is not syntactically valid.")
    package static let invalidXmlNodeValue = Self(
        "InvalidXmlNodeValue", 400, "The value for one of the XML nodes is not in the correct format.")
    package static let keyBasedAuthenticationNotPermitted = Self(
        "KeyBasedAuthenticationNotPermitted", 403, "Key based authentication is not permitted on this storage account.")
    package static let md5Mismatch = Self(
        "Md5Mismatch", 400,
        "The MD5 value specified in the request did not match with the MD5 value calculated by the server.")
    package static let crc64Mismatch = Self(
        "Crc64Mismatch", 400,
        "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.")
    package static let metadataTooLarge = Self(
        "MetadataTooLarge", 400, "The metadata specified exceeds the maximum permissible limit (8KB).")
    package static let missingContentLengthHeader = Self(
        "MissingContentLengthHeader", 411, "Content-Length HTTP header is missing.")
    package static let missingRequiredHeader = Self(
        "MissingRequiredHeader", 400, "An HTTP header that's mandatory for this request is not specified.")
    package static let missingRequiredQueryParameter = Self(
        "MissingRequiredQueryParameter", 400, "A query parameter that's mandatory for this request is not specified.")
    package static let missingRequiredXmlNode = Self(
        "MissingRequiredXmlNode", 400, "A required XML node was not specified in the request body.")
    package static let multipleConditionHeadersNotSupported = Self(
        "MultipleConditionHeadersNotSupported", 400, "Multiple condition headers are not supported.")
    package static let noAuthenticationInformation = Self(
        "NoAuthenticationInformation", 401,
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.")
    package static let operationTimedOut = Self(
        "OperationTimedOut", 500, "Operation could not be completed within the specified time.")
    package static let outOfRangeInput = Self("OutOfRangeInput", 400, "One of the request inputs is out of range.")
    package static let outOfRangeQueryParameterValue = Self(
        "OutOfRangeQueryParameterValue", 400,
        "One of the query parameters specified in the request URI is outside the permissible range.")
    package static let publicAccessNotPermitted = Self(
        "PublicAccessNotPermitted", 409, "Public access is not permitted on this storage account.")
    package static let requestBodyTooLarge = Self(
        "RequestBodyTooLarge", 413, "The request body is too large and exceeds the maximum permissible limit.")
    package static let requestUrlFailedToParse = Self(
        "RequestUrlFailedToParse", 400, "The url in the request could not be parsed.")
    package static let resourceAlreadyExists = Self(
        "ResourceAlreadyExists", 409, "The specified resource already exists.")
    package static let resourceNotFound = Self("ResourceNotFound", 404, "The specified resource does not exist.")
    package static let resourceTypeMismatch = Self(
        "ResourceTypeMismatch", 409, "The specified resource type does not match the type of the existing resource.")
    package static let serverBusy = Self(
        "ServerBusy", 503, "The server is currently unable to receive requests. Please retry your request.")
    package static let tlsVersionNotPermitted = Self(
        "TlsVersionNotPermitted", 400, "The TLS version of the connection is not permitted on this storage account.")
    package static let unsatisfiableCondition = Self(
        "UnsatisfiableCondition", 400,
        "The request includes an unsatisfiable condition for this operation.")
    package static let unsupportedHeader = Self(
        "UnsupportedHeader", 400, "One of the HTTP headers specified in the request is not supported.")
    package static let unsupportedHttpVerb = Self(
        "UnsupportedHttpVerb", 405, "The resource doesn't support specified Http Verb.")
    package static let unsupportedQueryParameter = Self(
        "UnsupportedQueryParameter", 400, "One of the query parameters specified in the request URI is not supported.")
    package static let unsupportedXmlNode = Self(
        "UnsupportedXmlNode", 400, "One of the XML nodes specified in the request body is not supported.")
    /// Ours, for operations out of scope: clients do not retry a 501.
    package static let notImplemented = Self(
        "NotImplemented", 501, "The requested operation is not implemented on the specified resource.")
}
