package import StorageModel

/// Small documents from elsewhere: what an identity provider publishes about itself.
///
/// The seam knows addresses and bytes, never what the bytes say.
package protocol WebDocuments: AnyObject, Sendable {
    /// - Parameter limit: an answer longer than this many bytes is refused.
    /// - Throws: `.unavailable` when there is no answer, none in time, or none with status 200.
    func fetch(_ url: String, limit: Int) async throws(StorageFailure) -> [UInt8]
}
