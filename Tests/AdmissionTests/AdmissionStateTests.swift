import StorageModel
import Testing

@testable import Admission

private let second: Int64 = 1_000_000_000

/// The rules, on a clock that is an argument.
@Suite struct AdmissionStateTests {
    private func claim(
        _ account: String = "one", _ limits: RequestLimits = RequestLimits(), principal: String? = nil,
        _ principalLimits: RequestLimits = RequestLimits()
    ) throws -> AdmissionClaim {
        AdmissionClaim(
            account: try AccountName(validating: account + "account"), accountLimits: limits, principal: principal,
            principalLimits: principalLimits)
    }

    /// The reason of the refusal, with the seconds; `nil` when the request gets in.
    private func refusal(_ state: inout AdmissionState, _ claim: AdmissionClaim, now: Int64) -> AdmissionRefusal? {
        do throws(AdmissionRefusal) {
            _ = try state.enter(claim, now: now)
            return nil
        } catch { return error }
    }

    private let nothing = AdmissionCharge(bytes: 0)

    @Test(arguments: [1, 3, 7, 100, 6_000])
    func aSecondsWorthOfRequestsGetsInAtOnce(rate: Int) throws {
        var state = AdmissionState(capacity: 1_000_000)
        let claim = try claim("one", RequestLimits(requestsPerSecond: rate))
        var admitted = 0
        while refusal(&state, claim, now: 5 * second) == nil { admitted += 1 }
        // Rounding to nanoseconds may cost a few of very many.
        #expect(admitted <= rate && admitted >= rate - rate / 10_000)
        #expect(
            refusal(&state, claim, now: 5 * second)
                == AdmissionRefusal(reason: .accountRequests, retryAfterSeconds: 1))
        // Over ten seconds, asked without a pause, ten more seconds' worth get in.
        var later = 0
        for step in 1...1_000 {
            while refusal(&state, claim, now: 5 * second + Int64(step) * second / 100) == nil { later += 1 }
        }
        #expect(later <= rate * 10 && later >= rate * 10 - 1 - rate / 100)
    }

    @Test func bytesMayGoIntoDebtAndAreWaitedFor() throws {
        // Bytes of the first request, then seconds until the next and what it is told.
        let rows: [(bytes: Int64, later: Int64, expected: Int?)] = [
            (0, 0, nil), (999, 0, nil), (1_000, 0, 1), (1_000, 1, nil), (1_500, 0, 1), (2_000, 0, 2), (2_500, 1, 1),
            (10_000, 0, 10), (10_000, 5, 5), (10_000, 9, 1), (10_000, 10, nil), (1_000_000, 0, 30),
            (Int64.max, 0, 30), (Int64.max, 86_400, 30),
        ]
        for row in rows {
            var state = AdmissionState(capacity: 10)
            let claim = try claim("one", RequestLimits(bytesPerSecond: 1_000))
            let place = try state.enter(claim, now: second)
            state.leave(place, AdmissionCharge(bytes: row.bytes, accountBytesPerSecond: 1_000), now: second)
            let told = refusal(&state, claim, now: second + row.later * second)
            #expect(told?.retryAfterSeconds == row.expected, "\(row)")
            if let told { #expect(told.reason == .accountBytes) }
        }
    }

    @Test func theFirstLimitThatIsReachedIsNamed() throws {
        let tight = RequestLimits(concurrentRequests: 1)
        let rows: [(account: RequestLimits, principal: RequestLimits, expected: AdmissionRefusal.Reason)] = [
            (tight, RequestLimits(), .accountConcurrency), (RequestLimits(), tight, .principalConcurrency),
            (RequestLimits(requestsPerSecond: 1), tight, .accountRequests),
            (RequestLimits(), RequestLimits(requestsPerSecond: 1), .principalRequests),
            (RequestLimits(requestsPerSecond: 0), RequestLimits(), .accountRequests),
            (RequestLimits(), RequestLimits(bytesPerSecond: 0), .principalBytes),
            (RequestLimits(concurrentRequests: 0), RequestLimits(), .accountConcurrency),
        ]
        for row in rows {
            var state = AdmissionState(capacity: 10)
            let claim = try claim("one", row.account, principal: "p", row.principal)
            _ = refusal(&state, claim, now: second)
            #expect(refusal(&state, claim, now: second)?.reason == row.expected, "\(row)")
        }
    }

    @Test func aRefusalCostsNothing() throws {
        var state = AdmissionState(capacity: 10)
        let slow = RequestLimits(requestsPerSecond: 1)
        let wide = RequestLimits(requestsPerSecond: 3)
        // The principal is refused twice; the account's three requests are still there for others.
        #expect(refusal(&state, try claim("one", wide, principal: "p", slow), now: second) == nil)
        for _ in 0..<2 {
            let told = refusal(&state, try claim("one", wide, principal: "p", slow), now: second)
            #expect(told?.reason == .principalRequests)
        }
        #expect(refusal(&state, try claim("one", wide, principal: "q", slow), now: second) == nil)
        #expect(refusal(&state, try claim("one", wide, principal: "r", slow), now: second) == nil)
        #expect(
            refusal(&state, try claim("one", wide, principal: "s", slow), now: second)?.reason == .accountRequests)
        #expect(state.inFlight == 3)
    }

    @Test func principalsOfDifferentAccountsAreDifferent() throws {
        var state = AdmissionState(capacity: 10)
        let tight = RequestLimits(concurrentRequests: 1)
        #expect(refusal(&state, try claim("one", principal: "p", tight), now: 0) == nil)
        #expect(refusal(&state, try claim("two", principal: "p", tight), now: 0) == nil)
        #expect(
            refusal(&state, try claim("one", principal: "p", tight), now: 0)?.reason == .principalConcurrency)
    }

    @Test func leavingGivesThePlaceBack() throws {
        var state = AdmissionState(capacity: 2)
        let claim = try claim("one", RequestLimits(concurrentRequests: 1))
        for _ in 0..<100 {
            let place = try state.enter(claim, now: 0)
            #expect(refusal(&state, claim, now: 0)?.reason == .accountConcurrency)
            state.leave(place, nothing, now: 0)
        }
        #expect(state.inFlight == 0)
    }

    /// One account asks without an end, another one little: the little one always gets in, the other one gets the rest.
    @Test func aCrowdedNodeIsShared() throws {
        var state = AdmissionState(capacity: 100)
        let greedy = try claim("greedy")
        let modest = try claim("modest")
        var held: [AdmissionPlace] = []
        func fill(_ claim: AdmissionClaim) -> AdmissionRefusal {
            while true {
                do throws(AdmissionRefusal) { held.append(try state.enter(claim, now: 0)) } catch { return error }
            }
        }
        // Alone, an account may have all of the node.
        #expect(fill(greedy) == AdmissionRefusal(reason: .capacity, retryAfterSeconds: 1))
        #expect(held.count == 100)
        // As places come free, they go to the one who has less than half, and the greedy one is refused.
        for _ in 0..<50 {
            state.leave(held.removeFirst(), nothing, now: 0)
            held.append(try state.enter(modest, now: 0))
            state.leave(held.removeFirst(), nothing, now: 0)
            if held.count * 4 > 300 { #expect(refusal(&state, greedy, now: 0)?.reason == .fairShare) }
            if held.count == 76 { break }
        }
        // Modest has 24 by now: nobody is held to a share until the node is crowded again.
        #expect(held.count == 76)
        state.leave(held.removeFirst(), nothing, now: 0)
        #expect(refusal(&state, greedy, now: 0) == nil)
        #expect(refusal(&state, greedy, now: 0)?.reason == .fairShare)
        #expect(fill(modest).reason == .capacity)
    }

    @Test func everyAccountHasOnePlaceAtLeast() throws {
        var state = AdmissionState(capacity: 4)
        for name in ["a", "b", "c", "d"] {
            #expect(refusal(&state, try claim(name), now: 0) == nil)
        }
        #expect(refusal(&state, try claim("e"), now: 0)?.reason == .capacity)
        var small = AdmissionState(capacity: 8)
        for name in ["a", "b", "c", "d", "e", "f", "g"] { _ = refusal(&small, try claim(name), now: 0) }
        // Seven of eight are taken, one each: a share is one.
        #expect(refusal(&small, try claim("a"), now: 0)?.reason == .fairShare)
        #expect(refusal(&small, try claim("h"), now: 0) == nil)
    }

    @Test func rememberedPrincipalsAreBounded() throws {
        var state = AdmissionState(capacity: 10, principalLimit: 300)
        let limits = RequestLimits(requestsPerSecond: 10)
        for index in 0..<5_000 {
            // Each one's bucket is full again before the next comes.
            let place = try state.enter(
                claim("one", principal: "p\(index)", limits), now: Int64(index) * second)
            state.leave(place, nothing, now: Int64(index) * second)
        }
        #expect(state.principalCount <= 256)
        // And when none is full again: the bound holds, and nobody is refused for it.
        for index in 0..<5_000 {
            let place = try state.enter(claim("one", principal: "q\(index)", limits), now: 6_000 * second)
            state.leave(place, nothing, now: 6_000 * second)
            #expect(state.principalCount <= 300)
        }
    }

    @Test func whoeverIsBusyOrOwesMostIsNotForgotten() throws {
        var state = AdmissionState(capacity: 100, principalLimit: 20)
        let limits = RequestLimits(bytesPerSecond: 10, concurrentRequests: 1)
        let busy = try claim("one", principal: "busy", limits)
        _ = try state.enter(busy, now: 0)
        let debtor = try claim("one", principal: "debtor", limits)
        state.leave(
            try state.enter(debtor, now: 0), AdmissionCharge(bytes: 10_000, principalBytesPerSecond: 10), now: 0)
        for index in 0..<200 {
            let place = try state.enter(claim("one", principal: "p\(index)", limits), now: 0)
            state.leave(place, AdmissionCharge(bytes: 20, principalBytesPerSecond: 10), now: 0)
        }
        #expect(refusal(&state, busy, now: 0)?.reason == .principalConcurrency)
        #expect(refusal(&state, debtor, now: 0)?.reason == .principalBytes)
    }

    @Test func aTableFullOfBusyPrincipalsRefuses() throws {
        var state = AdmissionState(capacity: 100, principalLimit: 3)
        let limits = RequestLimits(concurrentRequests: 5)
        for name in ["p", "q", "r"] {
            #expect(refusal(&state, try claim("one", principal: name, limits), now: 0) == nil)
        }
        #expect(refusal(&state, try claim("one", principal: "s", limits), now: 0)?.reason == .capacity)
        #expect(refusal(&state, try claim("one", principal: "p", limits), now: 0) == nil)
        #expect(state.inFlight == 4)
    }

    @Test func aChangedRateCountsAtOnce() {
        var bucket = TokenBucket()
        bucket.take(5_000, perSecond: 1_000, now: 0)
        #expect(bucket.wait(perSecond: 1_000, now: 0) == 5)
        #expect(bucket.isFull(now: 5 * second))
        #expect(!bucket.isFull(now: 5 * second - 1))
        bucket.take(1_000, perSecond: 1_000_000, now: 4 * second)
        #expect(bucket.wait(perSecond: 1_000_000, now: 4 * second) == 1)
        #expect(bucket.wait(perSecond: 1_000_000, now: 4 * second + second / 100) == nil)
    }
}
