package import Extents
package import Metadata
package import StorageModel

/// What fsck found and counted.
package struct StoreCheckReport: Sendable {
    package struct Finding: Hashable, Sendable {
        package enum Kind: String, Sendable {
            /// A record cannot be read.
            case damagedRecord
            /// Bytes are missing or do not match their checksum.
            case damagedExtent
            /// A manifest names an extent that has no record, or disagrees with it.
            case brokenManifest
            case holderCount
            case tagIndex
            case uncommittedBlocks
            case container
            /// The names lead to another extent store than the one that is here.
            case storeIdentity
        }
        package var kind: Kind
        /// The blob, container or extent in question.
        package var subject: String
        package var text: String
    }
    package var containers = 0
    package var blobs = 0
    package var stagedBlocks = 0
    package var extents = 0
    package var bytesVerified: Int64 = 0
    package var trashRecords = 0
    package var findings: [Finding] = []
    /// Findings beyond the bound are counted, not kept.
    package var findingsDropped = 0

    static let maximumFindings = 10_000

    package mutating func add(_ kind: Finding.Kind, _ subject: String, _ text: String) {
        guard findings.count < Self.maximumFindings else {
            findingsDropped += 1
            return
        }
        findings.append(Finding(kind: kind, subject: subject, text: text))
    }
}

/// Checks a store that nobody writes to: every record reads, every manifest's extents exist and agree in size and
/// checksum, holder counts agree, and, unless left out, every extent's bytes match. Names what is damaged.
package struct StoreCheck: Sendable {
    private let metadata: any MetadataStore
    private let extents: any ExtentStore
    private let extentStoreID: String?

    /// - Parameter extentStoreID: what the extent store calls itself; `nil` leaves that unchecked.
    package init(metadata: any MetadataStore, extents: any ExtentStore, extentStoreID: String? = nil) {
        self.metadata = metadata
        self.extents = extents
        self.extentStoreID = extentStoreID
    }

    /// - Parameter progress: called now and then with the extents verified so far and their number.
    package func run(
        verifiesBytes: Bool, progress: @Sendable (_ done: Int, _ of: Int) -> Void
    ) async throws(StorageFailure) -> StoreCheckReport {
        var pass = try await metadata.read(.scan) { reader throws(StorageFailure) in
            var pass = RecordPass(reader: reader)
            try pass.run()
            return pass.outcome
        }
        try await checkIdentity(&pass.report)
        guard verifiesBytes else { return pass.report }
        let all = pass.recorded.keys.sorted { $0.id < $1.id }
        for (index, extent) in all.enumerated() {
            let health = try await extents.verify(extent)
            pass.report.bytesVerified += Int64(extent.length)
            if health != .sound {
                let owners = pass.owners[extent.id] ?? []
                pass.report.add(
                    .damagedExtent, "extent \(extent.id.group):\(extent.id.position)",
                    "\(health); holds bytes of \(owners.isEmpty ? "no committed blob" : owners.joined(separator: ", "))"
                )
            }
            if index % 256 == 0 { progress(index, all.count) }
        }
        progress(all.count, all.count)
        return pass.report
    }

    /// What would keep the node from starting.
    private func checkIdentity(_ report: inout StoreCheckReport) async throws(StorageFailure) {
        guard let extentStoreID else { return }
        let stored = try await metadata.read(.point) { reader throws(StorageFailure) in
            try reader.get(Keys.storeIdentity)
        }
        do throws(StorageFailure) {
            let known = try stored.map { bytes throws(StorageFailure) in try StoreIdentityRecord.decode(bytes) }
            if let known, known != extentStoreID {
                report.add(.storeIdentity, "extent store \(extentStoreID)", "the metadata belongs to \(known)")
            }
            if known == nil, extents.usage().usedBytes > 0 {
                report.add(.storeIdentity, "extent store \(extentStoreID)", "it holds bytes, but the metadata is new")
            }
        } catch { report.add(.damagedRecord, "store identity", "\(error)") }
    }
}
