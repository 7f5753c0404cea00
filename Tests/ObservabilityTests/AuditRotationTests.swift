import Glibc
import Observability
import StorageModel
import Synchronization
import Testing

/// Files that are full, renamed or cannot be written.
@Suite struct AuditRotationTests {
    private let lineBytes = record("id-00").line().count

    private func log(
        _ file: ScratchFile, bytes: Int, kept: Int, overflow: AuditLog.Overflow = .drop, _ metrics: MetricRegistry,
        world: World = .system
    ) throws -> AuditLog {
        try AuditLog(
            .file(path: file.path), overflow: overflow, rotation: AuditRotation(bytes: Int64(bytes), kept: kept),
            metrics: metrics, world: world)
    }

    @Test func aFullFileIsRenamedAndTheOldestGoes() async throws {
        let file = try ScratchFile()
        let metrics = MetricRegistry()
        let log = try log(file, bytes: 3 * lineBytes, kept: 2, metrics)
        for index in 10..<30 {
            log.append(record("id-\(index)"))
            await log.flush()
        }
        await log.close()
        #expect(file.names() == ["audit.log", "audit.log.1", "audit.log.2"])
        #expect(try file.ids(".2") == ["id-22", "id-23", "id-24"])
        #expect(try file.ids(".1") == ["id-25", "id-26", "id-27"])
        #expect(try file.ids() == ["id-28", "id-29"])
        #expect(metrics.counter(.auditRotations).value == 6)
        #expect(metrics.counter(.auditFailures).value == 0)
        #expect(metrics.counter(.auditLines).value == 20)
    }

    @Test func manyLinesAtOnceAreSpreadOverFiles() async throws {
        let file = try ScratchFile()
        let log = try log(file, bytes: 7 * lineBytes + 1, kept: 50, MetricRegistry())
        for index in 10..<99 { log.append(record("id-\(index)")) }
        await log.close()
        var ids: [String] = []
        for name in (1...50).reversed().map({ ".\($0)" }) + [""] where file.names().contains("audit.log" + name) {
            #expect(try file.bytes(name).count <= 7 * lineBytes + 1)
            ids += try file.ids(name)
        }
        #expect(ids == (10..<99).map { "id-\($0)" })
    }

    @Test func aLineThatIsLongerThanAFileHasOneOfItsOwn() async throws {
        let file = try ScratchFile()
        let log = try log(file, bytes: 10, kept: 9, MetricRegistry())
        for index in 10..<13 { log.append(record("id-\(index)")) }
        await log.close()
        #expect(try [file.ids(".2"), file.ids(".1"), file.ids()] == [["id-10"], ["id-11"], ["id-12"]])
    }

    @Test func aFileFromBeforeIsContinuedAndZeroNeverRotates() async throws {
        let file = try ScratchFile()
        for round in 0..<3 {
            let log = try log(file, bytes: round < 2 ? 0 : 2 * lineBytes, kept: 1, MetricRegistry())
            log.append(record("id-0\(round)"))
            await log.close()
        }
        #expect(try file.ids(".1") == ["id-00", "id-01"])
        #expect(try file.ids() == ["id-02"])
    }

