import Access
import AzureWire
import NIOHTTP1
import Namespace
import StorageModel

// Get and Set Blob Service Properties, Get Blob Service Stats, Get Account Information.
extension AzureBlobService {
    func getServiceProperties(_ call: Call) async throws -> Answer {
        .xml(ServicePropertiesBody.xml(try await namespace.serviceProperties(of: call.account.name)))
    }

    func setServiceProperties(_ call: Call) async throws -> Answer {
        let change = try ServicePropertiesBody.parse(try await call.document())
        try await namespace.setServiceProperties(change, of: call.account.name)
        return Answer(.accepted)
    }

    /// As a locally redundant account answers: there is no other place. On the primary endpoint the service refuses the
    /// question; on the secondary, which such an account does not have, this node says that replication is unavailable.
    func getServiceStats(_ call: Call) throws -> Answer {
        guard call.target.isSecondary else {
            throw AzureError.invalidQueryParameter(
                "comp", "stats", reason: "This operation is answered by the secondary endpoint alone.")
        }
        return .xml(ServiceStatsBody.xml(.unavailable, lastSync: nil))
    }

    func accountInformation() -> Answer {
        var answer = Answer(.ok)
        answer.set("x-ms-sku-name", configuration.skuName)
        answer.set("x-ms-account-kind", configuration.accountKind)
        answer.set("x-ms-is-hns-enabled", "false")
        return answer
    }
}
