import Admission
import HTTPExchange
import Observability
import StorageModel
import Synchronization
import Testing

/// The shell: tickets, counts, threads.
@Suite struct AdmissionControlTests {
    private final class Clock: Sendable {
        let nanoseconds = Atomic<Int64>(1)
        func advance(seconds: Int64) { nanoseconds.wrappingAdd(seconds * 1_000_000_000, ordering: .relaxed) }
    }

    /// How many are inside at once.
    private final class Crowd: Sendable {
        let most = Atomic<Int>(0)
        private let inside = Atomic<Int>(0)

        func enter() {
            let now = inside.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
            _ = most.max(now, ordering: .relaxed)
        }
        func leave() { inside.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    }

    private let clock = Clock()
    private let metrics = MetricRegistry()

    private func control(capacity: Int = 100) -> AdmissionControl {
        AdmissionControl(
            capacity: capacity,
            world: World(
                now: { Timestamp(seconds: 0) },
                monotonicNanoseconds: { [clock] in clock.nanoseconds.load(ordering: .relaxed) },
                randomBytes: { [UInt8](repeating: 0, count: $0) }, sleep: { _ in }), metrics: metrics)
    }

    private func enter(
        _ control: AdmissionControl, _ account: String = "account", _ limits: RequestLimits = RequestLimits(),
        principal: String? = nil, _ principalLimits: RequestLimits = RequestLimits()
    ) throws -> any RequestTicket {
        try control.enter(
            account: AccountName(validating: account), accountLimits: limits, principal: principal,
            principalLimits: principalLimits)
    }

    private func count(_ name: MetricName, _ labels: (String, String)...) -> Int64 {
        metrics.counter(name, labels.map { MetricLabel($0.0, $0.1) }).value
    }

    @Test func aTicketEndsOnce() throws {
        let control = control()
        let ticket = try enter(control)
        let other = try enter(control)
        #expect(control.requestsInFlight == 2)
        for _ in 0..<3 { ticket.end(requestBytes: 1, responseBytes: 1) }
        #expect(control.requestsInFlight == 1)
        other.end(requestBytes: 0, responseBytes: 0)
        #expect(control.requestsInFlight == 0)
    }

    @Test func aLostTicketGivesItsPlaceBack() throws {
        let control = control()
        let tight = RequestLimits(concurrentRequests: 1)
        for _ in 0..<10 {
            do {
                let ticket = try enter(control, "account", tight, principal: "p", tight)
                #expect(control.requestsInFlight == 1)
                withExtendedLifetime(ticket) {}
            }
            #expect(control.requestsInFlight == 0)
        }
    }

    @Test func bytesAreChargedAtTheEndOnce() throws {
        let control = control()
        let limits = RequestLimits(bytesPerSecond: 100)
        let ticket = try enter(control, "account", limits)
        // Nothing is known about its bytes yet.
        let second = try enter(control, "account", limits)
        second.end(requestBytes: 0, responseBytes: 0)
        for _ in 0..<2 { ticket.end(requestBytes: 150, responseBytes: 250) }
        for (elapsed, seconds) in [(0, 4), (2, 2), (1, 1)] as [(Int64, Int)] {
            clock.advance(seconds: elapsed)
            #expect(throws: StorageFailure(.busy(retryAfterSeconds: seconds), cause: "admission: account_bytes")) {
                try enter(control, "account", limits)
            }
        }
        clock.advance(seconds: 1)
        _ = try enter(control, "account", limits)
    }

    /// A request inside of another one takes from the rates and needs no place; who may have no place gets nothing.
    @Test func aChargeHasNoPlace() throws {
        let control = control(capacity: 1)
        let name = try AccountName(validating: "account")
        let limits = RequestLimits(requestsPerSecond: 2, concurrentRequests: 1)
        func charge(_ principal: String, _ limits: RequestLimits) throws {
            try control.charge(
                account: name, accountLimits: RequestLimits(), principal: principal, principalLimits: limits)
        }
        let ticket = try enter(control, principal: "p", limits)
        try charge("p", limits)
        let busy = StorageFailure(.busy(retryAfterSeconds: 1), cause: "admission: principal_requests")
        #expect(throws: busy) { try charge("p", limits) }
        try charge("q", limits)
        #expect(throws: StorageFailure(.busy(retryAfterSeconds: 1), cause: "admission: principal_concurrency")) {
            try charge("r", RequestLimits(concurrentRequests: 0))
        }
        #expect(control.requestsInFlight == 1)
        #expect(count(.admissionAdmitted, ("account", "account")) == 3)
        #expect(count(.admissionRefused, ("account", "account"), ("reason", "principal_requests")) == 1)
        ticket.end(requestBytes: 0, responseBytes: 0)
        #expect(throws: busy) { try enter(control, principal: "p", limits) }
        clock.advance(seconds: 1)
        try charge("p", limits)
    }

    @Test func countsByAccountAndReason() throws {
        let control = control()
        let tight = RequestLimits(requestsPerSecond: 1)
        _ = try enter(control, "first", tight)
        for _ in 0..<2 { #expect(throws: StorageFailure.self) { try enter(control, "first", tight) } }
        _ = try enter(control, "second")
        #expect(count(.admissionAdmitted, ("account", "first")) == 1)
        #expect(count(.admissionAdmitted, ("account", "second")) == 1)
        #expect(count(.admissionRefused, ("account", "first"), ("reason", "account_requests")) == 2)
    }

    @Test func labelsAreBounded() throws {
        let control = control()
        for index in 0..<300 { _ = try enter(control, "account\(index)") }
        let series = metrics.render().split(separator: "\n").filter {
            $0.hasPrefix("forebay_admission_admitted_total{")
        }
        #expect(series.count == 101)
        #expect(count(.admissionAdmitted, ("account", "other")) == 200)
        #expect(count(.admissionAdmitted, ("account", "account7")) == 1)
    }

    @Test func principalsWithoutLimitsAreNotKept() throws {
        let control = control()
        for index in 0..<100 { _ = try enter(control, "account", principal: "p\(index)") }
        #expect(control.principalsKept == 0)
        _ = try enter(control, "account", principal: "p", RequestLimits(requestsPerSecond: 1))
        #expect(control.principalsKept == 1)
    }

    @Test func manyAtOnceNeverExceedTheLimits() async throws {
        let control = control(capacity: 8)
        let crowd = Crowd()
        let limits = RequestLimits(concurrentRequests: 3)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<2_000 {
                        do {
                            let ticket = try enter(control, "account", limits)
                            crowd.enter()
                            crowd.leave()
                            ticket.end(requestBytes: 1, responseBytes: 1)
                        } catch { continue }
                    }
                }
            }
        }
        #expect(control.requestsInFlight == 0)
        #expect(crowd.most.load(ordering: .relaxed) <= 3)
        let admitted = count(.admissionAdmitted, ("account", "account"))
        let refused = count(.admissionRefused, ("account", "account"), ("reason", "account_concurrency"))
        #expect(admitted + refused == 16_000 && admitted >= 2_000)
    }
}
