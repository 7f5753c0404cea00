import Metadata
import StorageModel
import StorageTestKit
import Testing

@testable import Namespace

/// The namespace's part in the removal of an account.
@Suite struct AccountRemovalTests {
    typealias Fixture = NamespaceFixture

    private func remove(_ account: AccountName, _ fixture: Fixture) async throws -> Bool {
        try await fixture.metadata.transact { transaction throws(StorageFailure) in
            try Namespace.removeAccount(account, in: transaction)
        }.result
    }

    /// An account with a container stays as it is; another whose name only begins alike does not count.
    @Test func onlyWithoutContainers() async throws {
        let fixture = try await Fixture.started()
        let account = Fixture.account
        let shorter = Fixture.account(String(account.value.dropLast()))
        var properties = ServiceProperties()
        properties.defaultServiceVersion = "2021-12-02"
        for name in [account, shorter] { try await fixture.namespace.setServiceProperties(properties, of: name) }
        #expect(try await !remove(account, fixture))
        #expect(try await remove(shorter, fixture))
        #expect(try await fixture.namespace.serviceProperties(of: account).defaultServiceVersion == "2021-12-02")
        #expect(try await fixture.namespace.serviceProperties(of: shorter).defaultServiceVersion == nil)
        try await fixture.namespace.deleteContainer(Fixture.container, guard: Guard())
        #expect(try await remove(account, fixture))
        #expect(try await fixture.namespace.serviceProperties(of: account).defaultServiceVersion == nil)
        #expect(try await fixture.check().findings.isEmpty)
    }
}
