import HTTPExchange
import NIOCore
import NIOHTTP1
import Testing

@testable import FrontDoor

private let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
private func put(_ length: Int, _ headers: String = "") -> String {
    "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: \(length)\r\n\(headers)\r\n"
}

extension ConnectionStateMachine.Step {
    /// A short form to compare by.
    fileprivate var name: String {
        switch self {
        case .none: "none"
        case .serve(let parsed): "serve \(parsed.head.uri)"
        case .refuse(let refusal): "refuse \(refusal.label)"
        case .deliver(.piece(let piece)): "deliver \(String(buffer: piece))"
        case .deliver(.end): "deliver end"
        case .deliver(.truncated): "deliver truncated"
        case .deliver(.timedOut): "deliver timed out"
        case .linger: "linger"
        case .close: "close"
        }
    }
}

struct ConnectionStateMachineTests {
    private var limits = FrontDoorLimits()
    private let second: Int64 = 1_000_000_000

    private func machine(_ limits: FrontDoorLimits = FrontDoorLimits()) -> ConnectionStateMachine {
        ConnectionStateMachine(limits: limits, now: 0)
    }

    private func receive(_ machine: inout ConnectionStateMachine, _ text: String, now: Int64 = 0) -> String {
        machine.received(ByteBuffer(string: text), now: now).name
    }

    @Test func oneRequestAfterAnother() {
        var machine = machine()
        #expect(receive(&machine, get + get + "GET /b") == "serve /a")
        // The next ones wait, and nothing more is read meanwhile.
        #expect(!machine.wantsRead)
        #expect(receive(&machine, " HTTP/1.1\r\n") == "none")
        #expect(machine.answerStarts(closesConnection: false) == true)
        #expect(machine.answerEnded(now: 0).name == "serve /a")
        #expect(machine.answerStarts(closesConnection: false) == true)
        #expect(machine.answerEnded(now: 0).name == "none")
        #expect(machine.wantsRead)
        #expect(receive(&machine, "Host: h\r\n\r\n") == "serve /b")
    }

    @Test func aBodyIsReadAsItIsPulled() {
        var machine = machine()
        #expect(receive(&machine, put(10) + "abc") == "serve /a")
        #expect(!machine.wantsRead)
        #expect(machine.pull(now: 0) == .now(.piece(ByteBuffer(string: "abc"))))
        #expect(machine.wantsRead)
        #expect(receive(&machine, "def") == "none")
        #expect(!machine.wantsRead)
        #expect(machine.pull(now: 0) == .now(.piece(ByteBuffer(string: "def"))))
        #expect(machine.pull(now: 0) == .later(sendContinue: false))
        #expect(machine.wantsRead)
        #expect(receive(&machine, "ghijGET /b HTTP/1.1\r\nHost: h\r\n\r\n") == "deliver ghij")
        #expect(machine.pull(now: 0) == .now(.end))
        #expect(machine.pull(now: 0) == .now(.end))
        #expect(machine.bodyBytes == 10)
        #expect(machine.answerStarts(closesConnection: false) == true)
        #expect(machine.answerEnded(now: 0).name == "serve /b")
    }

    @Test func aSecondPullAtTheSameTimeFails() {
        var machine = machine()
        _ = receive(&machine, put(10))
        #expect(machine.pull(now: 0) == .later(sendContinue: false))
        #expect(machine.pull(now: 0) == .now(.truncated))
    }

    @Test func continueIsSentAtTheFirstPullAndOnlyThen() {
        var machine = machine()
        _ = receive(&machine, put(4, "Expect: 100-continue\r\n"))
        #expect(machine.pull(now: 0) == .later(sendContinue: true))
        #expect(receive(&machine, "ab") == "deliver ab")
        #expect(machine.pull(now: 0) == .later(sendContinue: false))
        #expect(receive(&machine, "cd") == "deliver cd")
        #expect(machine.answerStarts(closesConnection: false) == true)
        #expect(machine.answerEnded(now: 0).name == "none")
    }

    @Test func continueIsNotSentForABodyThatIsHere() {
        var machine = machine()
        _ = receive(&machine, put(4, "Expect: 100-continue\r\n") + "ab")
        #expect(machine.pull(now: 0) == .now(.piece(ByteBuffer(string: "ab"))))
        #expect(machine.pull(now: 0) == .later(sendContinue: false))
    }

    @Test func anAnswerInsteadOfContinueEndsTheConnection() {
        var machine = machine()
        _ = receive(&machine, put(4, "Expect: 100-continue\r\n"))
        #expect(machine.answerStarts(closesConnection: false) == false)
        #expect(machine.answerEnded(now: 0).name == "linger")
    }

