import Glibc
import HTTPExchange
import NIOCore
import NIOHTTP1
import Observability
import StorageModel
import Testing

@testable import FrontDoor

/// What is written down about requests.
@Suite(.timeLimit(.minutes(5)))
struct RecordTests {
    @Test func countsAndAuditsEveryRequest() async throws {
        var template = Array("/tmp/forebay-record-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            close(descriptor)
            unlink(path)
        }
        let audit = try AuditLog(.file(path: path), metrics: MetricRegistry())
        let fixture = try await Fixture.start(audit: audit) { request in
            var response = await echoLength(request)
            response.audit.operationName = "PutBlob"
            response.audit.category = .write
            response.audit.clientRequestID = "mine"
            return response
        }
        let client = try await fixture.connect()
        try await client.send(
            "PUT /c/b?sig=secret&x=1 HTTP/1.1\r\nHost: acc.example\r\nUser-Agent: tester\r\nContent-Length: 5\r\n\r\nhello"
        )
        #expect(try await client.answer().status == 201)
        try await client.send("nonsense\r\n\r\n")
        #expect(try await client.answer().status == 400)
        await fixture.stop()
        await audit.close()
        let lines = try read(descriptor).split(separator: "\n")
        try #require(lines.count == 2)
        for column in [
            #""OperationName":"PutBlob""#, #""Category":"StorageWrite""#, #""StatusCode":"201""#,
            #""StatusText":"Success""#, #""ClientRequestId":"mine""#, #""UserAgentHeader":"tester""#,
            #""Uri":"http://acc.example/c/b?sig=REDACTED&x=1""#, #""Protocol":"HTTP""#, #""RequestBodySize":5"#,
            #""ContentLengthHeader":5"#, #""ResponseBodySize":1"#, #""CallerIpAddress":"127.0.0.1:"#,
            #""TimeGenerated":"1994-11-06T08:49:37.0000000Z""#,
        ] {
            #expect(lines[0].contains(column), "\(column) in \(lines[0])")
        }
        #expect(!lines[0].contains("secret"))
        #expect(lines[1].contains(#""StatusCode":"400""#))
        let labels = [
            MetricLabel("listener", "test"), MetricLabel("operation", "PutBlob"), MetricLabel("status", "201"),
        ]
        #expect(fixture.metrics.counter(.requests, labels).value == 1)
        #expect(fixture.metrics.counter(.requestBytes, [MetricLabel("listener", "test")]).value == 5)
        let refusals = [MetricLabel("listener", "test"), MetricLabel("reason", "malformed")]
        #expect(fixture.metrics.counter(.refusals, refusals).value == 1)
        let text = fixture.metrics.render()
        #expect(text.contains("forebay_http_connections{listener=\"test\"} 0\n"))
        #expect(text.contains("forebay_http_requests_in_flight{listener=\"test\"} 0\n"))
    }

    /// The columns that come from headers, from the connection and from who asked.
    @Test func auditsWhoAskedAndWithWhichHeaders() async throws {
        var template = Array("/tmp/forebay-record-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            close(descriptor)
            unlink(path)
        }
        let audit = try AuditLog(.file(path: path), metrics: MetricRegistry())
        let fixture = try await Fixture.start(audit: audit) { request in
            var response = HTTPResponse.text("x")
            response.headers = [
                "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT", "Content-MD5": "cg==", "x-ms-access-tier": "Hot",
            ]
            response.audit.requester = RequesterFacts(
                authenticationType: "OAuth", objectID: "oid", tenantID: "tid",
                authorization: [.init(action: "read", result: "Granted")])
            return response
        }
        let client = try await fixture.connect()
        try await client.send(
            "GET /c/b HTTP/1.1\r\nHost: h\r\nIF-MATCH: \"0x1\"\r\nIf-Modified-Since: yesterday\r\nIf-None-Match: *\r\n"
                + "If-Unmodified-Since: today\r\nContent-MD5: cQ==\r\nAccept: a/b\r\nReferer: http://r/?sig=abc\r\n"
                + "Authorization: Bearer secret\r\nUser-Agent: tester\r\n\r\n")
        #expect(try await client.answer().status == 200)
        await fixture.stop()
        await audit.close()
        let line = try read(descriptor)
        for column in [
            #""AuthenticationType":"OAuth""#, #""RequesterObjectId":"oid""#, #""RequesterTenantId":"tid""#,
            #""AuthorizationDetails":[{"action":"read","result":"Granted"}]"#, #""UserAgentHeader":"tester""#,
            #""ConditionsUsed":"If-Match=\"0x1\";If-Modified-Since=yesterday;If-None-Match=*;If-Unmodified-Since=today""#,
            #""RequestMd5":"cQ==""#, #""ResponseMd5":"cg==""#, #""AccessTier":"Hot""#, #""AcceptHeader":"a/b""#,
            #""LastModifiedTime":"1994-11-06T08:49:37Z""#, #""ReferrerHeader":"http://r/?sig=REDACTED""#,
        ] {
            #expect(line.contains(column), "\(column) in \(line)")
        }
        #expect(!line.contains("secret") && !line.contains("TlsVersion") && !line.contains("PrivateLinkId"))
    }

