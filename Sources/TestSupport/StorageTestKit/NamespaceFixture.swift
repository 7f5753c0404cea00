import Extents
import Logging
import Metadata
import NIOCore
package import Namespace
package import StorageModel

#if canImport(Glibc)
    import Glibc
#endif

/// A namespace over the in-memory twins, with faults at hand, and short words for what tests do with it.
///
/// Bodies above 16 bytes go to extents and an extent holds 8 bytes, so that a few dozen bytes make a manifest of several
/// pieces and ten thousand one of several pages.
package final class NamespaceFixture: Sendable {
    package struct Options: Sendable {
        package var inlineLimit = 16
        package var maximumExtentLength = 8
        package var budgetBytes: Int64 = 1 << 40
        package var configure: @Sendable (inout Namespace.Configuration) -> Void = { _ in }
        package init() {}
    }

    package let world: TestWorld
    package let metadata: InMemoryMetadataStore
    package let extents: InMemoryExtentStore
    package let faultyMetadata: FaultyMetadataStore
    package let faultyExtents: FaultyExtentStore
    package let namespace: Namespace
    private let options: Options

    package static let account = NamespaceFixture.account("devaccount")
    /// Made by `started`.
    package static let container = NamespaceFixture.container("box")

    package convenience init(_ options: Options = Options(), world: TestWorld = TestWorld()) {
        self.init(
            options, world: world, metadata: InMemoryMetadataStore(),
            extents: InMemoryExtentStore(
                budgetBytes: options.budgetBytes, maximumExtentLength: options.maximumExtentLength))
    }

    private init(_ options: Options, world: TestWorld, metadata: InMemoryMetadataStore, extents: InMemoryExtentStore) {
        self.options = options
        self.world = world
        self.metadata = metadata
        self.extents = extents
        faultyMetadata = FaultyMetadataStore(metadata)
        faultyExtents = FaultyExtentStore(extents)
        var configuration = Namespace.Configuration()
        configuration.inlineLimit = options.inlineLimit
        options.configure(&configuration)
        namespace = Namespace(
            metadata: faultyMetadata, extents: faultyExtents, world: world.world, configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// A fixture whose container `box` exists.
    package static func started(
        _ options: Options = Options(), world: TestWorld = TestWorld()
    ) async throws -> NamespaceFixture {
        let fixture = NamespaceFixture(options, world: world)
        _ = try await fixture.namespace.createContainer(container, metadata: .empty, publicAccess: nil)
        return fixture
    }

    /// The same stores as a restart after a crash finds them; this fixture is finished.
    package func reopened() -> NamespaceFixture {
        NamespaceFixture(options, world: world, metadata: metadata.crashed(), extents: extents.reopened())
    }
}

// MARK: - Names and bodies

extension NamespaceFixture {
    package static func account(_ name: String) -> AccountName {
        legal(name) { name throws(StorageFailure) in try AccountName(validating: name) }
    }

    package static func container(_ name: String) -> ContainerAddress {
        ContainerAddress(
            account: account,
            container: legal(name) { name throws(StorageFailure) in try ContainerName(validating: name) })
    }

    package static func blob(_ name: String, in container: ContainerAddress = NamespaceFixture.container) -> BlobAddress
    {
        BlobAddress(
            container: container, blob: legal(name) { name throws(StorageFailure) in try BlobName(validating: name) })
    }

    private static func legal<Name>(_ text: String, _ make: (String) throws(StorageFailure) -> Name) -> Name {
        do { return try make(text) } catch { preconditionFailure("a test uses the illegal name \(text)") }
    }

    package static func body(_ bytes: [UInt8]) -> IncomingBody {
        IncomingBody(
            source: BufferSource(ByteBuffer(bytes: bytes)), length: Int64(bytes.count), maximumLength: 1 << 30)
    }

    /// Bytes that tell where they stand, different for each salt.
    package static func bytes(_ count: Int, salt: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 31 &+ $0 / 251 &+ salt &* 101) ^ ($0 >> 8)) }
    }

    package static func metadata(_ pairs: (String, String)...) -> UserMetadata {
        UserMetadata(stored: pairs.sorted { $0.0 < $1.0 }.map { (key: $0.0, value: $0.1) })
    }

    package static func tags(_ pairs: (String, String)...) -> Tags {
        Tags(stored: pairs.sorted { $0.0 < $1.0 }.map { Tags.Tag(key: $0.0, value: $0.1) })
    }

    package static let directoryMark = metadata(("hdi_isfolder", "true"))
}