    @Test func anUnreadBodyIsThrownAwayUpToALimit() {
        var limits = FrontDoorLimits()
        limits.discardedBodyBytes = 10
        var small = machine(limits)
        _ = receive(&small, put(10) + "abc")
        #expect(small.answerStarts(closesConnection: false) == true)
        #expect(small.answerEnded(now: 0).name == "none")
        #expect(small.phase == .discarding)
        #expect(small.wantsRead)
        #expect(receive(&small, "defghij" + get) == "serve /a")

        var large = machine(limits)
        _ = receive(&large, put(20) + "abc")
        #expect(large.answerStarts(closesConnection: false) == false)
        #expect(large.answerEnded(now: 0).name == "linger")
        #expect(large.wantsRead)
        #expect(receive(&large, "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n") == "none")
        #expect(large.inputEnded(now: 0).name == "close")

        // How long a chunked body is only shows while it is thrown away.
        var chunked = machine(limits)
        _ = receive(&chunked, "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        #expect(chunked.answerStarts(closesConnection: false) == true)
        #expect(chunked.answerEnded(now: 0).name == "none")
        #expect(receive(&chunked, "b\r\n0123456789a\r\n") == "linger")
    }

    @Test func whatIsMalformedIsRefusedAndEndsTheConnection() {
        for (what, bytes) in malformedRequests {
            var machine = machine()
            #expect(receive(&machine, bytes) == "refuse malformed", "\(what)")
            #expect(machine.answerStarts(closesConnection: false) == false, "\(what)")
            #expect(machine.answerEnded(now: 0).name == "linger", "\(what)")
        }
    }

    @Test func aBrokenChunkFailsTheReaderAndEndsTheConnection() {
        var machine = machine()
        _ = receive(&machine, "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        #expect(machine.pull(now: 0) == .later(sendContinue: false))
        #expect(receive(&machine, "zz\r\n") == "deliver truncated")
        #expect(machine.pull(now: 0) == .now(.truncated))
        #expect(machine.answerStarts(closesConnection: false) == false)
        #expect(machine.answerEnded(now: 0).name == "linger")
    }

    @Test func aPeerThatStopsSendingStillGetsItsAnswer() {
        var machine = machine()
        #expect(receive(&machine, get) == "serve /a")
        #expect(machine.inputEnded(now: 0).name == "none")
        #expect(!machine.wantsRead)
        #expect(machine.answerStarts(closesConnection: false) == false)
        #expect(machine.answerEnded(now: 0).name == "close")
    }

    @Test func aPeerThatGoesAwayFailsTheReader() {
        for isWaiting in [true, false] {
            var machine = machine()
            _ = receive(&machine, put(10) + "abc")
            _ = machine.pull(now: 0)
            if isWaiting {
                #expect(machine.pull(now: 0) == .later(sendContinue: false))
                #expect(machine.inputEnded(now: 0).name == "deliver truncated")
            } else {
                #expect(machine.inputEnded(now: 0).name == "none")
            }
            #expect(machine.pull(now: 0) == .now(.truncated))
        }
        var gone = machine()
        _ = receive(&gone, put(10))
        _ = gone.pull(now: 0)
        #expect(gone.disconnected().name == "deliver truncated")
        #expect(gone.disconnected().name == "none")
        #expect(gone.answerEnded(now: 0).name == "none")
    }

    @Test func idlePeersAreClosedAndSlowHeadsRefused() {
        let limits = FrontDoorLimits()
        var idle = machine()
        #expect(idle.sweep(now: limits.idleTimeout - 1).1 == nil)
        let (step, timeout) = idle.sweep(now: limits.idleTimeout)
        #expect(step.name == "close")
        #expect(timeout == .idle)

        // A byte now and then does not help.
        var slow = machine()
        for index in 0..<20 {
            #expect(receive(&slow, "G", now: 100 * second + Int64(index) * second) == "none")
        }
        #expect(slow.sweep(now: 100 * second + limits.headTimeout - 1).1 == nil)
        let (refusal, late) = slow.sweep(now: 100 * second + limits.headTimeout)
        #expect(refusal.name == "refuse request_timeout")
        #expect(late == .head)
    }

    @Test func aBodyMustMakeProgressWhileItIsAwaited() {
        let limits = FrontDoorLimits()
        var machine = machine()
        _ = receive(&machine, put(100_000))
        // The service is slow: that is not the peer's fault.
        #expect(machine.sweep(now: 1_000 * second).1 == nil)
        #expect(machine.pull(now: 1_000 * second) == .later(sendContinue: false))
        var now = 1_000 * second
        for _ in 0..<59 {
            now += second
            #expect(receive(&machine, "x", now: now) == "deliver x")
            #expect(machine.pull(now: now) == .later(sendContinue: false))
            #expect(machine.sweep(now: now).1 == nil)
        }
        now += second
        let (step, timeout) = machine.sweep(now: now)
        #expect(step.name == "deliver timed out")
        #expect(timeout == .body)
        #expect(machine.answerStarts(closesConnection: false) == false)

        var steady = ConnectionStateMachine(limits: limits, now: 0)
        _ = receive(&steady, put(100_000))
        _ = steady.pull(now: 0)
        let enough = String(repeating: "x", count: Int(limits.bodyProgressBytes))
        for round in 1...5 {
            let now = Int64(round) * limits.bodyProgressTimeout
            #expect(receive(&steady, enough, now: now).hasPrefix("deliver"))
            _ = steady.pull(now: now)
            #expect(steady.sweep(now: now).1 == nil)
        }
    }

    @Test func aPeerThatDoesNotReadIsClosed() {
        let limits = FrontDoorLimits()
        var machine = machine()
        _ = receive(&machine, get)
        _ = machine.answerStarts(closesConnection: false)
        machine.writeStarted(now: 0)
        _ = machine.writeProgressed(now: 50 * second, isWaiting: true)
        #expect(machine.sweep(now: 50 * second + limits.writeStallTimeout - 1).1 == nil)
        let (step, timeout) = machine.sweep(now: 50 * second + limits.writeStallTimeout)
        #expect(step.name == "close")
        #expect(timeout == .write)
    }

    @Test func discardingAndLingeringEnd() {
        let limits = FrontDoorLimits()
        var discarding = machine()
        _ = receive(&discarding, put(10))
        _ = discarding.answerStarts(closesConnection: false)
        _ = discarding.answerEnded(now: 0)
        #expect(discarding.sweep(now: limits.discardTimeout).1 == .discard)

        var lingering = machine()
        _ = receive(&lingering, put(10))
        _ = lingering.answerStarts(closesConnection: true)
        #expect(lingering.answerEnded(now: 0).name == "linger")
        #expect(lingering.sweep(now: limits.lingerTimeout).1 == .linger)
    }

    @Test func drainingClosesWhatIsIdleAndEndsWhatIsNot() {
        var idle = machine()
        #expect(idle.drain().name == "close")
        var busy = machine()
        _ = receive(&busy, get)
        #expect(busy.drain().name == "none")
        #expect(busy.answerStarts(closesConnection: false) == false)
        #expect(busy.answerEnded(now: 0).name == "close")
        var partial = machine()
        _ = receive(&partial, "GET /a HTTP")
        #expect(partial.drain().name == "none")
        #expect(receive(&partial, "/1.1\r\nHost: h\r\n\r\n") == "serve /a")
        #expect(partial.answerStarts(closesConnection: false) == false)
    }

    @Test func whatIsOnItsWayIsSentBeforeTheConnectionCloses() {
        let limits = FrontDoorLimits()
        let endings: [(inout ConnectionStateMachine) -> String] = [
            { $0.drain().name }, { $0.inputEnded(now: 0).name },
        ]
        for ending in endings {
            var machine = machine()
            _ = receive(&machine, get)
            _ = machine.answerStarts(closesConnection: false)
            _ = machine.answerEnded(now: 0)
            machine.writeStarted(now: 0)
            #expect(ending(&machine) == "close")
            machine.closeWhenWritten()
            #expect(machine.sweep(now: limits.writeStallTimeout - 1).1 == nil)
            var stalled = machine
            #expect(stalled.sweep(now: limits.writeStallTimeout).1 == .write)
            #expect(machine.writeProgressed(now: 1, isWaiting: true).name == "none")
            #expect(machine.writeProgressed(now: 2, isWaiting: false).name == "close")
            #expect(machine.writeProgressed(now: 3, isWaiting: false).name == "none")
        }
    }

    @Test func whatCameBeforeTheEndIsAnswered() {
        var machine = machine()
        #expect(receive(&machine, get + get + "GET /half") == "serve /a")
        #expect(machine.inputEnded(now: 0).name == "none")
        #expect(machine.answerStarts(closesConnection: false) == true)
        #expect(machine.answerEnded(now: 0).name == "serve /a")
        #expect(machine.answerStarts(closesConnection: false) == true)
        #expect(machine.answerEnded(now: 0).name == "close")
    }

    @Test func aFailedAnswerClosesAtOnce() {
        var machine = machine()
        _ = receive(&machine, get)
        _ = machine.answerStarts(closesConnection: false)
        #expect(machine.answerFailed().name == "close")
        #expect(machine.answerEnded(now: 0).name == "none")
    }
}
