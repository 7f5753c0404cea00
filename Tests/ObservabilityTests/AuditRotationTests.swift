import Glibc
import Observability
import StorageModel
import Testing

/// Files that are full, renamed or cannot be written.
@Suite struct AuditRotationTests {
    private let lineBytes = record("id-00").line().count

    private func log(
        _ file: ScratchFile, bytes: Int, kept: Int, overflow: AuditLog.Overflow = .drop, _ metrics: MetricRegistry
    ) throws -> AuditLog {
        try AuditLog(
            .file(path: file.path), overflow: overflow, rotation: AuditRotation(bytes: Int64(bytes), kept: kept),
            metrics: metrics)
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
}
