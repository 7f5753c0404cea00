import Metadata
import StorageModel

/// Random transactions by many tasks at once, held against a dictionary on which the committed ones are run again one
/// after the other, in the order of their versions: each must have seen exactly what it then sees.
private struct RandomHistory {
    enum Look: Sendable {
        case get([UInt8])
        case walk(KeyRange, from: [UInt8]?, upward: Bool, steps: Int)
    }

    /// Values depend on what was read, so a wrong read spoils what follows.
    enum Write: Sendable {
        case set([UInt8])
        case delete([UInt8])
        case deleteRange(KeyRange)
        case add([UInt8], Int64)
        case append
    }

    struct Plan: Sendable {
        var looks: [Look]
        var writes: [Write]
        var salt: UInt8
    }

    struct Event: Sendable {
        var plan: Plan
        var seen: [[MetadataEntry]]
        /// `nil` for one that wrote nothing; its state is then one of those between the two bounds.
        var version: Version?
        var newestBefore: UInt64
        var newestAfter: UInt64
    }

    static func plan(_ numbers: inout SeededNumbers) -> Plan {
        func randomKey() -> [UInt8] {
            (0..<Int.random(in: 1...2, using: &numbers)).map { _ in UInt8.random(in: 97...100, using: &numbers) }
        }
        func randomRange() -> KeyRange {
            let bounds = [randomKey(), randomKey()].sorted { $0.lexicographicallyPrecedes($1) }
            return KeyRange(from: bounds[0], to: bounds[1] + [200])
        }
        let looks: [Look] = (0..<Int.random(in: 0...3, using: &numbers)).map { _ in
            if Bool.random(using: &numbers) { return .get(randomKey()) }
            return .walk(
                randomRange(), from: Bool.random(using: &numbers) ? randomKey() : nil,
                upward: Bool.random(using: &numbers), steps: Int.random(in: 1...5, using: &numbers))
        }
        let writes: [Write] = (0..<Int.random(in: 0...3, using: &numbers)).map { _ in
            switch Int.random(in: 0..<10, using: &numbers) {
            case 0: .deleteRange(randomRange())
            case 1...2: .delete(randomKey())
            case 3...4: .add(randomKey(), Int64.random(in: -2...2, using: &numbers))
            case 5: .append
            default: .set(randomKey())
            }
        }
        return Plan(looks: looks, writes: writes, salt: UInt8.random(in: 0...255, using: &numbers))
    }

    static func look(_ looks: [Look], _ reader: any MetadataReader) throws(StorageFailure) -> [[MetadataEntry]] {
        var seen: [[MetadataEntry]] = []
        for look in looks {
            switch look {
            case .get(let key):
                seen.append(try reader.get(key).map { [MetadataEntry(key: key, value: $0)] } ?? [])
            case .walk(let range, let start, let upward, let steps):
                let cursor = try reader.cursor(in: range)
                var entries: [MetadataEntry] = []
                var entry: MetadataEntry?
                if let start {
                    entry = upward ? try cursor.seek(start) : try cursor.seekBackward(start)
                } else {
                    entry = upward ? try cursor.next() : try cursor.previous()
                }
                while let found = entry, entries.count < steps {
                    entries.append(found)
                    entry = entries.count < steps ? (upward ? try cursor.next() : try cursor.previous()) : nil
                }
                seen.append(entries)
            }
        }
        return seen
    }

    static func digest(_ seen: [[MetadataEntry]], _ salt: UInt8) -> [UInt8] {
        var digest = UInt64(salt)
        for entry in seen.joined() {
            for byte in entry.key + entry.value { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
        }
        return (0..<8).map { UInt8(truncatingIfNeeded: digest >> (8 * UInt64($0))) }
    }

    static func write(_ plan: Plan, _ seen: [[MetadataEntry]], _ transaction: any MetadataTransaction) {
        for write in plan.writes {
            switch write {
            case .set(let key): transaction.set(key, digest(seen, plan.salt))
            case .delete(let key): transaction.delete(key)
            case .deleteRange(let range): transaction.delete(range)
            case .add(let key, let delta): transaction.add(key, delta)
            case .append:
                transaction.setVersioned(
                    prefix: key("d"), suffix: [], digest(seen, plan.salt) + key("........"), versionAt: [8])
            }
        }
    }
}

/// The dictionary, with every operation in its plainest form.
private struct DictionaryModel {
    var values: [[UInt8]: [UInt8]] = [:]

