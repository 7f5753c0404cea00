package import Extents
import StorageModel

/// What the contract needs to know about a backend: how to open its store, open it again, and damage what it holds.
package struct ExtentFixture: Sendable {
    /// Opens the fixture's one store: empty at first, later with what the closed one before it held.
    package var open: @Sendable (_ budgetBytes: Int64) async throws -> any ExtentStore
    /// Flips one byte of an extent on the medium, behind the back of the store (which may be closed).
    package var corrupt: @Sendable (_ extent: Extent, _ offset: Int) async throws -> Void
    /// How many bodies may be under way at once.
    package var maximumSinks: Int

    package init(
        maximumSinks: Int, open: @escaping @Sendable (_ budgetBytes: Int64) async throws -> any ExtentStore,
        corrupt: @escaping @Sendable (_ extent: Extent, _ offset: Int) async throws -> Void
    ) {
        self.maximumSinks = maximumSinks
        self.open = open
        self.corrupt = corrupt
    }
}

/// One behaviour that every backend must show.
package struct ExtentContractCase: Sendable, CustomStringConvertible {
    /// Enough for every case.
    static let budgetBytes: Int64 = 1 << 30

    package let name: String
    private let budgetBytes: Int64
    private let check: @Sendable (any ExtentStore, ExtentFixture) async throws -> Void

    init(
        _ name: String, budgetBytes: Int64 = ExtentContractCase.budgetBytes,
        _ check: @escaping @Sendable (any ExtentStore, ExtentFixture) async throws -> Void
    ) {
        self.name = name
        self.budgetBytes = budgetBytes
        self.check = check
    }

    /// - Throws: `ContractViolation`, or a failure that the backend should not have reported.
    package func run(_ fixture: ExtentFixture) async throws {
        let store = try await fixture.open(budgetBytes)
        do { try await check(store, fixture) } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    package var description: String { name }
}

/// The suite that every extent backend and wrapper runs.
package enum ExtentContract {
    package static let cases = bodyCases + readCases + spaceCases + sweepCases + damageCases + lifeCases
}

extension ExtentFixture {
    /// Closes the store and opens it again, as a restart would.
    func reopen(_ store: any ExtentStore) async throws -> any ExtentStore {
        await store.close()
        return try await open(ExtentContractCase.budgetBytes)
    }
}
