import Glibc
import StorageModel
import Testing

@testable import Observability

/// Lines that cannot be written.
@Suite(.timeLimit(.minutes(5)))
struct AuditFailureTests {
    /// What `onTrouble` says, to wait for.
    private struct Trouble {
        let stream: AsyncStream<CInt?>
        private let continuation: AsyncStream<CInt?>.Continuation
        init() { (stream, continuation) = AsyncStream<CInt?>.makeStream() }
        var tell: @Sendable (CInt?) -> Void { { [continuation] in continuation.yield($0) } }
    }

    @Test func aFullDiskDropsAndCounts() async throws {
        let metrics = MetricRegistry()
        let trouble = Trouble()
        let log = try AuditLog(.file(path: "/dev/full"), metrics: metrics, onTrouble: trouble.tell)
        for index in 0..<3 {
            log.append(record("id-\(index)"))
            await log.flush()
        }
        #expect(log.hasRoom)
        #expect(metrics.counter(.auditDropped).value == 3)
        #expect(metrics.counter(.auditLines).value == 0)
        #expect(metrics.counter(.auditFailures).value == 3)
        await log.close()
        // Told once, not for every line.
        var told = trouble.stream.makeAsyncIterator()
        #expect(await told.next() == .some(ENOSPC))
    }

    @Test func aFullDiskRefusesAndOwesTheLinesOfThoseInside() async throws {
        let metrics = MetricRegistry()
        let trouble = Trouble()
        var told = trouble.stream.makeAsyncIterator()
        let log = try AuditLog(
            .file(path: "/dev/full"), capacity: 4, overflow: .refuse, metrics: metrics, onTrouble: trouble.tell)
        #expect(log.hasRoom)
        log.append(record("id-0"))
        #expect(await told.next() == .some(ENOSPC))
        #expect(!log.hasRoom)
        #expect(metrics.counter(.auditDropped).value == 0)
        // While the writer holds on to the first one: the lines of refused requests are bounded, the others are kept.
        for index in 0..<10 { log.append(record("refused-\(index)"), isOwed: false) }
        #expect(metrics.counter(.auditDropped).value == 6)
        for index in 0..<10 { log.append(record("owed-\(index)")) }
        #expect(metrics.counter(.auditDropped).value == 6)
        await log.flush()
        #expect(!log.hasRoom)
        await log.close()
        #expect(metrics.counter(.auditDropped).value == 21)
        #expect(metrics.counter(.auditLines).value == 0)
    }

    @Test func whatIsOwedIsWrittenWhenItCanBe() async throws {
        let file = try ScratchFile()
        try #require(symlink("/dev/full", file.path) == 0)
        let metrics = MetricRegistry()
        let trouble = Trouble()
        var told = trouble.stream.makeAsyncIterator()
        let log = try AuditLog(.file(path: file.path), overflow: .refuse, metrics: metrics, onTrouble: trouble.tell)
        for index in 0..<5 { log.append(record("id-\(index)")) }
        #expect(await told.next() == .some(ENOSPC))
        for index in 5..<9 { log.append(record("id-\(index)")) }
        #expect(!log.hasRoom)
        try #require(unlink(file.path) == 0)
        log.reopen()
        #expect(await told.next() == .some(nil))
        #expect(log.hasRoom)
        await log.close()
        #expect(try file.ids() == (0..<9).map { "id-\($0)" })
        #expect(metrics.counter(.auditDropped).value == 0)
        #expect(metrics.counter(.auditLines).value == 9)
    }

    private func lines(_ range: Range<Int>) -> [UInt8] { range.flatMap { record("id-\($0)").line() } }

    /// A pipe takes a part of a line and then nothing: its rest comes first when the pipe takes more.
    @Test func aLineThatWasCutIsCompleted() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        for end in ends { try #require(fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK) == 0) }
        defer { for end in ends { close(end) } }
        var file = AuditFile(descriptor: ends[1], path: nil, rotation: AuditRotation(), metrics: MetricRegistry())
        let many = lines(10_000..<11_000)
        let (count, errorNumber) = file.write(many[...])
        #expect(errorNumber == EAGAIN)
        try #require(count > 0 && count < many.count)
        #expect(many[count - 1] == UInt8(ascii: "\n"))
        var received = drain(ends[0])
        #expect(received.count < count)
        let last = lines(11_000..<11_001)
        let end = file.write(last[...])
        #expect(end.count == last.count && end.errorNumber == 0)
        received += drain(ends[0])
        #expect(received == Array(many.prefix(count)) + last)
    }

    /// The file is left while it owes the rest of a line: that is written into the old one, or the line is counted as lost.
    @Test(arguments: [true, false])
    func aLineThatWasCutIsCompletedBeforeTheFileIsLeft(hasRoomAgain: Bool) throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        for end in ends { try #require(fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK) == 0) }
        defer { close(ends[0]) }
        let next = try ScratchFile()
        let metrics = MetricRegistry()
        var file = AuditFile(
            descriptor: ends[1], path: next.path, rotation: AuditRotation(bytes: 0), metrics: metrics)
        let many = lines(10_000..<11_000)
        let (count, errorNumber) = file.write(many[...])
        #expect(errorNumber == EAGAIN)
        try #require(count > 0 && count < many.count)
        var received = hasRoomAgain ? drain(ends[0]) : []
        file.reopen()
        received += drain(ends[0])
        let last = lines(11_000..<11_001)
        #expect(file.write(last[...]).errorNumber == 0)
        file.close()
        #expect(try next.bytes() == last)
        #expect((received == Array(many.prefix(count))) == hasRoomAgain)
        #expect(metrics.counter(.auditDropped).value == (hasRoomAgain ? 0 : 1))
    }

    private func drain(_ descriptor: CInt) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return bytes }
            bytes += chunk.prefix(count)
        }
    }

    /// A file that cannot grow any more: what a failed write has left of a line is taken back.
    @Test func aLineThatWasCutInAFileIsTakenBack() throws {
        let room = 8192
        let descriptor = try sealedFile(bytes: room)
        defer { close(descriptor) }
        let metrics = MetricRegistry()
        var file = AuditFile(
            descriptor: descriptor, path: nil, rotation: AuditRotation(), metrics: metrics)
        let many = lines(100..<200)
        let (count, errorNumber) = file.write(many[...])
        #expect(errorNumber == EPERM)
        try #require(count > room / 2 && count <= room)
        #expect(many[count - 1] == UInt8(ascii: "\n"))
        var status = stat()
        try #require(fstat(descriptor, &status) == 0)
        #expect(Int(status.st_size) == count)
        var kept = [UInt8](repeating: 0, count: room)
        #expect(pread(descriptor, &kept, room, 0) == count)
        #expect(Array(kept.prefix(count)) == Array(many.prefix(count)))
        #expect(metrics.counter(.auditFailures).value == 1)
    }

    /// In memory, of that size, and sealed against growing. The call is not in the C module.
    private func sealedFile(bytes: Int) throws -> CInt {
        typealias Create = @convention(c) (UnsafePointer<CChar>, CUnsignedInt) -> CInt
        let symbol = try #require(dlsym(nil, "memfd_create"))
        let descriptor = unsafeBitCast(symbol, to: Create.self)("audit", 2)
        try #require(descriptor >= 0 && ftruncate(descriptor, off_t(bytes)) == 0)
        let (addSeals, sealGrow): (CInt, CInt) = (1033, 4)
        try #require(fcntl(descriptor, addSeals, sealGrow) == 0)
        return descriptor
    }
}
