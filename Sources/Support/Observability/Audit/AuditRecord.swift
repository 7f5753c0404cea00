package import StorageModel

/// One request as the audit trail shows it: a line of JSON with the column names of Azure Monitor's StorageBlobLogs.
package struct AuditRecord: Sendable {
    package var timeGenerated: Timestamp
    package var operationName: String
    package var category: String
    package var statusCode: Int
    package var statusText: String
    /// Who asked; `nil` when the request did not get that far.
    package var requester: RequesterFacts?
    /// `ip:port`.
    package var callerAddress: String
    package var clientRequestID: String?
    /// The server's own request id.
    package var correlationID: String
    package var userAgent: String?
    /// With signatures replaced.
    package var referrer: String?
    package var accept: String?
    /// With signatures replaced.
    package var uri: String
    /// `HTTP` or `HTTPS`.
    package var protocolName: String
    /// `TLS 1.2`; `nil` without TLS.
    package var tlsVersion: String?
    /// The LINKID of the private endpoint that the connection came through. A column of ours.
    package var privateLinkID: UInt32?
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
    /// The answer's Last-Modified header.
    package var lastModified: String?
    /// Conditional headers of the request, as name and value.
    package var conditions: [(name: String, value: String)]
    /// Base64, as the client gave it.
    package var requestMD5: String?
    /// Base64, as the answer gave it.
    package var responseMD5: String?
    package var accessTier: String?
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
        conditions = []
    }

    /// How long a column may be that a client fills, in bytes.
    package static let longestColumnBytes = 2 * 1024
    /// The same for the URI, whose names Azure allows to be longer.
    package static let longestURIBytes = 8 * 1024

    /// Cuts what a client can make as long as it likes: one request must not have a line of a hundred kilobytes.
    mutating func cutColumns() {
        Self.cut(&uri, Self.longestURIBytes)
        Self.cut(&referrer)
        Self.cut(&userAgent)
        Self.cut(&accept)
        Self.cut(&clientRequestID)
        Self.cut(&requestMD5)
        Self.cut(&accessTier)
        guard conditions.reduce(0, { $0 + $1.value.utf8.count }) > Self.longestColumnBytes else { return }
        // A client that repeats them can make them many as well as long.
        if conditions.count > 4 { conditions.removeSubrange(4...) }
        for index in conditions.indices { Self.cut(&conditions[index].value, Self.longestColumnBytes / 4) }
    }

    private static func cut(_ column: inout String?) {
        guard var text = column, text.utf8.count > longestColumnBytes else { return }
        cut(&text, longestColumnBytes)
        column = text
    }

    private static func cut(_ text: inout String, _ limit: Int) {
        let bytes = text.utf8
        guard bytes.count > limit else { return }
        var end = bytes.index(bytes.startIndex, offsetBy: limit)
        // Not within a character.
        while end > bytes.startIndex, bytes[end] & 0xC0 == 0x80 { end = bytes.index(before: end) }
        text = "\(text[..<end])[... \(bytes[end...].count) bytes cut]"
    }

    /// About how much memory the record takes while it waits.
    var weight: Int {
        func bytes(_ text: String?) -> Int { text?.utf8.count ?? 0 }
        var weight = MemoryLayout<AuditRecord>.size + uri.utf8.count + callerAddress.utf8.count
        weight += bytes(clientRequestID) + bytes(userAgent) + bytes(referrer) + bytes(accept) + bytes(objectKey)
        weight += bytes(etag) + bytes(requestMD5) + bytes(responseMD5) + bytes(accessTier)
        for condition in conditions { weight += condition.value.utf8.count + MemoryLayout<(String, String)>.size }
        return weight + (requester?.weight ?? 0)
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
            if let requester { write(requester, to: &json) }
            json.member("CallerIpAddress", callerAddress)
            if let clientRequestID { json.member("ClientRequestId", clientRequestID) }
            json.member("CorrelationId", correlationID)
            if let userAgent { json.member("UserAgentHeader", userAgent) }
            if let referrer { json.member("ReferrerHeader", referrer) }
            if let accept { json.member("AcceptHeader", accept) }
            json.member("Uri", uri)
            json.member("Protocol", protocolName)
            if let tlsVersion { json.member("TlsVersion", tlsVersion) }
            if let privateLinkID { json.member("PrivateLinkId", privateLinkID) }
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
            if let lastModified, let time = CivilTime.rfc3339(httpDate: lastModified) {
                json.member("LastModifiedTime", time)
            }
            if !conditions.isEmpty {
                json.member("ConditionsUsed", conditions.map { "\($0.name)=\($0.value)" }.joined(separator: ";"))
            }
            if let requestMD5 { json.member("RequestMd5", requestMD5) }
            if let responseMD5 { json.member("ResponseMd5", responseMD5) }
            if let accessTier { json.member("AccessTier", accessTier) }
            if let objectKey { json.member("ObjectKey", objectKey) }
            json.member("SchemaVersion", "1.0")
        }
        json.newline()
        return json.bytes
    }

    private func write(_ requester: RequesterFacts, to json: inout JSONWriter) {
        json.member("AuthenticationType", requester.authenticationType)
        let columns = [
            ("AuthenticationHash", requester.authenticationHash), ("RequesterObjectId", requester.objectID),
            ("RequesterTenantId", requester.tenantID), ("RequesterAppId", requester.applicationID),
            ("RequesterAudience", requester.audience), ("RequesterTokenIssuer", requester.tokenIssuer),
            ("RequesterUpn", requester.userPrincipalName),
        ]
        for (name, value) in columns { if let value { json.member(name, value) } }
        guard !requester.authorization.isEmpty else { return }
        json.array("AuthorizationDetails") { json in
            for entry in requester.authorization {
                json.object { json in
                    json.member("action", entry.action)
                    if let id = entry.roleAssignmentID { json.member("roleAssignmentId", id) }
                    if let id = entry.roleDefinitionID { json.member("roleDefinitionId", id) }
                    if let id = entry.principalID {
                        json.array("principals") { json in
                            json.object { json in
                                json.member("id", id)
                                if let type = entry.principalType { json.member("type", type) }
                            }
                        }
                    }
                    json.member("result", entry.result)
                    if let reason = entry.reason { json.member("reason", reason) }
                }
            }
        }
    }
}
