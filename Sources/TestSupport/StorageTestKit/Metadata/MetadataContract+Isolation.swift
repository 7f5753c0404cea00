import Metadata
import StorageModel

extension MetadataContract {
    typealias Look = @Sendable (any MetadataTransaction) throws(StorageFailure) -> Void
    typealias Change = @Sendable (any MetadataTransaction) -> Void

    /// What a transaction looks at, what another one writes meanwhile, and whether that makes it run again.
    private static func conflictCase(
        _ name: String, conflicts: Bool, look: @escaping Look, change: @escaping Change
    ) -> MetadataContractCase {
        MetadataContractCase(name) { store, _ in
            try await store.put(["b", "d", "f", "h", "j"].map { ($0, "old") })
            let (committed, runs) = try await MetadataInterleaving.transact(store) {
                (transaction, pause) throws(StorageFailure) in
                try look(transaction)
                pause()
                transaction.set(key("result"), [])
            } meanwhile: {
                _ = try await store.transact { (transaction) throws(StorageFailure) in change(transaction) }
            }
            try require(committed.version != nil, "the transaction did not commit")
            try require((runs > 1) == conflicts, "the body ran \(runs) times")
        }
    }

    private static func rangeLook(
        _ walk: @escaping @Sendable (any MetadataCursor) throws(StorageFailure) -> Void
    ) -> Look {
        { (transaction) throws(StorageFailure) in
            try walk(try transaction.cursor(in: KeyRange(from: key("b"), to: key("i"))))
        }
    }

    private static let wholeRange = rangeLook { (cursor) throws(StorageFailure) in while try cursor.next() != nil {} }
    private static let wholeRangeBackward = rangeLook { (cursor) throws(StorageFailure) in
        while try cursor.previous() != nil {}
    }

    private static func sets(_ name: String) -> Change { { $0.set(key(name), key("new")) } }
    private static func deletes(_ name: String) -> Change { { $0.delete(key(name)) } }

    static var isolationCases: [MetadataContractCase] {
        pointConflicts + rangeConflicts + partialRangeConflicts + anomalies + consistency
    }

    private static var pointConflicts: [MetadataContractCase] {
        let getD: Look = { (transaction) throws(StorageFailure) in _ = try transaction.get(key("d")) }
        let getAbsent: Look = { (transaction) throws(StorageFailure) in _ = try transaction.get(key("e")) }
        return [
            conflictCase("a key that was read and changed conflicts", conflicts: true, look: getD, change: sets("d")),
            conflictCase(
                "a key that was read and deleted conflicts", conflicts: true, look: getD, change: deletes("d")),
            conflictCase("a key that was read and added to conflicts", conflicts: true, look: getD) {
                $0.add(key("d"), 1)
            },
            conflictCase("a key that was read and range-deleted conflicts", conflicts: true, look: getD) {
                $0.delete(KeyRange(from: key("c"), to: key("e")))
            },
            conflictCase(
                "a key that was absent and created conflicts", conflicts: true, look: getAbsent, change: sets("e")),
            conflictCase("a neighbour of a key that was read does not conflict", conflicts: false, look: getD) {
                $0.set(key("c"), [])
                $0.set(key("d\u{0}"), [])
                $0.delete(key("e"))
            },
            conflictCase("peek does not conflict", conflicts: false) { (transaction) throws(StorageFailure) in
                _ = try transaction.peek(key("d"))
            } change: {
                $0.set(key("d"), [])
            },
            conflictCase("blind writes of one key do not conflict", conflicts: false) {
                (transaction) throws(StorageFailure) in
                transaction.set(key("blind"), key("first"))
                transaction.delete(KeyRange(from: key("p"), to: key("q")))
            } change: {
                $0.set(key("blind"), key("second"))
                $0.set(key("pp"), [])
            },
        ]
    }

