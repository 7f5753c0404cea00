package import Metadata

/// What the contract needs to know about a backend: how to open its store, again and again.
package struct MetadataFixture: Sendable {
    /// Opens the fixture's one store: empty at first, later with what the closed one before it held.
    package var open: @Sendable () async throws -> any MetadataStore
    /// Opens what `checkpoint` wrote to a directory.
    package var openCheckpoint: @Sendable (_ directory: String) async throws -> any MetadataStore
    /// A path at which nothing exists; its parent does. A new one with each call.
    package var unusedPath: @Sendable () -> String

    package init(
        open: @escaping @Sendable () async throws -> any MetadataStore,
        openCheckpoint: @escaping @Sendable (_ directory: String) async throws -> any MetadataStore,
        unusedPath: @escaping @Sendable () -> String
    ) {
        self.open = open
        self.openCheckpoint = openCheckpoint
        self.unusedPath = unusedPath
    }
}

/// A backend does something that the seam's documentation rules out.
package struct ContractViolation: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// One behaviour that every backend must show.
package struct MetadataContractCase: Sendable, CustomStringConvertible {
    package let name: String
    private let check: @Sendable (any MetadataStore, MetadataFixture) async throws -> Void

    init(
        _ name: String, _ check: @escaping @Sendable (any MetadataStore, MetadataFixture) async throws -> Void
    ) {
        self.name = name
        self.check = check
    }

    /// - Throws: `ContractViolation`, or a failure that the backend should not have reported.
    package func run(_ fixture: MetadataFixture) async throws {
        let store = try await fixture.open()
        do { try await check(store, fixture) } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    package var description: String { name }
}

/// The suite that every metadata backend and wrapper runs.
package enum MetadataContract {
    package static let cases =
        entryCases + cursorCases + versionCases + counterCases + isolationCases + randomCases + lifeCases
}

func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw ContractViolation(message()) }
}

func requireEqual<Value: Equatable>(_ found: Value, _ expected: Value, _ what: @autoclosure () -> String) throws {
    if found != expected { throw ContractViolation("\(what()): found \(found), expected \(expected)") }
}
