import Extents
import Logging
import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// The background loops: they do their work without being asked, and end when they are told to.
@Suite struct MaintenanceTests {
    typealias Fixture = NamespaceFixture

    static func maintenance(
        of fixture: NamespaceFixture, _ configure: (inout Maintenance.Schedule) -> Void = { _ in },
        onDamage: @escaping @Sendable (ScrubReport.DamagedExtent) -> Void = { _ in }
    ) -> Maintenance {
        var schedule = Maintenance.Schedule()
        configure(&schedule)
        return Maintenance(
            namespace: fixture.namespace, world: fixture.world.world, schedule: schedule,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onDamage: onDamage)
    }

    /// Runs the loops until `done` holds, then cancels them; returning shows that they end.
    static func run(_ maintenance: Maintenance, until done: @escaping @Sendable () async -> Bool) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await maintenance.run() }
            while await !done() { await Task.yield() }
            group.cancelAll()
        }
    }

    @Test func trashIsTakenApart() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", Fixture.bytes(100))
        try await fixture.delete("a")
        await Self.run(Self.maintenance(of: fixture)) { fixture.extents.stored.isEmpty }
        // Also what comes later, and what a reader holds for a while.
        try await fixture.put("a", Fixture.bytes(100))
        let reading = try await fixture.namespace.openBlob(
            Fixture.blob("a"), range: nil, ifRange: nil, guard: .none)
        let step = Locked(0)
        await Self.run(Self.maintenance(of: fixture)) {
            switch step.withLock({ $0 }) {
            case 0:
                await #expect(throws: Never.self) { try await fixture.delete("a") }
                step.withLock { $0 = 1 }
            case 1 where fixture.world.slept.contains(.milliseconds(500)):
                #expect(!fixture.extents.stored.isEmpty)
                reading.body.close()
                step.withLock { $0 = 2 }
            default: break
            }
            return step.withLock { $0 } == 2 && fixture.extents.stored.isEmpty
        }
        try await fixture.expectNothingLeft()
    }

    @Test func startSweepsAndExpires() async throws {
        let fixture = try await Fixture.started()
        fixture.faultyMetadata.failCall(2, .before)
        await expect(.unavailable) { try await fixture.put("lost", Fixture.bytes(50)) }
        fixture.faultyMetadata.reset()
        try await fixture.stage("staged", "AAAA", Fixture.bytes(50))
        fixture.world.advance(seconds: Limits.uncommittedBlockLifetimeSeconds + 1)
        let restarted = fixture.reopened()
        #expect(restarted.extents.stored.count == 14)
        await Self.run(Self.maintenance(of: restarted)) { restarted.extents.stored.isEmpty }
        #expect(restarted.metadata.contents.allSatisfy { $0.key[0] != Keys.Kind.change.rawValue })
        try await restarted.expectNothingLeft()
    }

    /// A group that the disk keeps from being swept neither keeps the others nor the reaper from their work, and is
    /// swept later.
    @Test func aFailedSweepIsRepeated() async throws {
        let fixture = try await Fixture.started()
        fixture.faultyMetadata.failCall(2, .before)
        await expect(.unavailable) { try await fixture.put("lost", Fixture.bytes(50)) }
        fixture.faultyMetadata.reset()
        let restarted = fixture.reopened()
        #expect(!restarted.extents.stored.isEmpty)
        let groups = Set(restarted.extents.stored.map(\.id.group)).count
        // The first call asks for the groups, the second sweeps one of them.
        restarted.faultyExtents.arm(.init(call: 1, timing: .before))
        await Self.run(Self.maintenance(of: restarted)) { restarted.extents.stored.isEmpty }
        #expect(restarted.faultyExtents.hasFailed)
        #expect(restarted.faultyExtents.calls.filter { $0 == .keepOnly }.count == groups + 1)
        #expect(restarted.faultyExtents.calls.filter { $0 == .closedGroups }.count == 1)
        try await restarted.expectNothingLeft()
    }

    @Test func damageIsReported() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", Fixture.bytes(20))
        fixture.extents.corrupt(fixture.extents.stored[1].id, at: 0)
        let damaged = Locked<[Extent]>([])
        let maintenance = Self.maintenance(of: fixture, onDamage: { one in damaged.withLock { $0.append(one.extent) } })
        await Self.run(maintenance) { damaged.withLock { !$0.isEmpty } }
        #expect(damaged.withLock { $0[0].id } == fixture.extents.stored[1].id)
    }

    @Test func scrubberKeepsItsRate() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", Fixture.bytes(20))
        let report = try await fixture.namespace.scrub(bytesPerSecond: 4) { _ in Issue.record("nothing is damaged") }
        #expect(report.extents == 3 && report.bytes == 20 && report.damaged.isEmpty)
        #expect(fixture.world.slept == [.seconds(2), .seconds(2), .seconds(1)])
    }

    /// A backend that fails for a while does not end the loops.
    @Test func failuresPass() async throws {
        let fixture = try await Fixture.started()
        try await fixture.put("a", Fixture.bytes(50))
        try await fixture.delete("a")
        fixture.faultyMetadata.failCall(1, .before)
        await Self.run(Self.maintenance(of: fixture)) { fixture.extents.stored.isEmpty }
        #expect(fixture.faultyMetadata.hasFailed)
        fixture.faultyMetadata.reset()
        try await fixture.expectNothingLeft()
    }
}
