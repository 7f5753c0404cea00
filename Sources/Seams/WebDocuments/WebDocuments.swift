package import StorageModel

/// Small documents from elsewhere: what an identity provider publishes about itself.
///
/// The seam knows addresses and bytes, never what the bytes say.
package protocol WebDocuments: AnyObject, Sendable {
    /// The document at an address, once it is there as a whole. Ends in bounded time, and goes on when the task that
    /// asks is cancelled: others may wait for the same document.
    /// - Parameter limit: an answer longer than this many bytes is refused.
    /// - Throws: `.unavailable` when there is no answer, none in time, none with status 200, or none that may be asked
    ///   for; the cause names the address.
    func fetch(_ url: String, limit: Int) async throws(StorageFailure) -> [UInt8]
}
