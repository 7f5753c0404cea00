/// Who asked, for the audit line. Columns follow StorageBlobLogs; holds no secret.
package final class RequesterFacts: Sendable {
    /// `AccountKey`, `SAS`, `OAuth`, `DelegationSas`, `Anonymous`.
    package let authenticationType: String
    /// `key1(HASH)`, `key1(HASH),SasSignature(HASH)`: SHA-256 of the signature, never the signature.
    package let authenticationHash: String?
    package let objectID: String?
    package let tenantID: String?
    package let applicationID: String?
    package let audience: String?
    package let tokenIssuer: String?
    package let userPrincipalName: String?
    package let authorization: [Authorization]

    /// One entry of AuthorizationDetails.
    package struct Authorization: Sendable, Hashable {
        /// Azure's data action, as `Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read`.
        package var action: String
        package var roleAssignmentID: String?
        package var roleDefinitionID: String?
        package var principalID: String?
        /// `User`, `ServicePrincipal`, `Group`.
        package var principalType: String?
        /// `Granted` or `Denied`.
        package var result: String
        package var reason: String?

        package init(
            action: String, roleAssignmentID: String? = nil, roleDefinitionID: String? = nil,
            principalID: String? = nil, principalType: String? = nil, result: String, reason: String? = nil
        ) {
            self.action = action
            self.roleAssignmentID = roleAssignmentID
            self.roleDefinitionID = roleDefinitionID
            self.principalID = principalID
            self.principalType = principalType
            self.result = result
            self.reason = reason
        }
    }

    /// About how much memory it takes. Ids are short; what a token says about itself may not be.
    let weight: Int

    package init(
        authenticationType: String, authenticationHash: String? = nil, objectID: String? = nil,
        tenantID: String? = nil, applicationID: String? = nil, audience: String? = nil, tokenIssuer: String? = nil,
        userPrincipalName: String? = nil, authorization: [Authorization] = []
    ) {
        self.authenticationType = authenticationType
        self.authenticationHash = authenticationHash
        self.objectID = objectID
        self.tenantID = tenantID
        self.applicationID = applicationID
        self.audience = audience
        self.tokenIssuer = tokenIssuer
        self.userPrincipalName = userPrincipalName
        self.authorization = authorization
        func bytes(_ text: String?) -> Int { text?.utf8.count ?? 0 }
        var weight = authorization.count * MemoryLayout<Authorization>.stride
        weight += bytes(authenticationHash) + bytes(objectID) + bytes(tenantID) + bytes(applicationID)
        weight += bytes(audience) + bytes(tokenIssuer) + bytes(userPrincipalName)
        self.weight = weight
    }
}