    private static var rangeConflicts: [MetadataContractCase] {
        var cases: [MetadataContractCase] = []
        for (direction, look) in [("up", wholeRange), ("down", wholeRangeBackward)] {
            for (place, name) in [
                ("at the start", "b"), ("in a gap", "e"), ("at the end", "hz"), ("over an entry", "f"),
            ] {
                cases.append(
                    conflictCase(
                        "a write \(place) of a range read \(direction) conflicts", conflicts: true, look: look,
                        change: sets(name)))
            }
            for (place, name) in [("before", "az"), ("at the upper bound of", "i"), ("behind", "k")] {
                cases.append(
                    conflictCase(
                        "a write \(place) a range read \(direction) does not conflict", conflicts: false, look: look,
                        change: sets(name)))
            }
            cases.append(
                conflictCase(
                    "a deletion in a range read \(direction) conflicts", conflicts: true, look: look,
                    change: deletes("h")))
            cases.append(
                conflictCase("a range deletion across a range read \(direction) conflicts", conflicts: true, look: look)
                {
                    $0.delete(KeyRange(from: key("g"), to: key("z")))
                })
            cases.append(
                conflictCase("a versioned key in a range read \(direction) conflicts", conflicts: true, look: look) {
                    $0.setVersioned(prefix: key("e"), suffix: [], [], versionAt: [])
                })
        }
        let emptyRange: Look = { (transaction) throws(StorageFailure) in
            _ = try transaction.cursor(in: KeyRange(from: key("d1"), to: key("d9"))).next()
        }
        cases.append(
            conflictCase("a write into an empty range conflicts", conflicts: true, look: emptyRange, change: sets("d5"))
        )
        return cases
    }

    private static var partialRangeConflicts: [MetadataContractCase] {
        // What the cursor has not reached may change.
        let upToD = rangeLook { (cursor) throws(StorageFailure) in
            _ = try cursor.next()
            _ = try cursor.next()
        }
        let downToF = rangeLook { (cursor) throws(StorageFailure) in
            _ = try cursor.previous()
            _ = try cursor.previous()
        }
        let seekEtoF = rangeLook { (cursor) throws(StorageFailure) in _ = try cursor.seek(key("e")) }
        let backFromGtoF = rangeLook { (cursor) throws(StorageFailure) in _ = try cursor.seekBackward(key("g")) }
        let twoPlaces = rangeLook { (cursor) throws(StorageFailure) in
            _ = try cursor.seek(key("b"))
            _ = try cursor.seek(key("h"))
            _ = try cursor.previous()
        }
        let untouched = rangeLook { _ in }
        let table: [(String, Look, inside: [String], outside: [String])] = [
            ("two steps up", upToD, ["b", "c", "d"], ["d\u{0}", "e", "f", "a"]),
            ("two steps down", downToF, ["h", "g", "f", "hz"], ["e", "d", "i"]),
            ("a seek to a gap", seekEtoF, ["e", "ez", "f"], ["d", "f\u{0}", "h"]),
            ("a backward seek from a gap", backFromGtoF, ["g", "fz", "f"], ["g\u{0}", "h", "e"]),
            ("two places", twoPlaces, ["b", "g", "h"], ["c", "d", "e", "hz"]),
            ("no step", untouched, [], ["b", "d", "a"]),
        ]
        return table.flatMap { name, look, inside, outside in
            inside.map {
                conflictCase(
                    "after \(name), a write at \($0.debugDescription) conflicts", conflicts: true, look: look,
                    change: sets($0))
            }
                + outside.map {
                    conflictCase(
                        "after \(name), a write at \($0.debugDescription) does not conflict", conflicts: false,
                        look: look,
                        change: sets($0))
                }
        }
    }

