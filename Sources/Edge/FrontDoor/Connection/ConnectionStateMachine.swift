import HTTPExchange
import NIOCore

/// The life of one connection as a value: what arrives goes in, what is to be done comes out. No I/O, no clock: times are
/// given, in nanoseconds of the monotonic clock.
///
/// Requests are taken strictly one after another. Bytes of the next one wait, unread or unparsed, until the answer to the
/// one before is out.
struct ConnectionStateMachine: Sendable {
    /// What the shell has to do.
    enum Step {
        case none
        case serve(ParsedHead)
        /// Answer with the service's refusal, then `answerEnded`.
        case refuse(HTTPRefusal)
        /// Give this to the consumer that waits for a piece of the body.
        case deliver(Pull)
        /// Close the sending side, go on reading until the peer closes.
        case linger
        case close
    }

    enum Pull: Equatable {
        case piece(ByteBuffer)
        case end
        case truncated
        /// The peer was too slow for too long.
        case timedOut
    }

    enum PullOutcome: Equatable {
        case now(Pull)
        /// Nothing is here yet; `deliver` follows. With `sendContinue` the peer waits to be asked for the body.
        case later(sendContinue: Bool)
    }

    enum Phase: Equatable {
        /// Between requests, or within a head.
        case head
        case serving
        /// The answer is out; the rest of the request's body is thrown away so that the connection can be kept.
        case discarding
        /// The last answer is out; reading on, so that the peer gets to read it before the connection is reset.
        case lingering
        case closed
    }

    private let limits: FrontDoorLimits
    private(set) var phase = Phase.head
    private var parser: RequestHeadParser
    /// Received and not yet taken.
    private(set) var pending = ByteBuffer()
    private var body = BodyDecoder(.none)
    private var isBodyBroken = false
    private var awaitsContinue = false
    private var requestKeepsAlive = false
    private var closesAfterAnswer = false
    private var isDraining = false
    private var hasSeenEnd = false
    private var isPullWaiting = false
    private(set) var bodyBytes: Int64 = 0
    private var discarded: Int64 = 0

    // Times
    private var since: Int64
    private var pullSince: Int64 = 0
    private var pullWaited: Int64 = 0
    private var pullBytes: Int64 = 0
    private var writeSince: Int64?
    private var closesWhenWritten = false

    init(limits: FrontDoorLimits, now: Int64) {
        self.limits = limits
        parser = RequestHeadParser(limits: limits)
        since = now
    }

    /// Whether more should be read from the socket: never while what is here has not been taken.
    var wantsRead: Bool {
        guard !hasSeenEnd else { return false }
        return switch phase {
        case .head, .discarding, .lingering: true
        case .serving: pending.readableBytes == 0 || isPullWaiting
        case .closed: false
        }
    }

    /// A good size for the next read: the rest of the body, or what a head takes.
    func readHint(bodyPieceBytes: Int) -> Int {
        switch phase {
        case .head, .closed: 4096
        case .lingering: 16 * 1024
        case .serving, .discarding:
            body.hasEnded ? 4096 : Int(min(body.remaining ?? Int64(bodyPieceBytes), Int64(bodyPieceBytes)))
        }
    }

    var isBodyPending: Bool { !body.hasEnded }

    // MARK: Arrivals

    mutating func received(_ bytes: ByteBuffer, now: Int64) -> Step {
        switch phase {
        case .closed, .lingering: return .none
        case .head:
            if pending.readableBytes == 0 { since = now }
            add(bytes)
            return nextHead(now: now)
        case .serving:
            add(bytes)
            guard isPullWaiting else { return .none }
            if pullBytes < Int64.max / 2 { pullBytes += Int64(bytes.readableBytes) }
            guard let pull = takePiece() else { return .none }
            endWait(now: now)
            return .deliver(pull)
        case .discarding:
            add(bytes)
            return discard(now: now)
        }
    }

    /// The peer will send no more. It may still be reading.
    mutating func inputEnded(now: Int64) -> Step {
        hasSeenEnd = true
        switch phase {
        case .head, .discarding, .lingering:
            phase = .closed
            return .close
        case .serving:
            guard isPullWaiting else { return .none }
            endWait(now: now)
            return .deliver(.truncated)
        case .closed: return .none
        }
    }

