import StorageModel
import WebDocuments

/// Finds an issuer's keys: OpenID Connect Discovery 1.0 §4, then the key set that the document names.
struct KeyDiscovery {
    private static let maximumBytes = 1 << 20

    let web: any WebDocuments

    func keys(of issuer: TrustedIssuer) async throws(DocumentProblem) -> [VerificationKey] {
        let discovery = try await fetch(issuer.discoveryURL)
        let members: JSONObject?
        do { members = try JSONReader.read(discovery).object } catch {
            throw DocumentProblem("the discovery document is not JSON: \(error)")
        }
        // Discovery §4.3: whoever answers for an issuer says that it is that issuer.
        guard let named = members?["issuer"]?.plainText, issuer.isNamed(by: named) else {
            throw DocumentProblem("the discovery document is about another issuer")
        }
        guard let address = members?["jwks_uri"]?.plainText, !address.isEmpty else {
            throw DocumentProblem("the discovery document names no key set")
        }
        return try KeySetDocument.keys(try await fetch(address))
    }

    private func fetch(_ address: String) async throws(DocumentProblem) -> [UInt8] {
        let document: [UInt8]
        do { document = try await web.fetch(address, limit: Self.maximumBytes) } catch {
            throw DocumentProblem("\(error)")
        }
        guard document.count <= Self.maximumBytes else { throw DocumentProblem("\(address) is longer than 1 MiB") }
        return document
    }
}