// MARK: - What tests do

extension NamespaceFixture {
    @discardableResult
    package func put(
        _ name: String, _ bytes: [UInt8], in container: ContainerAddress = NamespaceFixture.container,
        attributes: BlobAttributes = BlobAttributes(), guard held: Guard = .none
    ) async throws(StorageFailure) -> WriteReceipt {
        try await namespace.putBlob(
            Self.blob(name, in: container), body: Self.body(bytes), attributes: attributes, guard: held
        ).write
    }

    @discardableResult
    package func stage(
        _ name: String, _ id: String, _ bytes: [UInt8], in container: ContainerAddress = NamespaceFixture.container,
        lease: LeaseID? = nil
    ) async throws(StorageFailure) -> BodyDigests {
        try await namespace.putBlock(
            Self.blob(name, in: container), id: BlockID(text: id), body: Self.body(bytes), lease: lease)
    }

    @discardableResult
    package func commit(
        _ name: String, _ list: [BlockListEntry], in container: ContainerAddress = NamespaceFixture.container,
        attributes: BlobAttributes = BlobAttributes(), guard held: Guard = .none
    ) async throws(StorageFailure) -> WriteReceipt {
        try await namespace.commitBlocks(
            Self.blob(name, in: container), list: list, attributes: attributes, guard: held)
    }

    package func get(
        _ name: String, range: RangeRequest? = nil, in container: ContainerAddress = NamespaceFixture.container,
        guard held: Guard = .none
    ) async throws(StorageFailure) -> [UInt8] {
        let reading = try await namespace.openBlob(
            Self.blob(name, in: container), range: range, ifRange: nil, guard: held)
        return Array(try await reading.body.collect(limit: 1 << 30).readableBytesView)
    }

    package func properties(
        _ name: String, in container: ContainerAddress = NamespaceFixture.container, guard held: Guard = .none
    ) async throws(StorageFailure) -> BlobProperties {
        try await namespace.blobProperties(Self.blob(name, in: container), guard: held)
    }

    package func delete(
        _ name: String, in container: ContainerAddress = NamespaceFixture.container, guard held: Guard = .none
    ) async throws(StorageFailure) {
        try await namespace.deleteBlob(Self.blob(name, in: container), guard: held)
    }

    /// Pulls a body as the edge does, file spans included, and closes it.
    package static func pull(_ body: any BodyProducer) async throws(StorageFailure) -> [UInt8] {
        defer { body.close() }
        var collected: [UInt8] = []
        while let piece = try await body.next() {
            switch piece {
            case .bytes(let buffer): collected += buffer.readableBytesView
            case .file(let span):
                var bytes = [UInt8](repeating: 0, count: span.length)
                guard pread(span.file.descriptor, &bytes, span.length, off_t(span.offset)) == span.length else {
                    throw StorageFailure(.internal, cause: "a span is shorter than it says")
                }
                collected += bytes
            }
        }
        return collected
    }

    /// Everything that is left after a walk through the trash must be held by nobody.
    @discardableResult
    package func reap() async throws(StorageFailure) -> Bool { try await namespace.reapTrash() }

    package func check() async throws(StorageFailure) -> StoreCheckReport {
        try await StoreCheck(metadata: metadata, extents: extents).run(verifiesBytes: true) { _, _ in }
    }
}