    private static var anomalies: [MetadataContractCase] {
        [
            MetadataContractCase("no update is lost, and the body runs again on the new state") { store, _ in
                try await store.put([("n", "1")])
                let (committed, runs) = try await MetadataInterleaving.transact(store) {
                    (transaction, pause) throws(StorageFailure) -> [UInt8] in
                    let old = try transaction.get(key("n")) ?? []
                    pause()
                    transaction.set(key("n"), old + key("+a"))
                    return old
                } meanwhile: {
                    _ = try await store.transact { (transaction) throws(StorageFailure) in
                        transaction.set(key("n"), try transaction.get(key("n")).map { $0 + key("+b") } ?? [])
                    }
                }
                try requireEqual(runs, 2, "runs")
                try requireEqual(committed.result, key("1+b"), "what the last run read")
                try requireEqual(try await store.get("n"), key("1+b+a"), "the value")
            },
            MetadataContractCase("no write skew: two that rely on each other's key cannot both go ahead") { store, _ in
                try await store.put([("duty/a", "on"), ("duty/b", "on")])
                @Sendable func leave(_ mine: String, _ other: String, _ transaction: any MetadataTransaction)
                    throws(StorageFailure) -> Bool
                {
                    guard try transaction.get(key(mine)) != nil, try transaction.get(key(other)) != nil else {
                        return false
                    }
                    return true
                }
                let (first, _) = try await MetadataInterleaving.transact(store) {
                    (transaction, pause) throws(StorageFailure) in
                    let mayLeave = try leave("duty/a", "duty/b", transaction)
                    pause()
                    if mayLeave { transaction.delete(key("duty/a")) }
                    return mayLeave
                } meanwhile: {
                    let second = try await store.transact { (transaction) throws(StorageFailure) in
                        let mayLeave = try leave("duty/b", "duty/a", transaction)
                        if mayLeave { transaction.delete(key("duty/b")) }
                        return mayLeave
                    }
                    try requireEqual(second.result, true, "the second one")
                }
                try requireEqual(first.result, false, "the first one, once it saw the second")
                try requireEqual(first.version, nil, "its version")
                try requireEqual(try await store.all(KeyRange(prefix: key("duty/"))).count, 1, "who is left")
            },
            MetadataContractCase("concurrent increments by reading and writing come out exact") { store, _ in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<100 {
                        group.addTask {
                            for _ in 0..<20 {
                                _ = try await store.transact { (transaction) throws(StorageFailure) in
                                    let old = CounterValue.decode(try transaction.get(key("n")))
                                    transaction.set(key("n"), CounterValue.encode(old + 1))
                                }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                try requireEqual(CounterValue.decode(try await store.get("n")), 2_000, "the count")
            },
        ]
    }

    private static var consistency: [MetadataContractCase] {
        [
            MetadataContractCase("a read sees one state, whatever is committed meanwhile") { store, _ in
                for access in [ReadAccess.point, .scan] {
                    try await store.put([("a", "1"), ("b", "1"), ("c", "1")])
                    let found = try await MetadataInterleaving.read(store, access) {
                        (reader, pause) throws(StorageFailure) in
                        let first = try reader.get(key("a"))
                        let cursor = try reader.cursor(in: everything)
                        let one = try cursor.next()
                        pause()
                        let rest = [one, try cursor.next(), try cursor.next(), try cursor.next()]
                        return [first, try reader.get(key("a"))] + rest.map { $0?.value } + [try reader.get(key("bb"))]
                    } meanwhile: {
                        try await store.put([("a", "2"), ("b", "2"), ("bb", "2")])
                        _ = try await store.transact { (transaction) throws(StorageFailure) in
                            transaction.delete(key("c"))
                        }
                    }
                    let one: [UInt8]? = key("1")
                    try requireEqual(found, [one, one, one, one, one, nil, nil], "the old state")
                    try requireEqual(try await store.all().map(\.value), ["2", "2", "2"].map(key), "the new state")
                    _ = try await store.transact { (transaction) throws(StorageFailure) in
                        transaction.delete(everything)
                    }
                }
            },
            MetadataContractCase("pairs that change together are never seen apart") { store, _ in
                try await store.put([("left", "0"), ("right", "0")])
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        for number in 1...200 { try await store.put([("left", "\(number)"), ("right", "\(number)")]) }
                    }
                    for access in [ReadAccess.point, .scan] {
                        group.addTask {
                            for _ in 0..<300 {
                                let pair = try await store.read(access) { (reader) throws(StorageFailure) in
                                    [try reader.get(key("left")), try reader.get(key("right"))]
                                }
                                try requireEqual(pair[0], pair[1], "left and right")
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            },
            MetadataContractCase("what was committed before a call is seen by it") { store, _ in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<8 {
                        group.addTask {
                            for number in 0..<50 {
                                try await store.put([("w\(worker)", "\(number)")])
                                try requireEqual(try await store.get("w\(worker)"), key("\(number)"), "my own write")
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            },
        ]
    }
}
