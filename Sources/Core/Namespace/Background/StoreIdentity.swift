import Metadata
package import StorageModel

extension Namespace {
    /// Makes sure that the names and the bytes belong together before anything is swept: with an empty or foreign
    /// metadata store every extent would look unnamed.
    ///
    /// - Parameters:
    ///   - id: what the extent store calls itself.
    ///   - isEmpty: whether the extent store holds no bytes at all.
    /// - Throws: `.unavailable` when they do not belong together.
    package func pairWithExtentStore(id: String, isEmpty: Bool) async throws(StorageFailure) {
        let known = try await metadata.read(.point) { reader throws(StorageFailure) in
            try reader.get(Keys.storeIdentity).map { bytes throws(StorageFailure) in
                try StoreIdentityRecord.decode(bytes)
            }
        }
        switch known {
        case id?: return
        case .some:
            throw StorageFailure(
                .unavailable, detail: "The metadata belongs to another extent store. Nothing was touched.")
        case nil:
            guard isEmpty else {
                throw StorageFailure(
                    .unavailable,
                    detail: "The extent store holds bytes and the metadata store is new. Nothing was touched.")
            }
            _ = try await metadata.transact { transaction throws(StorageFailure) in
                transaction.set(Keys.storeIdentity, StoreIdentityRecord.encode(id))
            }
        }
    }
}

/// Kind `I`: the extent store that this metadata store's names lead to.
enum StoreIdentityRecord {
    static let format: UInt8 = 1
    static func encode(_ id: String) -> [UInt8] {
        var writer = RecordWriter(format: format)
        writer.text(id)
        return writer.bytes
    }
    static func decode(_ bytes: [UInt8]) throws(StorageFailure) -> String {
        var reader = try RecordReader(bytes, newest: format)
        let id = try reader.text()
        try reader.finish()
        return id
    }
}
