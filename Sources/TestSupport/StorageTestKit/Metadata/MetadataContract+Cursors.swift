import Metadata
import StorageModel

extension MetadataContract {
    /// Entries at which the cursor cases look: the range under test is b to y, without y.
    private static let names = ["a", "b", "d", "dd", "m", "x", "y", "z"]

    private static func walk(
        _ store: any MetadataStore, from lower: String = "b", to upper: String = "y",
        _ moves: @escaping @Sendable (any MetadataCursor) throws(StorageFailure) -> [MetadataEntry?]
    ) async throws -> [String?] {
        try await store.put(names.map { ($0, "value of \($0)") })
        let range = KeyRange(from: key(lower), to: key(upper))
        let body: @Sendable (any MetadataReader) throws(StorageFailure) -> [MetadataEntry?] = {
            (reader) throws(StorageFailure) in try moves(try reader.cursor(in: range))
        }
        let found = try await store.read(.point, body)
        try requireEqual(try await store.read(.scan, body), found, "the same walk as a scan")
        let inside = try await store.transact { (transaction) throws(StorageFailure) in try body(transaction) }
        try requireEqual(inside.result, found, "the same walk in a transaction")
        for case .some(let entry) in found {
            try requireEqual(entry.value, key("value of \(String(decoding: entry.key, as: UTF8.self))"), "a value")
        }
        return found.map { $0.map { String(decoding: $0.key, as: UTF8.self) } }
    }

    static var cursorCases: [MetadataContractCase] {
        [
            MetadataContractCase("next walks up the range and stays behind its end") { store, _ in
                let found = try await walk(store) { (cursor) throws(StorageFailure) in
                    [
                        try cursor.next(), try cursor.next(), try cursor.next(), try cursor.next(), try cursor.next(),
                        try cursor.next(), try cursor.next(),
                    ]
                }
                try requireEqual(found, ["b", "d", "dd", "m", "x", nil, nil], "next")
            },
            MetadataContractCase("previous starts at the end of the range and stays before its start") { store, _ in
                let found = try await walk(store) { (cursor) throws(StorageFailure) in
                    [
                        try cursor.previous(), try cursor.previous(), try cursor.previous(), try cursor.previous(),
                        try cursor.previous(), try cursor.previous(), try cursor.previous(),
                    ]
                }
                try requireEqual(found, ["x", "m", "dd", "d", "b", nil, nil], "previous")
            },
            MetadataContractCase("a cursor turns round anywhere, also at the ends") { store, _ in
                let found = try await walk(store, from: "d", to: "n") { (cursor) throws(StorageFailure) in
                    [
                        try cursor.next(), try cursor.next(), try cursor.previous(), try cursor.previous(),
                        try cursor.next(), try cursor.next(), try cursor.next(), try cursor.next(),
                        try cursor.previous(), try cursor.previous(),
                    ]
                }
                try requireEqual(found, ["d", "dd", "d", nil, "d", "dd", "m", nil, "m", "dd"], "turns")
            },
            MetadataContractCase("seek finds the first entry at or after a key, within the range") { store, _ in
                for (target, expected) in [
                    ("", "b"), ("a", "b"), ("b", "b"), ("c", "d"), ("d", "d"), ("d\u{0}", "dd"), ("x", "x"),
                    ("xx", nil),
                    ("y", nil), ("zz", nil),
                ] as [(String, String?)] {
                    let found = try await walk(store) { (cursor) throws(StorageFailure) in
                        [try cursor.seek(key(target))]
                    }
                    try requireEqual(found, [expected], "seek \(target)")
                }
            },
            MetadataContractCase("seekBackward finds the last entry at or before a key, within the range") { store, _ in
                for (target, expected) in [
                    ("", nil), ("a", nil), ("az", nil), ("b", "b"), ("c", "b"), ("d", "d"), ("dc", "d"), ("x", "x"),
                    ("y", "x"), ("zz", "x"),
                ] as [(String, String?)] {
                    let found = try await walk(store) { (cursor) throws(StorageFailure) in
                        [try cursor.seekBackward(key(target))]
                    }
                    try requireEqual(found, [expected], "seekBackward \(target)")
                }
            },
            MetadataContractCase("next and previous go on from where a seek went") { store, _ in
                let found = try await walk(store) { (cursor) throws(StorageFailure) in
                    [
                        try cursor.seek(key("c")), try cursor.next(), try cursor.previous(), try cursor.previous(),
                        try cursor.seekBackward(key("w")), try cursor.next(), try cursor.next(),
                        try cursor.seek(key("z")), try cursor.previous(),
                        try cursor.seekBackward(key("a")), try cursor.next(),
                    ]
                }
                try requireEqual(
                    found, ["d", "dd", "d", "b", "m", "x", nil, nil, "x", nil, "b"], "moves after seeks")
            },
            MetadataContractCase("a range without entries answers nil to every move") { store, _ in
                for (lower, upper) in [("e", "f"), ("b", "b"), ("zzz", "zzzz")] {
                    let found = try await walk(store, from: lower, to: upper) { (cursor) throws(StorageFailure) in
                        [
                            try cursor.next(), try cursor.previous(), try cursor.seek(key(lower)),
                            try cursor.seekBackward(key(upper)), try cursor.previous(), try cursor.next(),
                        ]
                    }
                    try requireEqual(found, [nil, nil, nil, nil, nil, nil], "range \(lower) to \(upper)")
                }
            },
            MetadataContractCase("two cursors of one reader do not disturb each other") { store, _ in
                try await store.put(names.map { ($0, "") })
                let found = try await store.read(.scan) { (reader) throws(StorageFailure) -> [[UInt8]?] in
                    let up = try reader.cursor(in: everything)
                    let down = try reader.cursor(in: everything)
                    return [try up.next()?.key, try down.previous()?.key, try up.next()?.key, try down.previous()?.key]
                }
                try requireEqual(found, ["a", "z", "b", "y"].map { key($0) }, "keys in turn")
            },
            MetadataContractCase("cursors skip what was deleted") { store, _ in
                try await store.put((0..<2_000).map { ("n\(10_000 + $0)", "") })
                for range in [("n10001", "n10900"), ("n10900", "n10905"), ("n10905", "n11999")] {
                    _ = try await store.transact { (transaction) throws(StorageFailure) in
                        transaction.delete(KeyRange(from: key(range.0), to: key(range.1)))
                    }
                }
                try requireEqual(try await store.all().map(\.key), [key("n10000"), key("n11999")], "what is left")
                let last = try await store.read(.scan) { (reader) throws(StorageFailure) in
                    try reader.cursor(in: KeyRange(from: key("n10001"), to: key("n11999"))).previous()
                }
                try requireEqual(last, nil, "backwards through the deleted part")
            },
        ]
    }
}
