import StorageModel

/// Whether the history of one object can be explained by its operations having happened one after another, each somewhere
/// between its invocation and its return. Source: Wing & Gong, "Testing and Verifying Concurrent Objects" (1993), with the
/// memory of visited states of Lowe, "Testing for linearizability" (2017).
package struct Linearizability: Sendable {
    package enum Verdict: Sendable, Equatable {
        case linearizable
        /// No order explains the history. Holds the longest run of operations that could be explained and what stood next.
        case violated(explained: [Int], stuckAt: [Int])
        /// The search gave up: this is no verdict, and so not green.
        case undecided(steps: Int)
    }

    /// Operations tried before the search gives up.
    package var maximumSteps = 2_000_000
    private let subject: any ModelSubject

    /// - Parameter subject: says how refusals read; nothing is performed.
    package init(_ subject: any ModelSubject) { self.subject = subject }

    /// - Parameters:
    ///   - events: of one object, sorted by invocation.
    ///   - initial: the model before the first of them.
    package func judge(_ events: [ModelHistory.Event], from initial: ModelStore) -> Verdict {
        var search = Search(events: events, initial: initial, subject: subject, maximumSteps: maximumSteps)
        return search.run()
    }
}

/// Where the search stands. Calls and returns are entries of one list in the order of time, linked so that an operation that
/// has been given its place can be taken out and put back in constant time.
private struct Search {
    private struct Entry {
        var event: Int
        var isCall: Bool
        var previous: Int
        var next: Int
        /// Of a call: where its return stands.
        var match: Int
    }

    private struct Visited: Hashable {
        var taken: [UInt64]
        var state: ModelStore
    }

    private let events: [ModelHistory.Event]
    private let subject: any ModelSubject
    private let maximumSteps: Int
    /// Entry 0 is the head of the list, before everything.
    private var entries: [Entry] = [Entry(event: -1, isCall: false, previous: -1, next: -1, match: -1)]
    private var state: ModelStore
    private var taken: [UInt64]
    private var visited: Set<Visited> = []
    private var path: [(entry: Int, before: ModelStore)] = []
    private var longest: [Int] = []
    private var stuckAt: [Int] = []

    init(events: [ModelHistory.Event], initial: ModelStore, subject: any ModelSubject, maximumSteps: Int) {
        self.events = events
        self.subject = subject
        self.maximumSteps = maximumSteps
        state = initial
        taken = [UInt64](repeating: 0, count: events.count / 64 + 1)
        var times: [(time: Int, event: Int, isCall: Bool)] = []
        for (index, event) in events.enumerated() {
            times.append((event.invoked, index, true))
            times.append((event.returned, index, false))
        }
        times.sort { $0.time < $1.time }
        var calls = [Int](repeating: 0, count: events.count)
        for (position, item) in times.enumerated() {
            let at = position + 1
            entries.append(
                Entry(
                    event: item.event, isCall: item.isCall, previous: at - 1, next: at < times.count ? at + 1 : -1,
                    match: -1))
            if item.isCall { calls[item.event] = at } else { entries[calls[item.event]].match = at }
        }
        entries[0].next = times.isEmpty ? -1 : 1
    }

    mutating func run() -> Linearizability.Verdict {
        var at = entries[0].next
        var steps = 0
        while entries[0].next != -1 {
            let entry = entries[at]
            guard entry.isCall else {
                // An operation has returned that could not be given a place: something before it must go elsewhere.
                if path.count >= longest.count { remember() }
                guard let (last, before) = path.popLast() else {
                    return .violated(explained: longest, stuckAt: stuckAt)
                }
                state = before
                flip(entries[last].event)
                putBack(last)
                at = entries[last].next
                continue
            }
            steps += 1
            guard steps <= maximumSteps else { return .undecided(steps: steps) }
            if let after = explain(entry.event), isNew(entry.event, after) {
                path.append((at, state))
                state = after
                flip(entry.event)
                takeOut(at)
                at = entries[0].next
            } else {
                at = entry.next
            }
        }
        return .linearizable
    }

    /// The state after an operation, if its answer is right in this one.
    private func explain(_ event: Int) -> ModelStore? {
        var after = state
        let (operation, outcome) = (events[event].operation, events[event].outcome)
        let answer = subject.answer(operation, found: outcome, &after)
        return subject.difference(operation, found: outcome, expected: answer) == nil ? after : nil
    }

    private mutating func isNew(_ event: Int, _ after: ModelStore) -> Bool {
        var with = taken
        with[event / 64] |= 1 << UInt64(event % 64)
        return visited.insert(Visited(taken: with, state: after)).inserted
    }

    private mutating func flip(_ event: Int) { taken[event / 64] ^= 1 << UInt64(event % 64) }

    private mutating func takeOut(_ call: Int) {
        unlink(call)
        unlink(entries[call].match)
    }

    private mutating func unlink(_ at: Int) {
        let (previous, next) = (entries[at].previous, entries[at].next)
        entries[previous].next = next
        if next != -1 { entries[next].previous = previous }
    }

    private mutating func putBack(_ call: Int) {
        link(entries[call].match)
        link(call)
    }

    private mutating func link(_ at: Int) {
        entries[entries[at].previous].next = at
        if entries[at].next != -1 { entries[entries[at].next].previous = at }
    }

    private mutating func remember() {
        longest = path.map { entries[$0.entry].event }
        stuckAt = []
        var at = entries[0].next
        while at != -1, entries[at].isCall {
            stuckAt.append(entries[at].event)
            at = entries[at].next
        }
    }
}
