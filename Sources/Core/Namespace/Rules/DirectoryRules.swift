import Metadata
import StorageModel

/// Files and directories agree: an object at `a` and objects under `a/` exclude each other, unless `a` is a directory
/// entry (zero bytes and `hdi_isfolder=true`) or the object under it is.
enum DirectoryRules {
    static func isDirectory(length: Int64, metadata: UserMetadata) -> Bool { length == 0 && metadata.marksDirectory }

    /// Checks that a blob of this length and metadata may stand at `name`.
    /// - Parameter isNew: nothing stood at `name` before; what stood there already has checked its ancestors.
    static func check(
        _ name: BlobName, in container: ContainerID, length: Int64, metadata: UserMetadata, existing: BlobRecord?,
        _ reader: any MetadataReader
    ) throws(StorageFailure) {
        if name.isDirectoryMarker, length > 0 {
            throw StorageFailure(
                .invalidName(.segment), detail: "A name that ends in '/' is a directory marker and holds no bytes.")
        }
        if existing == nil {
            for ancestor in name.ancestors {
                guard let value = try reader.get(Keys.blob(container, ancestor)) else { continue }
                let record = try BlobRecord(decoding: value)
                guard isDirectory(length: record.length, metadata: record.metadata) else {
                    throw StorageFailure(.nameConflict, detail: "A blob stands at a parent path of this name.")
                }
            }
        }
        guard !name.isDirectoryMarker, !isDirectory(length: length, metadata: metadata) else { return }
        // A file that replaces a file has nothing beneath it.
        if let existing, !isDirectory(length: existing.length, metadata: existing.metadata) { return }
        let beneath = KeyRange(prefix: Keys.blob(container, name.value + "/"))
        if try reader.cursor(in: beneath).next() != nil {
            throw StorageFailure(.nameConflict, detail: "Blobs stand beneath this name.")
        }
    }
}
