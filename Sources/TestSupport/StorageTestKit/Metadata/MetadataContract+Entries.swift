import Metadata
import StorageModel

func key(_ text: String) -> [UInt8] { Array(text.utf8) }
let everything = KeyRange(from: [1], to: [0xFF, 0xFF, 0xFF])

extension MetadataStore {
    func put(_ entries: [(String, String)]) async throws {
        _ = try await transact { (transaction) throws(StorageFailure) in
            for (name, value) in entries { transaction.set(key(name), key(value)) }
        }
    }

    func get(_ name: String) async throws -> [UInt8]? {
        try await read(.point) { (reader) throws(StorageFailure) in try reader.get(key(name)) }
    }

    func all(_ range: KeyRange = everything) async throws -> [MetadataEntry] {
        try await read(.scan) { (reader) throws(StorageFailure) in try reader.all(range) }
    }
}

extension MetadataReader {
    func all(_ range: KeyRange = everything) throws(StorageFailure) -> [MetadataEntry] {
        let cursor = try cursor(in: range)
        var entries: [MetadataEntry] = []
        while let entry = try cursor.next() { entries.append(entry) }
        return entries
    }
}

extension MetadataContract {
    static var entryCases: [MetadataContractCase] {
        [
            MetadataContractCase("keys are ordered as unsigned bytes") { store, _ in
                let keys: [[UInt8]] = [
                    [1], [1, 0], [1, 0, 0], [1, 255], [2], [127, 5], [128], [200, 0], [255], [255, 255, 254],
                ]
                var numbers = SeededNumbers(seed: 1)
                for key in keys.shuffled(using: &numbers) {
                    _ = try await store.transact { (transaction) throws(StorageFailure) in transaction.set(key, key) }
                }
                try requireEqual(try await store.all().map(\.key), keys, "order")
            },
            MetadataContractCase("what was set is read back, absent keys are nil") { store, _ in
                try await store.put([("a", "1"), ("b", "")])
                try requireEqual(try await store.get("a"), key("1"), "a")
                try requireEqual(try await store.get("b"), [], "an empty value")
                try requireEqual(try await store.get("c"), nil, "an absent key")
                try requireEqual(try await store.get("aa"), nil, "a longer key")
                try await store.put([("a", "2")])
                try requireEqual(try await store.get("a"), key("2"), "a after it was set again")
            },
            MetadataContractCase("long keys and large values come back whole") { store, _ in
                var numbers = SeededNumbers(seed: 2)
                let longKey = [UInt8](repeating: 7, count: 4_096)
                let large = (0..<(8 << 20)).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.set(longKey, [9])
                    transaction.set(key("large"), large)
                }
                try require(try await store.get("large") == large, "the large value differs")
                let found = try await store.read(.point) { (reader) throws(StorageFailure) in try reader.get(longKey) }
                try requireEqual(found, [9], "the long key's value")
            },
            MetadataContractCase("writes apply in the order of the calls") { store, _ in
                try await store.put([("kept", "1"), ("range/1", "1"), ("range/2", "2")])
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.set(key("twice"), key("first"))
                    transaction.set(key("twice"), key("second"))
                    transaction.set(key("gone"), key("x"))
                    transaction.delete(key("gone"))
                    transaction.delete(key("kept"))
                    transaction.set(key("kept"), key("again"))
                    transaction.set(key("range/0"), key("before"))
                    transaction.delete(KeyRange(prefix: key("range/")))
                    transaction.set(key("range/2"), key("after"))
                }
                let expected = [("kept", "again"), ("range/2", "after"), ("twice", "second")]
                try requireEqual(
                    try await store.all(), expected.map { MetadataEntry(key: key($0.0), value: key($0.1)) }, "entries")
            },
            MetadataContractCase("a range delete takes its range and nothing else") { store, _ in
                // A backend may treat few and many keys differently.
                for count in [3, 300] {
                    let names = (0..<count).map { "r\(1_000 + $0)" }
                    let upper = "r\(1_000 + count - 1)"
                    try await store.put([("q", ""), ("s", ""), ("r", "")] + names.map { ($0, "v") })
                    _ = try await store.transact { (transaction) throws(StorageFailure) in
                        transaction.delete(KeyRange(from: key("r1001"), to: key(upper)))
                    }
                    let expected = ["q", "r"] + names.filter { $0 < "r1001" || $0 >= upper } + ["s"]
                    try requireEqual(try await store.all().map(\.key), expected.map(key), "after deleting \(count)")
                }
            },
            MetadataContractCase("empty and inverted ranges delete nothing and hold nothing") { store, _ in
                try await store.put([("a", "1"), ("b", "2")])
                _ = try await store.transact { (transaction) throws(StorageFailure) in
                    transaction.delete(KeyRange(from: key("a"), to: key("a")))
                    transaction.delete(KeyRange(from: key("b"), to: key("a")))
                    transaction.set(key("c"), [])
                }
                try requireEqual(try await store.all().count, 3, "entries")
                try requireEqual(try await store.all(KeyRange(from: key("a"), to: key("a"))).count, 0, "an empty range")
                try requireEqual(
                    try await store.all(KeyRange(from: key("b"), to: key("a"))).count, 0, "an inverted range")
            },
            MetadataContractCase("a body that throws leaves nothing, and its error arrives") { store, _ in
                do {
                    _ = try await store.transact { (transaction) throws(StorageFailure) in
                        transaction.set(key("a"), [])
                        throw StorageFailure(.blobNotFound, detail: "mine")
                    }
                    throw ContractViolation("the transaction succeeded")
                } catch let failure as StorageFailure {
                    try requireEqual(failure, StorageFailure(.blobNotFound, detail: "mine"), "the error")
                }
                try requireEqual(try await store.get("a"), nil, "the key")
            },
        ]
    }
}
