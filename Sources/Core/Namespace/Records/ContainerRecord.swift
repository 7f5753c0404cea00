import StorageModel

/// Kind `c`: a container. Kind `C` (by id) holds its account and name.
struct ContainerRecord: Sendable {
    static let format: UInt8 = 1
    /// The version that created the container is filled in at these offsets by the creating commit.
    static let idOffset = 1
    static let versionOffset = 9

    var id: ContainerID
    var version: Version
    var lastModified: Timestamp
    var metadata: UserMetadata
    var publicAccess: PublicAccess?
    var policies: [AccessPolicy]
    var lease: LeaseRecord?

    func encode() -> [UInt8] {
        var writer = RecordWriter(format: Self.format)
        writer.fixed(id.rawValue)
        writer.fixed(version.rawValue)
        writer.time(lastModified)
        metadata.write(to: &writer)
        writer.byte(publicAccess.map { $0 == .blob ? 1 : 2 } ?? 0)
        writer.unsigned(UInt64(policies.count))
        for policy in policies {
            writer.text(policy.id)
            writer.optional(policy.start) { $0.time($1) }
            writer.optional(policy.expiry) { $0.time($1) }
            writer.optional(policy.permissions) { $0.text($1) }
        }
        writer.optional(lease) { $1.write(to: &$0) }
        return writer.bytes
    }

    init(
        id: ContainerID, version: Version, lastModified: Timestamp, metadata: UserMetadata,
        publicAccess: PublicAccess?, policies: [AccessPolicy], lease: LeaseRecord?
    ) {
        self.id = id
        self.version = version
        self.lastModified = lastModified
        self.metadata = metadata
        self.publicAccess = publicAccess
        self.policies = policies
        self.lease = lease
    }

    init(decoding bytes: [UInt8]) throws(StorageFailure) {
        var reader = try RecordReader(bytes, newest: Self.format)
        id = ContainerID(try reader.fixed())
        version = Version(try reader.fixed())
        lastModified = try reader.time()
        metadata = try UserMetadata(from: &reader)
        publicAccess = try reader.choice([0: nil, 1: .blob, 2: .container])
        policies = []
        for _ in 0..<(try reader.length()) {
            policies.append(
                AccessPolicy(
                    id: try reader.text(),
                    start: try reader.optional { reader throws(StorageFailure) in try reader.time() },
                    expiry: try reader.optional { reader throws(StorageFailure) in try reader.time() },
                    permissions: try reader.optional { reader throws(StorageFailure) in try reader.text() }))
        }
        lease = try reader.optional { reader throws(StorageFailure) in try LeaseRecord(from: &reader) }
        try reader.finish()
    }

    func properties(name: ContainerName, at now: Timestamp) -> ContainerProperties {
        ContainerProperties(
            name: name, version: version, lastModified: lastModified, metadata: metadata, publicAccess: publicAccess,
            policies: policies, lease: LeaseRules.view(of: lease, at: now))
    }
}

/// Kind `C`: whose container an id is.
struct ContainerOwnerRecord: Sendable {
    static let format: UInt8 = 1
    var address: ContainerAddress

    func encode() -> [UInt8] {
        var writer = RecordWriter(format: Self.format)
        writer.text(address.account.value)
        writer.text(address.container.value)
        return writer.bytes
    }

    init(address: ContainerAddress) { self.address = address }

    init(decoding bytes: [UInt8]) throws(StorageFailure) {
        var reader = try RecordReader(bytes, newest: Self.format)
        do {
            address = ContainerAddress(
                account: try AccountName(validating: try reader.text()),
                container: try ContainerName(validating: try reader.text()))
        } catch { throw StorageFailure(.damaged, cause: "container owner: \(error)") }
        try reader.finish()
    }
}

extension UserMetadata {
    func write(to writer: inout RecordWriter) {
        writer.unsigned(UInt64(entries.count))
        for entry in entries {
            writer.text(entry.key)
            writer.text(entry.value)
        }
    }

    init(from reader: inout RecordReader) throws(StorageFailure) {
        var entries: [(key: String, value: String)] = []
        for _ in 0..<(try reader.length()) { entries.append((try reader.text(), try reader.text())) }
        self.init(stored: entries)
    }
}
