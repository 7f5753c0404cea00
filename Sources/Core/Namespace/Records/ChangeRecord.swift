package import StorageModel

/// Kind `l`: one commit, in the commit's own transaction, keyed by its version.
package struct ChangeRecord: Sendable, Hashable {
    static let format: UInt8 = 1

    package enum Operation: UInt8, Sendable, CaseIterable {
        case setServiceProperties = 1
        case createContainer, deleteContainer, setContainerMetadata, setContainerAccess, leaseContainer
        case putBlob, commitBlocks, copyBlob, setProperties, setMetadata, setTags, setTier, deleteBlob, leaseBlob
    }

    package var operation: Operation
    package var time: Timestamp
    package var account: AccountName
    package var container: String?
    package var blob: String?
    /// Of the blob's bytes after the commit, where there is one.
    package var length: Int64?

    func encode() -> [UInt8] {
        var writer = RecordWriter(format: Self.format)
        writer.byte(operation.rawValue)
        writer.time(time)
        writer.text(account.value)
        writer.optional(container) { $0.text($1) }
        writer.optional(blob) { $0.text($1) }
        writer.optional(length) { $0.signed($1) }
        return writer.bytes
    }

    init(
        _ operation: Operation, time: Timestamp, account: AccountName, container: ContainerName? = nil,
        blob: BlobName? = nil, length: Int64? = nil
    ) {
        self.operation = operation
        self.time = time
        self.account = account
        self.container = container?.value
        self.blob = blob?.value
        self.length = length
    }

    init(decoding bytes: [UInt8]) throws(StorageFailure) {
        var reader = try RecordReader(bytes, newest: Self.format)
        guard let operation = Operation(rawValue: try reader.byte()) else {
            throw StorageFailure(.damaged, cause: "change operation")
        }
        self.operation = operation
        time = try reader.time()
        do { account = try AccountName(validating: try reader.text()) } catch {
            throw StorageFailure(.damaged, cause: "change account: \(error)")
        }
        container = try reader.optional { reader throws(StorageFailure) in try reader.text() }
        blob = try reader.optional { reader throws(StorageFailure) in try reader.text() }
        length = try reader.optional { reader throws(StorageFailure) in try reader.signed() }
        try reader.finish()
    }
}
