import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import Namespace
import StorageModel

// Create, Delete, Get Container Properties, Get and Set Container Metadata, Get and Set Container ACL.
extension AzureBlobService {
    private static let accountScope = "$account-encryption-key"

    func createContainer(_ call: Call, _ container: ContainerAddress) async throws -> Answer {
        let headers = call.headers
        if let scope = headers["x-ms-default-encryption-scope"], scope != Self.accountScope {
            throw AzureError(
                .featureNotSupportedForAccount, message: "Encryption scopes are not supported.",
                details: [.init("HeaderName", "x-ms-default-encryption-scope")])
        }
        let receipt = try await namespace.createContainer(
            container, metadata: try headers.metadata(), publicAccess: try headers.publicAccess())
        var answer = Answer(.created)
        answer.setState(receipt)
        return answer
    }

    func deleteContainer(_ call: Call, _ container: ContainerAddress) async throws -> Answer {
        try await namespace.deleteContainer(container, guard: try containerGuard(call))
        return Answer(.accepted)
    }

    /// Container operations know the two dates and no other condition.
    private func containerGuard(_ call: Call) throws -> Guard {
        Guard(conditions: try call.headers.dateConditions(), lease: try call.headers.lease())
    }

    func getContainerProperties(_ call: Call, _ container: ContainerAddress) async throws -> Answer {
        let properties = try await namespace.containerProperties(container, lease: try call.headers.lease())
        var answer = Answer(.ok)
        answer.setState(properties.version, properties.lastModified)
        answer.setMetadata(properties.metadata)
        answer.setLease(properties.lease)
        answer.set("x-ms-blob-public-access", properties.publicAccess?.rawValue)
        answer.set("x-ms-has-immutability-policy", "false")
        answer.set("x-ms-has-legal-hold", "false")
        answer.set("x-ms-default-encryption-scope", Self.accountScope)
        answer.set("x-ms-deny-encryption-scope-override", "false")
        answer.set("x-ms-immutable-storage-with-versioning-enabled", "false")
        return answer
    }

    func getContainerMetadata(_ call: Call, _ container: ContainerAddress) async throws -> Answer {
        let properties = try await namespace.containerProperties(container, lease: try call.headers.lease())
        var answer = Answer(.ok)
        answer.setState(properties.version, properties.lastModified)
        answer.setMetadata(properties.metadata)
        return answer
    }

    func setContainerMetadata(_ call: Call, _ container: ContainerAddress) async throws -> Answer {
        let receipt = try await namespace.setContainerMetadata(
            container, try call.headers.metadata(), guard: try containerGuard(call))
        var answer = Answer(.ok)
        answer.setState(receipt)
        return answer
    }

    func getContainerACL(_ call: Call, _ container: ContainerAddress) async throws -> Answer {
        let properties = try await namespace.containerProperties(container, lease: try call.headers.lease())
        var answer = Answer.xml(SignedIdentifiersBody.xml(properties.policies), isHead: call.isHead)
        answer.setState(properties.version, properties.lastModified)
        answer.set("x-ms-blob-public-access", properties.publicAccess?.rawValue)
        return answer
    }

    func setContainerACL(_ call: Call, _ container: ContainerAddress) async throws -> Answer {
        let held = try containerGuard(call)
        let publicAccess = try call.headers.publicAccess()
        // The body may be left out altogether: it then clears the policies.
        let policies =
            call.request.body.isFramed ? try SignedIdentifiersBody.parse(try await call.document()) : []
        let receipt = try await namespace.setContainerAccess(
            container, publicAccess: publicAccess, policies: policies, guard: held)
        var answer = Answer(.ok)
        answer.setState(receipt)
        return answer
    }
}
