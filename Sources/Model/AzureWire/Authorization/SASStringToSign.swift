/// What a shared access signature is about, as its text names it: decoded names.
package struct SignedTarget: Sendable, Hashable {
    package var account: String
    package var container: String?
    package var blob: String?

    package init(account: String, container: String? = nil, blob: String? = nil) {
        self.account = account
        self.container = container
        self.blob = blob
    }

    fileprivate func canonicalResource(_ version: ServiceVersion) -> String {
        var text = (version >= .prefixedResource ? "/blob/" : "/") + account
        if let container { text += "/" + container }
        if let blob { text += "/" + blob }
        return text
    }
}

extension SharedAccessSignature {
    /// The text under the signature, as UTF-8.
    /// - Parameters:
    ///   - target: for service and user delegation signatures the container, or the container and the blob.
    ///   - header, parameter: the request's own values, for `srh` and `srq`.
    package func stringToSign(
        _ target: SignedTarget, header: (String) -> String? = { _ in nil },
        parameter: (String) -> String? = { _ in nil }
    ) -> String {
        switch form {
        case .account(let services, let resourceTypes):
            var lines = [
                target.account, permissions ?? "", services, resourceTypes, start ?? "", expiry ?? "",
                addresses ?? "", protocols ?? "", versionText,
            ]
            if version >= .signedEncryptionScope { lines.append(encryptionScope ?? "") }
            return lines.joined(separator: "\n") + "\n"
        case .service(let resource):
            var lines = head(target) + [policyID ?? ""]
            if version >= .signedAddresses { lines += [addresses ?? "", protocols ?? ""] }
            lines.append(versionText)
            lines += resourceLines(resource)
            return (lines + responseLines).joined(separator: "\n")
        case .userDelegation(let resource, let fields):
            var lines = head(target)
            lines += [
                fields.objectID, fields.tenantID, fields.keyStart, fields.keyExpiry, fields.keyService,
                fields.keyVersion,
            ]
            if version >= .signedAgents {
                lines += [
                    fields.authorizedObjectID ?? "", fields.unauthorizedObjectID ?? "", fields.correlationID ?? "",
                ]
            }
            if version >= .signedDelegatedUser {
                lines += [fields.delegatedTenantID ?? "", fields.delegatedObjectID ?? ""]
            }
            lines += [addresses ?? "", protocols ?? "", versionText]
            lines += resourceLines(resource)
            if version >= .signedRequestParts {
                lines.append(fields.signedHeaders.map { "\($0):\(header($0.asciiLowercased) ?? "")\n" }.joined())
                lines.append(fields.signedParameters.map { "\n\($0):\(parameter($0.asciiLowercased) ?? "")" }.joined())
            }
            return (lines + responseLines).joined(separator: "\n")
        }
    }

    private func head(_ target: SignedTarget) -> [String] {
        [permissions ?? "", start ?? "", expiry ?? "", target.canonicalResource(version)]
    }

    private func resourceLines(_ resource: SignedResource) -> [String] {
        guard version >= .userDelegation else { return [] }
        var lines = [resource.rawValue, snapshot ?? ""]
        if version >= .signedEncryptionScope { lines.append(encryptionScope ?? "") }
        return lines
    }

    private var responseLines: [String] { responseHeaders.map { $0 ?? "" } }
}