    @Test func nothingIsLostWhileManyAppend() async throws {
        let file = try ScratchFile()
        let metrics = MetricRegistry()
        let log = try log(file, bytes: 10 * lineBytes, kept: 300, metrics)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<4 {
                group.addTask {
                    for index in 0..<500 {
                        log.append(record("\(task)-\(index)"))
                        if index % 50 == 49 { await log.flush() }
                        if index % 100 == 0 { log.reopen() }
                    }
                }
            }
        }
        await log.close()
        let ids = try file.names().flatMap { try file.ids(String($0.dropFirst("audit.log".count))) }
        #expect(ids.count == 2_000)
        #expect(Set(ids) == Set((0..<4).flatMap { task in (0..<500).map { "\(task)-\($0)" } }))
        #expect(metrics.counter(.auditRotations).value >= 190)
    }

    @Test func aFileThatSomebodyElseRenamesIsLeftAtTheReopening() async throws {
        let file = try ScratchFile()
        let log = try log(file, bytes: 0, kept: 1, MetricRegistry())
        log.append(record("before"))
        await log.flush()
        try #require(rename(file.path, file.path + "-moved") == 0)
        log.append(record("between"))
        await log.flush()
        #expect(file.names() == ["audit.log-moved"])
        log.reopen()
        log.append(record("after"))
        await log.close()
        #expect(try file.ids("-moved") == ["before", "between"])
        #expect(try file.ids() == ["after"])
        log.reopen()
    }

    @Test func theFileIsNotForEverybody() async throws {
        let file = try ScratchFile()
        let log = try log(file, bytes: lineBytes, kept: 3, MetricRegistry())
        for index in 10..<12 {
            log.append(record("id-\(index)"))
            await log.flush()
        }
        await log.close()
        for suffix in ["", ".1"] {
            var status = stat()
            try #require(stat(file.path + suffix, &status) == 0)
            // Less what the process's mask takes away.
            #expect(status.st_mode & 0o777 | 0o040 == 0o640)
        }
    }

    /// The directory is gone: neither renaming nor opening works, and lines go on into the open file.
    @Test func aRotationThatFailsLosesNothing() async throws {
        let file = try ScratchFile()
        let metrics = MetricRegistry()
        let log = try log(file, bytes: 2 * lineBytes, kept: 2, overflow: .refuse, metrics)
        let descriptor = open(file.path, O_RDONLY)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        unlink(file.path)
        try #require(rmdir(file.directory) == 0)
        for index in 10..<20 {
            log.append(record("id-\(index)"))
            await log.flush()
        }
        #expect(log.hasRoom)
        await log.close()
        var status = stat()
        try #require(fstat(descriptor, &status) == 0)
        #expect(Int(status.st_size) == 10 * lineBytes)
        #expect(metrics.counter(.auditFailures).value > 0)
        #expect(metrics.counter(.auditLines).value == 10)
    }

    private final class Clock: Sendable {
        let seconds = Atomic<Int64>(1)
        var world: World {
            var world = World.system
            world.monotonicNanoseconds = { [self] in seconds.load(ordering: .relaxed) * 1_000_000_000 }
            return world
        }
    }

    private func put(_ line: String, into path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let bytes = record(line).line()
        try #require(write(descriptor, bytes, bytes.count) == bytes.count)
    }

    /// Neither when FILE cannot be taken aside nor when the old files cannot move up does one of them go.
    @Test(arguments: [".rotating", ".2"])
    func aRotationThatFailsDestroysNothing(obstacle: String) async throws {
        let file = try ScratchFile()
        try put("id-01", into: file.path + ".1")
        try #require(mkdir(file.path + obstacle, 0o700) == 0)
        defer { rmdir(file.path + obstacle) }
        let (metrics, clock) = (MetricRegistry(), Clock())
        let log = try log(file, bytes: lineBytes, kept: 2, metrics, world: clock.world)
        func append(_ range: Range<Int>) async {
            for index in range {
                log.append(record("id-\(index)"))
                await log.flush()
            }
        }
        await append(10..<15)
        #expect(try file.ids(".1") == ["id-01"])
        #expect(try file.ids() == (10..<15).map { "id-\($0)" })
        // It is left alone for a while: every further try would cost as much and change nothing.
        #expect(metrics.counter(.auditFailures).value == 1)
        clock.seconds.add(60, ordering: .relaxed)
        await append(15..<17)
        #expect(metrics.counter(.auditFailures).value == 2)
        // At SIGHUP it is tried at once.
        try #require(rmdir(file.path + obstacle) == 0)
        log.reopen()
        await append(17..<18)
        await log.close()
        #expect(try file.ids(".2") == ["id-01"])
        #expect(try file.ids(".1") == (10..<17).map { "id-\($0)" })
        #expect(try file.ids() == ["id-17"])
    }

    /// Files without a number in between move no further than to the gap.
    @Test func oldFilesMoveUpToTheFirstGap() async throws {
        let file = try ScratchFile()
        for (name, line) in [("", "id-00"), (".1", "id-01"), (".3", "id-03")] { try put(line, into: file.path + name) }
        let log = try log(file, bytes: lineBytes, kept: 3, MetricRegistry())
        log.append(record("id-10"))
        await log.close()
        #expect(file.names() == ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3"])
        #expect(try [file.ids(".3"), file.ids(".2"), file.ids(".1")] == [["id-03"], ["id-01"], ["id-00"]])
    }

    /// A crash between the renames: the next start, or the next rotation, ends what was begun.
    @Test(arguments: [true, false])
    func aRotationThatWasBegunIsEnded(atStart: Bool) async throws {
        let file = try ScratchFile()
        try put("id-01", into: file.path + ".1")
        if atStart { try put("id-02", into: file.path + ".rotating") }
        let log = try log(file, bytes: lineBytes, kept: 3, MetricRegistry())
        log.append(record("id-10"))
        await log.flush()
        if atStart {
            #expect(file.names() == ["audit.log", "audit.log.1", "audit.log.2"])
        } else {
            try put("id-02", into: file.path + ".rotating")
        }
        log.append(record("id-11"))
        await log.close()
        #expect(file.names() == ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3"])
        #expect(try [file.ids(".3"), file.ids(".2"), file.ids(".1")] == [["id-01"], ["id-02"], ["id-10"]])
        #expect(try file.ids() == ["id-11"])
    }
}
