import Glibc
import Observability
import StorageModel
import Testing

@Suite struct AuditTests {
    @Test func aLineHasTheColumnsOfStorageBlobLogs() {
        var full = record("id-1")
        full.requester = RequesterFacts(authenticationType: "AccountKey", authenticationHash: "key1(ab)")
        full.clientRequestID = "c\"1"
        full.userAgent = "azsdk"
        full.operationVersion = "2021-08-06"
        full.accountName = "acc"
        full.declaredBodyBytes = 0
        full.requestHeaderBytes = 300
        full.responseBodyBytes = 4096
        full.durationNanoseconds = 1_500_000
        full.serverLatencyNanoseconds = 1_000_000
        full.etag = "0x1"
        full.objectKey = "/acc/c/b"
        #expect(
            String(decoding: full.line(), as: UTF8.self)
                == #"{"TimeGenerated":"1994-11-06T08:49:37.0123456Z","OperationName":"GetBlob","Category":"StorageRead","#
                + #""StatusCode":"200","StatusText":"Success","AuthenticationType":"AccountKey","#
                + #""AuthenticationHash":"key1(ab)","#
                + #""CallerIpAddress":"10.0.0.1:4242","ClientRequestId":"c\"1","CorrelationId":"id-1","#
                + #""UserAgentHeader":"azsdk","Uri":"http://h/c/b?sig=REDACTED","Protocol":"HTTP","#
                + #""OperationVersion":"2021-08-06","OperationCount":0,"ServiceType":"blob","AccountName":"acc","#
                + #""RequestHeaderSize":300,"RequestBodySize":0,"ResponseHeaderSize":0,"ResponseBodySize":4096,"#
                + #""ContentLengthHeader":0,"DurationMs":1.500,"ServerLatencyMs":1,"Etag":"0x1","ObjectKey":"/acc/c/b","#
                + #""SchemaVersion":"1.0"}"# + "\n")
    }

    @Test func aLineOfATokenHasEveryColumn() {
        var full = record("id-2")
        full.protocolName = "HTTPS"
        let action = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
        full.requester = RequesterFacts(
            authenticationType: "OAuth", authenticationHash: "h", objectID: "o", tenantID: "t", applicationID: "a",
            audience: "https://storage.azure.com", tokenIssuer: "https://sts/t/", userPrincipalName: "u@x",
            authorization: [
                .init(
                    action: action, roleAssignmentID: "ra", roleDefinitionID: "rd", principalID: "p",
                    principalType: "User", result: "Granted", reason: "RBAC"),
                .init(action: "other", result: "Denied"),
            ])
        full.tlsVersion = "TLS 1.3"
        full.privateLinkID = 4_294_967_295
        full.referrer = "https://r/"
        full.accept = "*/*"
        full.lastModified = "Sun, 06 Nov 1994 08:49:37 GMT"
        full.conditions = [("If-Match", "\"0x1\""), ("If-None-Match", "*")]
        full.requestMD5 = "cQ=="
        full.responseMD5 = "cg=="
        full.accessTier = "Cool"
        #expect(
            String(decoding: full.line(), as: UTF8.self)
                == #"{"TimeGenerated":"1994-11-06T08:49:37.0123456Z","OperationName":"GetBlob","Category":"StorageRead","#
                + #""StatusCode":"200","StatusText":"Success","AuthenticationType":"OAuth","AuthenticationHash":"h","#
                + #""RequesterObjectId":"o","RequesterTenantId":"t","RequesterAppId":"a","#
                + #""RequesterAudience":"https://storage.azure.com","RequesterTokenIssuer":"https://sts/t/","#
                + #""RequesterUpn":"u@x","AuthorizationDetails":[{"#
                + #""action":"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read","#
                + #""roleAssignmentId":"ra","roleDefinitionId":"rd","principals":[{"id":"p","type":"User"}],"#
                + #""result":"Granted","reason":"RBAC"},{"action":"other","result":"Denied"}],"#
                + #""CallerIpAddress":"10.0.0.1:4242","CorrelationId":"id-2","ReferrerHeader":"https://r/","#
                + #""AcceptHeader":"*/*","Uri":"http://h/c/b?sig=REDACTED","Protocol":"HTTPS","#
                + #""TlsVersion":"TLS 1.3","PrivateLinkId":4294967295,"OperationCount":0,"ServiceType":"blob","#
                + #""RequestHeaderSize":0,"RequestBodySize":0,"ResponseHeaderSize":0,"ResponseBodySize":0,"#
                + #""DurationMs":0,"ServerLatencyMs":0,"LastModifiedTime":"1994-11-06T08:49:37Z","#
                + #""ConditionsUsed":"If-Match=\"0x1\";If-None-Match=*","RequestMd5":"cQ==","ResponseMd5":"cg==","#
                + #""AccessTier":"Cool","SchemaVersion":"1.0"}"# + "\n")
    }