    @Test func countsAndAuditsTheRequestsInsideOfARequest() async throws {
        var template = Array("/tmp/forebay-record-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            close(descriptor)
            unlink(path)
        }
        let audit = try AuditLog(.file(path: path), metrics: MetricRegistry())
        let fixture = try await Fixture.start(audit: audit) { request in
            var response = HTTPResponse.text("x", status: .accepted)
            response.audit.operationName = "BlobBatch"
            for (index, status) in [HTTPResponseStatus.accepted, .notFound].enumerated() {
                var answer = HTTPResponse(status: status, headers: ["x-ms-access-tier": "Hot"])
                answer.audit.operationName = "DeleteBlob"
                answer.audit.category = .delete
                answer.audit.objectKey = "/a/c/\(index)"
                answer.audit.redactedURI = "http://h/a/c/\(index)?sig=REDACTED"
                answer.audit.requester = RequesterFacts(authenticationType: "SAS", authenticationHash: "h\(index)")
                response.parts.append(
                    PartRecord(
                        id: "part-\(index)", requestHeaders: ["If-Match": "*"], response: answer,
                        durationNanoseconds: 2_000_000))
            }
            return response
        }
        let client = try await fixture.connect()
        try await client.send("GET /?comp=batch HTTP/1.1\r\nHost: h\r\nUser-Agent: tester\r\n\r\n")
        #expect(try await client.answer().status == 202)
        await fixture.stop()
        await audit.close()
        let lines = try read(descriptor).split(separator: "\n")
        try #require(lines.count == 3)
        for (index, status) in [202, 404].enumerated() {
            for column in [
                #""OperationName":"DeleteBlob","Category":"StorageDelete","StatusCode":"\#(status)""#,
                #""CorrelationId":"part-\#(index)""#, #""AuthenticationHash":"h\#(index)""#,
                #""CallerIpAddress":"127.0.0.1:"#, #""Uri":"http://h/a/c/\#(index)?sig=REDACTED""#,
                #""ObjectKey":"/a/c/\#(index)""#, #""RequestBodySize":0"#, #""ResponseBodySize":0"#,
                #""DurationMs":2"#, #""ConditionsUsed":"If-Match=*""#, #""AccessTier":"Hot""#,
            ] {
                #expect(lines[index].contains(column), "\(column) in \(lines[index])")
            }
            let labels = [
                MetricLabel("listener", "test"), MetricLabel("operation", "DeleteBlob"),
                MetricLabel("status", "\(status)"),
            ]
            #expect(fixture.metrics.counter(.requests, labels).value == 1)
        }
        #expect(lines[2].contains(#""OperationName":"BlobBatch""#) && lines[2].contains("tester"))
    }

    @Test func requestsAreRefusedWhileTheirLinesCannotBeWritten() async throws {
        let failing = Signal()
        let metrics = MetricRegistry()
        let audit = try AuditLog(
            .file(path: "/dev/full"), overflow: .refuse, metrics: metrics,
            onTrouble: { if $0 == ENOSPC { failing.set() } })
        try await withDoor(audit: audit, service: { _ in .text("x") }) { fixture in
            let client = try await fixture.connect()
            try await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await client.answer().status == 200)
            await failing.wait()
            try await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await client.answer().status == 503)
        }
        #expect(metrics.counter(.auditDropped).value == 0)
        await audit.close()
    }

    @Test("the audit line says what the connection is: TLS, and whom a proxy speaks for")
    func auditsTheConnection() async throws {
        var template = Array("/tmp/forebay-record-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            close(descriptor)
            unlink(path)
        }
        let audit = try AuditLog(.file(path: path), metrics: MetricRegistry())
        let files = try TLSFiles()
        let sources = [IPRange(cidr: "127.0.0.1")].compactMap { $0 }
        let fixture = try await Fixture.start(
            audit: audit, tls: files.server(), proxySources: sources, describePeer)
        let header = ProxyHeaderTests.header(0x21, 0x11, ProxyHeaderTests.four)
        let client = try await fixture.connect(preamble: header, tls: files.client())
        try await client.send("GET /c/b HTTP/1.1\r\nHost: acc.example\r\n\r\n")
        #expect(try await client.answer().status == 200)
        await fixture.stop()
        await audit.close()
        let line = try read(descriptor)
        for column in [
            #""CallerIpAddress":"192.0.2.10:50000""#, #""Protocol":"HTTPS""#, #""TlsVersion":"TLS 1.3""#,
            #""Uri":"https://acc.example/c/b""#,
        ] {
            #expect(line.contains(column), "\(column) in \(line)")
        }
    }

    private func read(_ descriptor: CInt) throws -> String {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = pread(descriptor, &chunk, chunk.count, 0)
        try #require(count >= 0)
        return String(decoding: chunk.prefix(count), as: UTF8.self)
    }
}
