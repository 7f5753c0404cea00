import StorageModel

@testable import Namespace

/// A record is read as what it is or reported as damaged: what is read has exactly these bytes.
enum RecordProperties {
    /// The first byte is the kind, as in a key; the rest is the value.
    static func check(_ input: [UInt8]) throws {
        guard let first = input.first, let kind = Keys.Kind(rawValue: first) else { return }
        let value = Array(input.dropFirst())
        let again: [UInt8]?
        do {
            again = try recode(kind, value)
        } catch let error as StorageFailure {
            try hold(error.code == .damaged, "refused as \(error.code)")
            return
        }
        guard let again else { return }
        if kind == .serviceProperties {
            // JSON has many spellings; its value is the same.
            try hold(
                try ServicePropertiesRecord.decode(again) == ServicePropertiesRecord.decode(value), "other properties")
        } else {
            try hold(again == value, "\(kind): \(again) instead of \(value)")
        }
    }

    /// The value decoded and encoded; `nil` for kinds whose value has no format of ours.
    private static func recode(_ kind: Keys.Kind, _ value: [UInt8]) throws -> [UInt8]? {
        switch kind {
        case .storeIdentity: StoreIdentityRecord.encode(try StoreIdentityRecord.decode(value))
        case .serviceProperties:
            try ServicePropertiesRecord.encode(try ServicePropertiesRecord.decode(value))
        case .container: try ContainerRecord(decoding: value).encode()
        case .containerByID: try ContainerOwnerRecord(decoding: value).encode()
        case .blob: try BlobRecord(decoding: value).encode()
        case .content: try ContentPage(decoding: value).encode()
        case .manifestSharing: ManifestSharingRecord.encode(try ManifestSharingRecord.decode(value))
        case .stagedBlock: try StagedBlockRecord(decoding: value).encode()
        case .uncommittedBlob: try UncommittedBlobRecord(decoding: value).encode()
        case .lastBlockWrite: LastBlockWriteRecord.encode(try LastBlockWriteRecord.decode(value))
        case .extent: try ExtentRecord(decoding: value).encode()
        case .trash: try TrashRecord(decoding: value).encode()
        case .change: try ChangeRecord(decoding: value).encode()
        case .uncommittedCount, .tagIndex: nil
        }
    }
}