    @Test func writesEveryLineInOrder() async throws {
        let file = try ScratchFile()
        let metrics = MetricRegistry()
        let log = try AuditLog(.file(path: file.path), metrics: metrics)
        for index in 0..<5_000 { log.append(record("id-\(index)")) }
        await log.flush()
        var lines = try file.lines()
        #expect(lines.count == 5_000)
        #expect(lines[4_999].contains("\"CorrelationId\":\"id-4999\""))
        log.append(record("last"))
        await log.close()
        lines = try file.lines()
        #expect(lines.count == 5_001)
        #expect(metrics.counter(.auditLines).value == 5_001)
        log.append(record("late"))
        #expect(metrics.counter(.auditDropped).value == 1)
        await log.close()
    }

    /// Fills a pipe so that the writer cannot go on, then counts.
    @Test(arguments: [AuditLog.Overflow.drop, .refuse])
    func aFullQueueNeverBlocks(overflow: AuditLog.Overflow) async throws {
        let file = try ScratchFile()
        try #require(mkfifo(file.path, 0o600) == 0)
        let reader = open(file.path, O_RDWR | O_NONBLOCK)
        try #require(reader >= 0)
        // The smallest pipe: one page, which the first line fills with its rest.
        _ = fillPipe(reader)
        let metrics = MetricRegistry()
        let log = try AuditLog(.file(path: file.path), capacity: 4, overflow: overflow, metrics: metrics)
        #expect(log.hasRoom)
        for index in 0..<100 { log.append(record("id-\(index)")) }
        // At most the four that the blocked writer has taken and the four in the queue are kept.
        if overflow == .drop {
            #expect(metrics.counter(.auditDropped).value >= 92)
            #expect(log.hasRoom)
        } else {
            #expect(metrics.counter(.auditDropped).value == 0)
            #expect(!log.hasRoom)
        }
        let drainer = Drainer(reader)
        await log.close()
        drainer.stop()
        let lines = metrics.counter(.auditLines).value
        #expect(lines + metrics.counter(.auditDropped).value == 100)
        close(reader)
    }

    /// The queue is bounded by what its records weigh, too.
    @Test(arguments: [AuditLog.Overflow.drop, .refuse])
    func aQueueOfLongLinesIsBounded(overflow: AuditLog.Overflow) async throws {
        let file = try ScratchFile()
        try #require(mkfifo(file.path, 0o600) == 0)
        let reader = open(file.path, O_RDWR | O_NONBLOCK)
        try #require(reader >= 0)
        _ = fillPipe(reader)
        let metrics = MetricRegistry()
        let log = try AuditLog(
            .file(path: file.path), capacity: 1_000, capacityBytes: 64 * 1024, overflow: overflow, metrics: metrics)
        var long = record("long")
        long.userAgent = String(repeating: "x", count: 2_000)
        for _ in 0..<100 { log.append(long, isOwed: false) }
        // Each has 2,000 bytes and what it weighs anyway.
        #expect((68...80).contains(metrics.counter(.auditDropped).value))
        for _ in 0..<100 { log.append(long) }
        if overflow == .drop {
            #expect(metrics.counter(.auditDropped).value >= 168)
        } else {
            #expect(metrics.counter(.auditDropped).value <= 80)
            #expect(!log.hasRoom)
        }
        let drainer = Drainer(reader)
        await log.flush()
        // Nothing weighs on when all is out.
        #expect(log.hasRoom)
        let dropped = metrics.counter(.auditDropped).value
        for _ in 0..<10 { log.append(long, isOwed: false) }
        #expect(metrics.counter(.auditDropped).value == dropped)
        await log.close()
        drainer.stop()
        close(reader)
    }