    /// The connection is gone.
    mutating func disconnected() -> Step {
        let wasWaiting = isPullWaiting
        phase = .closed
        hasSeenEnd = true
        isPullWaiting = false
        return wasWaiting ? .deliver(.truncated) : .none
    }

    private mutating func add(_ bytes: ByteBuffer) {
        if pending.readableBytes == 0 {
            pending = bytes
        } else {
            var bytes = bytes
            pending.writeBuffer(&bytes)
        }
    }

    private mutating func nextHead(now: Int64) -> Step {
        guard pending.readableBytes > 0 else { return .none }
        switch parser.parse(&pending) {
        case .incomplete: return .none
        case .refused(let refusal): return refuse(refusal)
        case .head(let parsed):
            phase = .serving
            body = BodyDecoder(parsed.framing)
            isBodyBroken = false
            awaitsContinue = parsed.expectsContinue
            requestKeepsAlive = parsed.keepsAlive
            bodyBytes = 0
            (pullWaited, pullBytes) = (0, 0)
            if pending.readableBytes == 0 { pending = ByteBuffer() }
            // A body that is already arriving was not held back.
            if awaitsContinue && pending.readableBytes > 0 { awaitsContinue = false }
            return .serve(parsed)
        }
    }

    private mutating func refuse(_ refusal: HTTPRefusal) -> Step {
        phase = .serving
        // What follows cannot be told apart from the request that was refused.
        closesAfterAnswer = true
        isBodyBroken = true
        body = BodyDecoder(.none)
        bodyBytes = 0
        return .refuse(refusal)
    }

    /// Refuses the connection before it said anything.
    mutating func refuseConnection(_ refusal: HTTPRefusal) -> Step { refuse(refusal) }

    // MARK: The body

    mutating func pull(now: Int64) -> PullOutcome {
        guard phase == .serving, !isPullWaiting else { return .now(.truncated) }
        if let pull = takePiece() { return .now(pull) }
        if hasSeenEnd { return .now(.truncated) }
        isPullWaiting = true
        pullSince = now
        defer { awaitsContinue = false }
        return .later(sendContinue: awaitsContinue)
    }

    private mutating func takePiece() -> Pull? {
        if isBodyBroken { return .truncated }
        switch body.next(from: &pending) {
        case .piece(let piece):
            bodyBytes += Int64(piece.readableBytes)
            if pending.readableBytes == 0 { pending = ByteBuffer() }
            return .piece(piece)
        case .end: return .end
        case .incomplete: return nil
        case .malformed:
            isBodyBroken = true
            closesAfterAnswer = true
            return .truncated
        }
    }

    private mutating func endWait(now: Int64) {
        isPullWaiting = false
        pullWaited += now - pullSince
    }

    // MARK: The answer

    /// Called before an answer's head is written. Answers whether the connection stays open after it.
    mutating func answerStarts(closesConnection: Bool) -> Bool {
        if closesConnection || isDraining || !requestKeepsAlive { closesAfterAnswer = true }
        // What has come before the end is still answered.
        if hasSeenEnd && (pending.readableBytes == 0 || !body.hasEnded) { closesAfterAnswer = true }
        if !body.hasEnded {
            // After an answer that did not wait for the body, whether it still comes is the peer's guess.
            if awaitsContinue || isBodyBroken { closesAfterAnswer = true }
            if let remaining = body.remaining, remaining - Int64(pending.readableBytes) > limits.discardedBodyBytes {
                closesAfterAnswer = true
            }
        }
        return !closesAfterAnswer
    }

    /// The answer is with the socket.
    mutating func answerEnded(now: Int64) -> Step {
        guard phase == .serving else { return .none }
        writeSince = nil
        since = now
        isPullWaiting = false
        if closesAfterAnswer {
            if hasSeenEnd || (body.hasEnded && !isBodyBroken && pending.readableBytes == 0) {
                phase = .closed
                return .close
            }
            phase = .lingering
            pending = ByteBuffer()
            return .linger
        }
        discarded = 0
        phase = .discarding
        return discard(now: now)
    }

