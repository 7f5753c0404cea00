import Metadata
import StorageModel

extension MetadataContract {
    static var lifeCases: [MetadataContractCase] {
        [
            MetadataContractCase("everything is there after reopening") { store, fixture in
                try await store.put((0..<500).map { ("k\(1_000 + $0)", "v\($0)") })
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.delete(KeyRange(from: key("k1100"), to: key("k1200")))
                    transaction.add(key("sum"), 12)
                }
                let before = try await store.all()
                await store.close()
                let reopened = try await fixture.open()
                let after = try await reopened.all()
                await reopened.close()
                try require(
                    before == after && before.count == 401, "\(before.count) entries before, \(after.count) after")
            },
            MetadataContractCase("a closed store refuses, and closing twice is harmless") { store, _ in
                try await store.put([("a", "1")])
                await store.close()
                await store.close()
                try await requireUnavailable("a read") { _ = try await store.get("a") }
                try await requireUnavailable("a scan") { _ = try await store.all() }
                try await requireUnavailable("a transaction") { try await store.put([("a", "2")]) }
                try await requireUnavailable("a checkpoint") { try await store.checkpoint(to: "nowhere") }
            },
            MetadataContractCase("close lets what is under way finish") { store, fixture in
                let outcomes = await withTaskGroup(of: Bool.self) { group in
                    for number in 0..<50 {
                        group.addTask {
                            do {
                                try await store.put([("k\(100 + number)", "")])
                                return true
                            } catch { return false }
                        }
                    }
                    group.addTask {
                        await store.close()
                        return false
                    }
                    return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
                let reopened = try await fixture.open()
                let found = try await reopened.all().count
                await reopened.close()
                try requireEqual(found, outcomes, "keys of acknowledged transactions")
            },
            MetadataContractCase("a checkpoint is a consistent store of its own") { store, fixture in
                let directory = fixture.unusedPath()
                let isDone = Locked(false)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<4 {
                        group.addTask {
                            for number in 0..<10_000 where !isDone.withLock({ $0 }) {
                                _ = try await store.transact { (transaction) throws(StorageFailure) in
                                    transaction.set(key("last/\(worker)"), key("\(number)"))
                                    transaction.setVersioned(prefix: key("log/"), suffix: [], [], versionAt: [])
                                    transaction.add(key("commits"), 1)
                                }
                            }
                        }
                    }
                    group.addTask {
                        defer { isDone.withLock { $0 = true } }
                        try await store.put([("before", "")])
                        try await store.checkpoint(to: directory)
                    }
                    try await group.waitForAll()
                }
                try await store.put([("after", "")])
                let copy = try await fixture.openCheckpoint(directory)
                let entries = try await copy.all()
                let log = try await copy.all(KeyRange(prefix: key("log/")))
                let commits = CounterValue.decode(try await copy.get("commits"))
                let version = try await copy.transact { (transaction) throws(StorageFailure) in
                    transaction.set(key("own"), [])
                }.version
                await copy.close()
                try require(entries.contains { $0.key == key("before") }, "what came before is missing")
                try require(!entries.contains { $0.key == key("after") }, "what came after is there")
                try requireEqual(Int64(log.count), commits, "entries of the log and its counter")
                let last = log.last.map { Array($0.key.dropFirst(4)) } ?? []
                try require(
                    version.map { last.lexicographicallyPrecedes($0.bytes) } ?? false,
                    "the copy goes on from its last version")
                try requireEqual(try await store.get("own"), nil, "what was written to the copy, in the store")
            },
            MetadataContractCase("a checkpoint does not write into what exists") { store, fixture in
                let directory = fixture.unusedPath()
                try await store.checkpoint(to: directory)
                do {
                    try await store.checkpoint(to: directory)
                    throw ContractViolation("the second checkpoint succeeded")
                } catch let failure as StorageFailure {
                    try requireEqual(failure.code, .invalidInput, "code")
                }
                try await store.put([("a", "1")])
            },
        ]
    }

    private static func requireUnavailable(_ what: String, _ call: () async throws -> Void) async throws {
        do { try await call() } catch let failure as StorageFailure {
            return try requireEqual(failure.code, .unavailable, "code of \(what)")
        }
        throw ContractViolation("\(what) succeeded")
    }
}