    /// What a client can make as long as it likes is cut, with a mark, and never within a character.
    @Test func longColumnsAreCut() async throws {
        let file = try ScratchFile()
        let log = try AuditLog(.file(path: file.path), metrics: MetricRegistry())
        var long = record("long")
        let text = String(repeating: "é", count: 3_000)
        long.userAgent = "-" + text
        (long.referrer, long.accept, long.clientRequestID) = (text, text, text)
        (long.requestMD5, long.accessTier) = (text, text)
        long.uri = "http://h/" + String(repeating: "u", count: 20_000)
        long.conditions = (0..<100).map { _ in ("If-Match", text) }
        log.append(long)
        var short = record("short")
        short.userAgent = String(repeating: "s", count: 2_048)
        short.uri = String(repeating: "u", count: 8_192)
        short.conditions = (0..<6).map { ("If-Match", "\($0)") }
        log.append(short)
        await log.close()
        let lines = try file.lines()
        try #require(lines.count == 2)
        #expect(lines[0].utf8.count < 24_000)
        let half = String(repeating: "é", count: 1_024) + "[... 3952 bytes cut]\""
        for name in ["ReferrerHeader", "AcceptHeader", "ClientRequestId", "RequestMd5", "AccessTier"] {
            #expect(lines[0].contains("\"\(name)\":\"\(half)"), "\(name)")
        }
        #expect(
            lines[0].contains(#""UserAgentHeader":"-"# + String(repeating: "é", count: 1_023) + "[... 3954 bytes cut]"))
        #expect(lines[0].contains(String(repeating: "u", count: 8_183) + "[... 11817 bytes cut]"))
        #expect(lines[0].contains(#""CorrelationId":"long""#))
        #expect(!lines[1].contains("cut]") && lines[1].contains("If-Match=5"))
    }

    @Test func reportsAFileThatCannotBeOpened() {
        #expect(throws: AuditLog.OpenFailure(path: "/nonexistent/x", errorNumber: ENOENT)) {
            try AuditLog(.file(path: "/nonexistent/x"), metrics: MetricRegistry())
        }
    }

    @Test func noneTakesNothing() async throws {
        let log = try AuditLog(.none, metrics: MetricRegistry())
        #expect(!log.isEnabled)
        log.append(record("x"))
        await log.flush()
        await log.close()
    }
}

private func fillPipe(_ descriptor: CInt) -> Int {
    let page = [UInt8](repeating: 10, count: 4096)
    var total = 0
    while true {
        let written = write(descriptor, page, page.count)
        guard written > 0 else { return total }
        total += written
    }
}

/// Reads a pipe empty on a thread of its own until it is told to stop.
private final class Drainer {
    private let isStopped = Locked(false)
    private var thread = pthread_t()

    init(_ descriptor: CInt) {
        let box = Unmanaged.passRetained(Box(descriptor, isStopped))
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
                var chunk = [UInt8](repeating: 0, count: 65_536)
                while !box.isStopped.withLock({ $0 }) {
                    if read(box.descriptor, &chunk, chunk.count) <= 0 { usleep(1_000) }
                }
                return nil
            }, box.toOpaque())
    }

    /// Afterwards the descriptor may be closed.
    func stop() {
        isStopped.withLock { $0 = true }
        pthread_join(thread, nil)
    }

    private final class Box: Sendable {
        let descriptor: CInt
        let isStopped: Locked<Bool>
        init(_ descriptor: CInt, _ isStopped: Locked<Bool>) {
            self.descriptor = descriptor
            self.isStopped = isStopped
        }
    }
}