    /// The answer could not be completed: whoever reads it must not take it for whole.
    mutating func answerFailed() -> Step {
        guard phase != .closed else { return .none }
        phase = .closed
        return .close
    }

    private mutating func discard(now: Int64) -> Step {
        while true {
            switch body.next(from: &pending) {
            case .piece(let piece):
                discarded += Int64(piece.readableBytes)
                bodyBytes += Int64(piece.readableBytes)
                guard discarded <= limits.discardedBodyBytes else { return startLingering(now: now) }
            case .incomplete:
                if hasSeenEnd {
                    phase = .closed
                    return .close
                }
                return .none
            case .malformed: return startLingering(now: now)
            case .end:
                phase = .head
                since = now
                if pending.readableBytes == 0 {
                    pending = ByteBuffer()
                    guard !hasSeenEnd, !isDraining else {
                        phase = .closed
                        return .close
                    }
                    return .none
                }
                let step = nextHead(now: now)
                if phase == .head, hasSeenEnd {
                    phase = .closed
                    return .close
                }
                return step
            }
        }
    }

    private mutating func startLingering(now: Int64) -> Step {
        phase = .lingering
        since = now
        pending = ByteBuffer()
        return .linger
    }

    // MARK: Time and shutdown

    /// Bytes of an answer wait for the peer to take them. They may outlast the answer: the last of it is on its way when
    /// the next request is already wanted.
    mutating func writeStarted(now: Int64) { if writeSince == nil { writeSince = now } }

    mutating func writeProgressed(now: Int64, isWaiting: Bool) -> Step {
        writeSince = isWaiting ? now : nil
        guard closesWhenWritten, !isWaiting else { return .none }
        closesWhenWritten = false
        return .close
    }

    /// The connection is to be closed and the peer has not taken all of the last answer yet: `close` comes again then.
    mutating func closeWhenWritten() { closesWhenWritten = true }

    /// What was awaited in vain; the first two before there is a machine.
    enum Timeout: String, Sendable, CaseIterable { case proxy, handshake, idle, head, body, write, discard, linger }

    /// Looks whether the peer has taken too long.
    mutating func sweep(now: Int64) -> (Step, Timeout?) {
        switch phase {
        case .closed:
            guard closesWhenWritten, let writeSince, now - writeSince >= limits.writeStallTimeout else {
                return (.none, nil)
            }
            closesWhenWritten = false
            return (.close, .write)
        case .head where writeSince != nil, .serving where writeSince != nil:
            if let writeSince, now - writeSince >= limits.writeStallTimeout {
                phase = .closed
                return (.close, .write)
            }
            return phase == .serving ? sweepBody(now: now) : (.none, nil)
        case .head where pending.readableBytes == 0:
            guard now - since >= limits.idleTimeout else { return (.none, nil) }
            phase = .closed
            return (.close, .idle)
        case .head:
            guard now - since >= limits.headTimeout else { return (.none, nil) }
            return (refuse(.requestTimeout), .head)
        case .serving: return sweepBody(now: now)
        case .discarding:
            guard now - since >= limits.discardTimeout else { return (.none, nil) }
            phase = .closed
            return (.close, .discard)
        case .lingering:
            guard now - since >= limits.lingerTimeout else { return (.none, nil) }
            phase = .closed
            return (.close, .linger)
        }
    }

    /// Only the time that the service has waited for the peer counts, over all pulls of a body: neither a slow disk nor a
    /// byte now and then changes that.
    private mutating func sweepBody(now: Int64) -> (Step, Timeout?) {
        guard isPullWaiting else { return (.none, nil) }
        pullWaited += now - pullSince
        pullSince = now
        guard pullWaited >= limits.bodyProgressTimeout else { return (.none, nil) }
        guard pullBytes < limits.bodyProgressBytes else {
            (pullWaited, pullBytes) = (0, 0)
            return (.none, nil)
        }
        isBodyBroken = true
        closesAfterAnswer = true
        isPullWaiting = false
        return (.deliver(.timedOut), .body)
    }

    /// No new request after the one that is under way.
    mutating func drain() -> Step {
        isDraining = true
        guard phase == .head, pending.readableBytes == 0 else { return .none }
        phase = .closed
        return .close
    }
}
