import Extents
import NIOCore
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// No extent is freed under an open reader, and none outlives its last holder.
@Suite struct OpenReaderTests {
    typealias Fixture = NamespaceFixture
    static let a = Fixture.blob("a")

    static func open(_ fixture: NamespaceFixture, _ range: RangeRequest? = nil) async throws -> BlobReading {
        try await fixture.namespace.openBlob(a, range: range, ifRange: nil, guard: .none)
    }

    @Test(arguments: [0, 10, 30, 100, 20_000]) func bytesStayForWhoOpenedThem(length: Int) async throws {
        for way in ["overwrite", "delete", "delete container", "copy over"] {
            let fixture = try await Fixture.started()
            let bytes = Fixture.bytes(length)
            try await fixture.put("a", bytes)
            let first = try await Self.open(fixture)
            let second = try await Self.open(fixture, length > 5 ? RangeRequest(first: 3, last: nil) : nil)
            switch way {
            case "overwrite": try await fixture.put("a", Fixture.bytes(50, salt: 1))
            case "copy over":
                try await fixture.put("other", [1])
                _ = try await fixture.namespace.copyBlob(to: Self.a, copying("other"), guard: .none)
            case "delete": try await fixture.delete("a")
            default: try await fixture.namespace.deleteContainer(Fixture.container, guard: .none)
            }
            // Only manifests with extents need holding; what is left says so.
            #expect(try await fixture.reap() == (length > 16), "\(way)")
            #expect(try await Fixture.pull(first.body) == bytes)
            #expect(try await fixture.reap() == (length > 16), "the second reader still holds it")
            #expect(try await Fixture.pull(second.body) == Array(bytes.dropFirst(length > 5 ? 3 : 0)))
            if way == "overwrite" || way == "copy over" { try await fixture.delete("a") }
            if way == "copy over" { try await fixture.delete("other") }
            try await fixture.expectNothingLeft()
        }
    }

    /// A reader of a copy holds its own manifest; a shared one waits for all readers.
    @Test(arguments: [30, 20_000]) func readersOfCopies(length: Int) async throws {
        let fixture = try await Fixture.started()
        let bytes = Fixture.bytes(length)
        try await fixture.put("a", bytes)
        _ = try await fixture.namespace.copyBlob(to: Fixture.blob("b"), copying("a"), guard: .none)
        let reading = try await Self.open(fixture)
        try await fixture.delete("b")
        try await fixture.delete("a")
        try await fixture.reap()
        #expect(try await Fixture.pull(reading.body) == bytes)
        try await fixture.expectNothingLeft()
    }

    @Test func closingTwiceIsOnce() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", Fixture.bytes(50))
        let (first, second) = (try await Self.open(fixture), try await Self.open(fixture))
        first.body.close()
        first.body.close()
        try await fixture.delete("a")
        #expect(try await fixture.reap())
        second.body.close()
        try await fixture.expectNothingLeft()
    }

    /// A reader that gives up in the middle lets go all the same.
    @Test func abandonedReaders() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", Fixture.bytes(20_000))
        let reading = try await Self.open(fixture)
        for _ in 0..<3 { _ = try await reading.body.next() }
        reading.body.close()
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    @Test func refusedReadsHoldNothing() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", Fixture.bytes(50))
        await expect(.rangeNotSatisfiable(length: 50)) {
            _ = try await fixture.get("a", range: RangeRequest(first: 50, last: nil))
        }
        await expect(.preconditionFailed) {
            _ = try await fixture.get("a", guard: Guard(conditions: Conditions(ifMatch: .versions([]))))
        }
        _ = try await fixture.namespace.setTier(Self.a, .archive, priority: nil, guard: .none)
        await expect(.blobArchived) { _ = try await fixture.get("a") }
        try await fixture.expectNothingLeft(deleting: ["a"])
    }

    /// The reaper waits for look-ups that were under way when it saw the trash.
    @Test func lookupsAreWaitedFor() async throws {
        let registry = ReaderRegistry()
        let first = registry.enterLookup()
        let order = Locked<[String]>([])
        let content = ContentID(7)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await registry.lookupsHaveEnded()
                order.withLock { $0.append(registry.isHeld(content) ? "held" : "free") }
            }
            for _ in 0..<100 { await Task.yield() }
            #expect(order.withLock { $0 }.isEmpty)
            registry.leaveLookup(first, holding: content)
            await group.waitForAll()
        }
        #expect(order.withLock { $0 } == ["held"])
        registry.release(content)
        #expect(!registry.isHeld(content))
        await registry.lookupsHaveEnded()
    }

    @Test func signalsAreRemembered() async {
        let signal = Signal()
        signal.raise()
        signal.raise()
        await signal.wait()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await signal.wait() }
            signal.raise()
            await group.waitForAll()
        }
    }

    /// Readers, writers and the reaper at once: every reader gets one blob's bytes, whole.
    @Test func readersAmongWriters() async throws {
        let fixture = try await Fixture.started()
        let versions = (0..<6).map { Fixture.bytes(40 + $0 * 37, salt: $0) }
        try await fixture.put("a", versions[0])
        await withTaskGroup(of: Void.self) { group in
            for version in versions {
                group.addTask {
                    for _ in 0..<20 { await #expect(throws: Never.self) { try await fixture.put("a", version) } }
                }
            }
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<40 {
                        do {
                            let reading = try await Self.open(fixture)
                            await Task.yield()
                            let bytes = Array(try await reading.body.collect(limit: 10_000).readableBytesView)
                            #expect(versions.contains(bytes))
                        } catch { Issue.record(error) }
                    }
                }
            }
            group.addTask {
                for _ in 0..<40 {
                    do { try await fixture.reap() } catch { Issue.record(error) }
                    await Task.yield()
                }
            }
        }
        try await fixture.expectNothingLeft(deleting: ["a"])
    }
}