    func look(_ looks: [RandomHistory.Look]) -> [[MetadataEntry]] {
        looks.map { look in
            switch look {
            case .get(let key):
                return values[key].map { [MetadataEntry(key: key, value: $0)] } ?? []
            case .walk(let range, let start, let upward, let steps):
                var entries = values.filter { range.contains($0.key) }.map {
                    MetadataEntry(key: $0.key, value: $0.value)
                }
                entries.sort { $0.key.lexicographicallyPrecedes($1.key) }
                if !upward { entries.reverse() }
                if let start {
                    entries.removeAll {
                        upward ? $0.key.lexicographicallyPrecedes(start) : start.lexicographicallyPrecedes($0.key)
                    }
                }
                return Array(entries.prefix(steps))
            }
        }
    }

    mutating func run(_ plan: RandomHistory.Plan, version: Version) {
        let digest = RandomHistory.digest(look(plan.looks), plan.salt)
        for write in plan.writes {
            switch write {
            case .set(let key): values[key] = digest
            case .delete(let key): values[key] = nil
            case .deleteRange(let range): values = values.filter { !range.contains($0.key) }
            case .add(let key, let delta):
                let sum = CounterValue.decode(values[key]) &+ delta
                values[key] = sum == 0 ? nil : CounterValue.encode(sum)
            case .append: values[key("d") + version.bytes] = digest + version.bytes
            }
        }
    }
}

extension MetadataContract {
    static var randomCases: [MetadataContractCase] {
        (1...6).map { seed in
            MetadataContractCase("random transactions are serializable in version order, seed \(seed)") { store, _ in
                try await checkRandomHistory(store, seed: UInt64(seed))
            }
        }
    }

    private static func checkRandomHistory(_ store: any MetadataStore, seed: UInt64) async throws {
        let newest = Locked<UInt64>(0)
        let started = Locked<UInt64>(0)
        let events = try await withThrowingTaskGroup(of: [RandomHistory.Event].self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var numbers = SeededNumbers(seed: seed &* 1_000 &+ UInt64(worker))
                    var events: [RandomHistory.Event] = []
                    for _ in 0..<60 {
                        events.append(try await run(RandomHistory.plan(&numbers), store, newest, started))
                    }
                    return events
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        try replay(events, seed: seed)
        try await compare(store, events)
    }

    private static func run(
        _ plan: RandomHistory.Plan, _ store: any MetadataStore, _ newest: Locked<UInt64>, _ started: Locked<UInt64>
    ) async throws -> RandomHistory.Event {
        let before = newest.withLock { $0 }
        // Commits are numbered one by one, so no version is above the number of commits that were begun.
        if !plan.writes.isEmpty { started.withLock { $0 += 1 } }
        let committed = try await store.transact { (transaction) throws(StorageFailure) in
            let seen = try RandomHistory.look(plan.looks, transaction)
            RandomHistory.write(plan, seen, transaction)
            return seen
        }
        if let version = committed.version { newest.withLock { $0 = max($0, version.rawValue) } }
        return RandomHistory.Event(
            plan: plan, seen: committed.result, version: committed.version, newestBefore: before,
            newestAfter: started.withLock { $0 })
    }

    private static func sorted(_ events: [RandomHistory.Event]) -> [(version: Version, event: RandomHistory.Event)] {
        events.compactMap { event in event.version.map { (version: $0, event: event) } }
            .sorted { $0.version < $1.version }
    }

    private static func replay(_ events: [RandomHistory.Event], seed: UInt64) throws {
        var states = [(version: UInt64(0), model: DictionaryModel())]
        var model = DictionaryModel()
        for (version, event) in sorted(events) {
            try requireEqual(event.seen, model.look(event.plan.looks), "seed \(seed), what \(version) saw")
            model.run(event.plan, version: version)
            states.append((version.rawValue, model))
        }
        for event in events where event.version == nil {
            let candidates = states.filter { $0.version >= event.newestBefore && $0.version <= event.newestAfter }
            try require(
                candidates.contains { $0.model.look(event.plan.looks) == event.seen },
                "seed \(seed): a read between \(event.newestBefore) and \(event.newestAfter) saw no such state"
            )
        }
    }

    private static func compare(_ store: any MetadataStore, _ events: [RandomHistory.Event]) async throws {
        var model = DictionaryModel()
        for (version, event) in sorted(events) { model.run(event.plan, version: version) }
        let expected = model.look([.walk(everything, from: nil, upward: true, steps: .max)])[0]
        try requireEqual(try await store.all(), expected, "the final state")
    }
}
