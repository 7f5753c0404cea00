import StorageModel
package import WebDocuments

/// What the contract needs to know about a backend: how to put a document at an address.
package struct WebDocumentFixture: Sendable {
    package var documents: any WebDocuments
    /// Puts it at a path of the fixture's host, and answers the address.
    package var publish: @Sendable (_ document: [UInt8], _ path: String) async -> String
    /// Somewhere on the same host, with nothing there.
    package var nowhere: String

    package init(
        documents: any WebDocuments, publish: @escaping @Sendable ([UInt8], String) async -> String, nowhere: String
    ) {
        self.documents = documents
        self.publish = publish
        self.nowhere = nowhere
    }
}

/// One behaviour that every backend must show.
package struct WebDocumentContractCase: Sendable, CustomStringConvertible {
    package let description: String
    /// - Throws: `ContractViolation`, or a failure that the backend should not have reported.
    package let run: @Sendable (WebDocumentFixture) async throws -> Void

    init(_ name: String, _ run: @escaping @Sendable (WebDocumentFixture) async throws -> Void) {
        description = name
        self.run = run
    }
}

/// The suite that every backend for documents runs.
package enum WebDocumentContract {
    package static let cases = [
        WebDocumentContractCase("a document comes as it is, and as it is then") { fixture in
            for document in [[], [0], patternBytes(seed: 5, count: 70_000)] {
                let url = await fixture.publish(document, "/one")
                try require(try await fixture.documents.fetch(url, limit: 1 << 20) == document, "other bytes")
            }
        },
        WebDocumentContractCase("the limit is the last length that passes") { fixture in
            let document = patternBytes(seed: 6, count: 5_000)
            let url = await fixture.publish(document, "/limit")
            try require(try await fixture.documents.fetch(url, limit: 5_000) == document, "other bytes")
            for limit in [0, 4_999] {
                try requireEqual(try await code(fixture, url, limit: limit), .unavailable, "code")
            }
        },
        WebDocumentContractCase("nothing there is a failure") { fixture in
            try requireEqual(try await code(fixture, fixture.nowhere, limit: 100), .unavailable, "code")
        },
        WebDocumentContractCase("a cancelled task gets its document") { fixture in
            let url = await fixture.publish([1, 2, 3], "/cancelled")
            let document = try await withThrowingTaskGroup(of: [UInt8].self) { group in
                group.cancelAll()
                group.addTask {
                    try require(Task.isCancelled, "the task is not cancelled")
                    return try await fixture.documents.fetch(url, limit: 100)
                }
                return try await group.next()
            }
            try require(document == [1, 2, 3], "other bytes")
        },
    ]

    private static func code(
        _ fixture: WebDocumentFixture, _ url: String, limit: Int
    ) async throws -> StorageFailure.Code {
        try await failureCode("fetch") { () async throws(StorageFailure) in
            try await fixture.documents.fetch(url, limit: limit)
        }
    }
}
