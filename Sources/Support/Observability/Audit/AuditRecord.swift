package import StorageModel

/// One request as the audit trail shows it: a line of JSON with the column names of Azure Monitor's StorageBlobLogs.
package struct AuditRecord: Sendable {
    package var timeGenerated: Timestamp
    package var operationName: String
    package var category: String
    package var statusCode: Int
    package var statusText: String
    package var authenticationType: String?
    /// `ip:port`.
    package var callerAddress: String
    package var clientRequestID: String?
    /// The server's own request id.
    package var correlationID: String
    package var userAgent: String?
    package var referrer: String?
    /// With signatures replaced.
    package var uri: String
    /// `HTTP` or `HTTPS`.
    package var protocolName: String
    package var tlsVersion: String?
    package var operationVersion: String?
    package var accountName: String?
    package var requestHeaderBytes: Int64
    package var requestBodyBytes: Int64
    package var responseHeaderBytes: Int64
    package var responseBodyBytes: Int64
    /// Content-Length as the client declared it.
    package var declaredBodyBytes: Int64?
    package var durationNanoseconds: Int64
    package var serverLatencyNanoseconds: Int64
    package var etag: String?
    package var objectKey: String?

    package init(
        timeGenerated: Timestamp, operationName: String, category: String, statusCode: Int, statusText: String,
        callerAddress: String, correlationID: String, uri: String, protocolName: String
    ) {
        self.timeGenerated = timeGenerated
        self.operationName = operationName
        self.category = category
        self.statusCode = statusCode
        self.statusText = statusText
        self.callerAddress = callerAddress
        self.correlationID = correlationID
        self.uri = uri
        self.protocolName = protocolName
        requestHeaderBytes = 0
        requestBodyBytes = 0
        responseHeaderBytes = 0
        responseBodyBytes = 0
        durationNanoseconds = 0
        serverLatencyNanoseconds = 0
    }

    /// The record as one line, with its end. Columns that do not apply are left out.
    package func line() -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 1024)
        json.object { json in
            json.member("TimeGenerated", CivilTime(timeGenerated).rfc3339(fractionDigits: 7))
            json.member("OperationName", operationName)
            json.member("Category", category)
            json.member("StatusCode", String(statusCode))
            json.member("StatusText", statusText)
            if let authenticationType { json.member("AuthenticationType", authenticationType) }
            json.member("CallerIpAddress", callerAddress)
            if let clientRequestID { json.member("ClientRequestId", clientRequestID) }
            json.member("CorrelationId", correlationID)
            if let userAgent { json.member("UserAgentHeader", userAgent) }
            if let referrer { json.member("ReferrerHeader", referrer) }
            json.member("Uri", uri)
            json.member("Protocol", protocolName)
            if let tlsVersion { json.member("TlsVersion", tlsVersion) }
            if let operationVersion { json.member("OperationVersion", operationVersion) }
            json.member("OperationCount", 0)
            json.member("ServiceType", "blob")
            if let accountName { json.member("AccountName", accountName) }
            json.member("RequestHeaderSize", requestHeaderBytes)
            json.member("RequestBodySize", requestBodyBytes)
            json.member("ResponseHeaderSize", responseHeaderBytes)
            json.member("ResponseBodySize", responseBodyBytes)
            if let declaredBodyBytes { json.member("ContentLengthHeader", declaredBodyBytes) }
            json.member("DurationMs", millisecondsFromNanoseconds: durationNanoseconds)
            json.member("ServerLatencyMs", millisecondsFromNanoseconds: serverLatencyNanoseconds)
            if let etag { json.member("Etag", etag) }
            if let objectKey { json.member("ObjectKey", objectKey) }
            json.member("SchemaVersion", "1.0")
        }
        json.newline()
        return json.bytes
    }
}
