import Metadata
import StorageModel

extension Version {
    var bytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: rawValue >> (56 - 8 * UInt64($0))) } }
}

extension MetadataContract {
    static var versionCases: [MetadataContractCase] {
        [
            MetadataContractCase("versions are written into values and keys") { store, _ in
                let committed = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.set(key("value"), key("<........|........>"), versionAt: [1, 10])
                    transaction.setVersioned(
                        prefix: key("log/"), suffix: key("/end"), key("........"), versionAt: [0])
                    transaction.setVersioned(prefix: key("bare/"), suffix: [], [], versionAt: [])
                }
                guard let version = committed.version else { throw ContractViolation("no version") }
                try requireEqual(
                    try await store.get("value"), key("<") + version.bytes + key("|") + version.bytes + key(">"),
                    "value")
                try requireEqual(
                    try await store.all(KeyRange(prefix: key("log/"))),
                    [MetadataEntry(key: key("log/") + version.bytes + key("/end"), value: version.bytes)], "log")
                try requireEqual(
                    try await store.all(KeyRange(prefix: key("bare/"))),
                    [MetadataEntry(key: key("bare/") + version.bytes, value: [])], "bare")
            },
            MetadataContractCase("versions increase with every commit, also across reopening") { store, fixture in
                var store = store
                var last = Version(0)
                for round in 0..<4 {
                    for number in 0..<10 {
                        let version = try await store.transact { (transaction) throws(StorageFailure) in
                            transaction.set(key("k\(number)"), key("\(round)"))
                        }.version
                        guard let version, version > last else {
                            throw ContractViolation("\(String(describing: version)) after \(last)")
                        }
                        last = version
                    }
                    await store.close()
                    store = try await fixture.open()
                }
                await store.close()
            },
            MetadataContractCase("concurrent commits get distinct versions, in commit order") { store, _ in
                let versions = try await withThrowingTaskGroup(of: [Version].self) { group in
                    for worker in 0..<8 {
                        group.addTask {
                            var versions: [Version] = []
                            for number in 0..<40 {
                                let committed = try await store.transact { (transaction) throws(StorageFailure) in
                                    transaction.set(key("w\(worker)"), key("........"), versionAt: [0])
                                    transaction.setVersioned(
                                        prefix: key("log/"), suffix: [], key("\(worker) \(number)"), versionAt: [])
                                }
                                guard let version = committed.version else { throw ContractViolation("no version") }
                                versions.append(version)
                            }
                            try require(versions == versions.sorted(), "a worker's versions go back")
                            return versions
                        }
                    }
                    return try await group.reduce(into: []) { $0 += $1 }
                }
                try requireEqual(Set(versions).count, 320, "distinct versions")
                let log = try await store.all(KeyRange(prefix: key("log/")))
                try requireEqual(
                    log.map { Array($0.key.dropFirst(4)) }, versions.sorted().map(\.bytes), "keys of the log")
            },
            MetadataContractCase("a view knows the last commit that shows in it, also across reopening") {
                store, fixture in
                var store = store
                for round in 0..<3 {
                    let put = { (value: String) in
                        try await store.transact { (transaction) throws(StorageFailure) in
                            let before = transaction.version
                            transaction.set(key("k"), key(value))
                            return before
                        }
                    }
                    let first = try await put("\(round) a")
                    let second = try await put("\(round) b")
                    guard let earlier = first.version, let later = second.version else {
                        throw ContractViolation("no version")
                    }
                    try require(first.result < earlier, "a transaction is before its own commit")
                    try require(second.result >= earlier && second.result < later, "the view of a transaction")
                    let access = round == 0 ? ReadAccess.point : .scan
                    let seen = try await store.read(access) { (reader) throws(StorageFailure) in reader.version }
                    let unwritten = try await store.transact { (transaction) throws(StorageFailure) in
                        transaction.version
                    }
                    try require(seen >= later && unwritten.result >= later, "the view of a read")
                    await store.close()
                    store = try await fixture.open()
                    let found = try await store.read(.point) { (reader) throws(StorageFailure) in reader.version }
                    let next = try await store.transact { (transaction) throws(StorageFailure) in
                        transaction.set(key("n"), [])
                    }
                    guard let next = next.version else { throw ContractViolation("no version") }
                    try require(found >= later && found < next, "the view after reopening")
                }
                await store.close()
            },
            MetadataContractCase("a transaction without writes has no version") { store, _ in
                try await store.put([("a", "1")])
                let committed = try await store.transact { (transaction) throws(StorageFailure) in
                    try transaction.get(key("a"))
                }
                try requireEqual(committed.version, nil, "version")
                try requireEqual(committed.result, key("1"), "result")
            },
        ]
    }

    static var counterCases: [MetadataContractCase] {
        [
            MetadataContractCase("add starts at 0, goes below it, and a sum of 0 removes the key") { store, _ in
                func add(_ deltas: Int64...) async throws -> Int64? {
                    _ = try await store.transact { (transaction) throws(StorageFailure) in
                        for delta in deltas { transaction.add(key("n"), delta) }
                    }
                    return try await store.get("n").map { CounterValue.decode($0) }
                }
                try requireEqual(try await add(5), 5, "5")
                try requireEqual(try await add(-7), -2, "5 - 7")
                try requireEqual(try await add(1, 1), nil, "-2 + 1 + 1")
                try requireEqual(try await add(3, -3), nil, "0 + 3 - 3")
                try requireEqual(try await add(.max), .max, "the largest")
                try requireEqual(try await store.get("n"), CounterValue.encode(.max), "the stored form")
            },
            MetadataContractCase("add builds on sets and deletes of its own transaction") { store, _ in
                try await store.put([("r/1", "xxxxxxxx"), ("r/2", "xxxxxxxx")])
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.set(key("set"), CounterValue.encode(10))
                    transaction.add(key("set"), 5)
                    transaction.add(key("overwritten"), 5)
                    transaction.set(key("overwritten"), key("text"))
                    transaction.add(key("deleted"), 5)
                    transaction.delete(key("deleted"))
                    transaction.add(key("r/0"), 5)
                    transaction.delete(KeyRange(prefix: key("r/")))
                    transaction.add(key("r/1"), 4)
                }
                let expected = [
                    (key("overwritten"), key("text")), (key("r/1"), CounterValue.encode(4)),
                    (key("set"), CounterValue.encode(15)),
                ]
                try requireEqual(
                    try await store.all(), expected.map { MetadataEntry(key: $0.0, value: $0.1) }, "entries")
            },
            MetadataContractCase("add builds on the deletion of many keys, too") { store, _ in
                try await store.put((0..<200).map { ("r/\(100 + $0)", "xxxxxxxx") })
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.add(key("r/000"), 5)
                    transaction.set(key("r/001"), key("text"))
                    transaction.delete(KeyRange(prefix: key("r/")))
                    transaction.add(key("r/150"), 4)
                }
                try requireEqual(
                    try await store.all(), [MetadataEntry(key: key("r/150"), value: CounterValue.encode(4))], "entries")
            },
            MetadataContractCase("concurrent adds never conflict and come out exact") { store, _ in
                let bodies = Locked(0)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<20 {
                        group.addTask {
                            for number in 0..<50 {
                                _ = try await store.transact { (transaction) throws(StorageFailure) in
                                    bodies.withLock { $0 += 1 }
                                    transaction.add(key("sum"), Int64(worker + 1))
                                    transaction.add(key("zero"), number % 2 == 0 ? 1 : -1)
                                }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                try requireEqual(
                    CounterValue.decode(try await store.get("sum")), 50 * 210, "the sum")
                try requireEqual(try await store.get("zero"), nil, "the sum that is 0")
                // A body may run a second time only because memory did not suffice, and this one reads nothing.
                try requireEqual(bodies.withLock { $0 }, 1_000, "runs of the bodies")
            },
        ]
    }
}
