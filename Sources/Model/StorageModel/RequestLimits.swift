/// How much somebody may ask for; `nil` is without a bound of its own.
package struct RequestLimits: Sendable, Hashable {
    package var requestsPerSecond: Int?
    /// Bytes of request and answer bodies together.
    package var bytesPerSecond: Int64?
    /// Requests under way at once.
    package var concurrentRequests: Int?

    package init(requestsPerSecond: Int? = nil, bytesPerSecond: Int64? = nil, concurrentRequests: Int? = nil) {
        self.requestsPerSecond = requestsPerSecond
        self.bytesPerSecond = bytesPerSecond
        self.concurrentRequests = concurrentRequests
    }

    package var isEmpty: Bool { requestsPerSecond == nil && bytesPerSecond == nil && concurrentRequests == nil }
}
