package import NIOCore
package import StorageModel

/// An extent's id: given by the store, ordered, never used twice. The group is the unit in which the store keeps extents
/// together (a segment file); the position orders extents within it.
package struct ExtentID: Hashable, Comparable, Sendable {
    package var group: UInt64
    package var position: UInt64
    package init(group: UInt64, position: UInt64) {
        self.group = group
        self.position = position
    }
    package static func < (left: Self, right: Self) -> Bool {
        (left.group, left.position) < (right.group, right.position)
    }
}

/// An immutable run of 1 to `ExtentStore.maximumExtentLength` bytes, with the CRC-64/NVME of all of them.
package struct Extent: Hashable, Sendable {
    package var id: ExtentID
    package var length: Int
    package var crc64: UInt64
    package init(id: ExtentID, length: Int, crc64: UInt64) {
        self.id = id
        self.length = length
        self.crc64 = crc64
    }
}

/// Where bytes are: append, read a range, free. Knows bytes, never names.
///
/// Whoever appends owns the extents until a name holds them; `free` gives them back. What `ExtentWriter.seal` has
/// returned survives power loss. A crash may leave extents that nobody names: `keepOnly` is the sweeper's tool for them.
package protocol ExtentStore: AnyObject, Sendable {
    /// No extent is longer; a longer body becomes several.
    var maximumExtentLength: Int { get }

    /// Starts a body. `expectedLength`, when known, reserves its space at once.
    /// `observer` sees every byte in order, on the store's own threads, before `seal` returns: for digests.
    /// - Throws: `.outOfSpace` when the byte budget does not hold the body; `.busy` when too many bodies are under way.
    func openSink(
        expectedLength: Int64?, observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    ) async throws(StorageFailure) -> any ExtentSink

    /// The bytes `range` of an extent as spans of open files, whole and in order. The first time after the store was
    /// opened the whole extent's checksum is verified first.
    /// - Throws: `.damaged` when the bytes are not those that were written.
    func spans(of extent: Extent, range: Range<Int>) async throws(StorageFailure) -> [FileSpan]

    /// The same bytes in memory.
    func read(_ extent: Extent, range: Range<Int>) async throws(StorageFailure) -> ByteBuffer

    /// Gives the extents' space back. The caller has made sure that nothing names them and nobody reads them.
    func free(_ extents: [Extent]) async throws(StorageFailure)

    /// Gives back what had to stay when it was freed, because bytes of it were on their way to a peer. To be called again
    /// after a while when it answers that there is more.
    func finishFreeing() async -> Bool

    /// The groups that existed when the store was opened: nothing is appended to them any more.
    func closedGroups() async throws(StorageFailure) -> [UInt64]

    /// Frees everything in a closed group but `live` (ascending, without duplicates). Answers the bytes given back.
    /// From the look-up of what lives until this returns the caller frees nothing of the group, and later nothing that
    /// was not in `live`: the store counts what remains, and a group whose count comes to nothing is deleted whole.
    func keepOnly(_ live: [Extent], inGroup group: UInt64) async throws(StorageFailure) -> Int64

    /// Reads the extent from its medium, not from what was verified earlier, and compares its checksum.
    func verify(_ extent: Extent) async throws(StorageFailure) -> ExtentHealth

    func usage() -> ExtentUsage

    /// Finishes what is under way; later calls throw `.unavailable`.
    func close() async
}

package enum ExtentHealth: Hashable, Sendable {
    case sound
    case missing
    case checksumMismatch(computed: UInt64)
    case unreadable(reason: String)
}

package struct ExtentUsage: Hashable, Sendable {
    /// Bytes of live extents, including their padding to the medium's block size.
    package var usedBytes: Int64
    /// Bytes promised to bodies that are under way.
    package var reservedBytes: Int64
    /// What `usedBytes + reservedBytes` may not exceed.
    package var budgetBytes: Int64
    package init(usedBytes: Int64, reservedBytes: Int64, budgetBytes: Int64) {
        self.usedBytes = usedBytes
        self.reservedBytes = reservedBytes
        self.budgetBytes = budgetBytes
    }
}

/// The receiving end of one body. Calls come one after another. Use it through `ExtentWriter`.
package protocol ExtentSink: AnyObject, Sendable {
    /// Takes bytes; returns when the store can take more, so that a slow disk slows the sender.
    func append(_ bytes: ByteBuffer) async throws(StorageFailure)
    /// Ends the body: everything is on the medium when this returns.
    func seal() async throws(StorageFailure) -> [Extent]
    /// Ends the body without a trace; its space is given back.
    func discard() async
}

/// A body under way, ended exactly once by `seal` or `discard`.
package struct ExtentWriter: ~Copyable {
    private let sink: any ExtentSink
    private var hasEnded = false

    package init(_ sink: any ExtentSink) { self.sink = sink }

    package func append(_ bytes: ByteBuffer) async throws(StorageFailure) { try await sink.append(bytes) }

    /// The extents in the order of the bytes; none for an empty body. When it throws, the body is discarded.
    package consuming func seal() async throws(StorageFailure) -> [Extent] {
        hasEnded = true
        do { return try await sink.seal() } catch {
            await sink.discard()
            throw error
        }
    }

    package consuming func discard() async {
        hasEnded = true
        await sink.discard()
    }

    deinit { assert(hasEnded, "a body was neither sealed nor discarded") }
}

extension ExtentStore {
    package func openWriter(
        expectedLength: Int64?, observer: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil
    ) async throws(StorageFailure) -> ExtentWriter {
        ExtentWriter(try await openSink(expectedLength: expectedLength, observer: observer))
    }
}
