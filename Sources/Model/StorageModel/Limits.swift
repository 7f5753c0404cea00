/// Bounds of the Blob service, as constants with their source: "Scalability and performance targets for Blob storage" and
/// the pages of Put Blob, Put Block, Put Block List, Set Blob Tags, Set Blob Metadata.
package enum Limits {
    package static let mebibyte: Int64 = 1 << 20
    package static let blocksPerBlob = 50_000
    package static let blockBytes: Int64 = 4000 * mebibyte
    package static let uncommittedBlocksPerBlob = 100_000
    package static let blockIDBytes = 64
    package static let metadataBytes = 8 * 1024
    package static let tagsPerBlob = 10
    package static let tagKeyCharacters = 128
    package static let tagValueCharacters = 256
    package static let listPage = 5_000
    package static let rangeChecksumBytes: Int64 = 4 * mebibyte
    package static let accessPolicies = 5
    package static let uncommittedBlockLifetimeSeconds: Int64 = 7 * 24 * 3600
}
