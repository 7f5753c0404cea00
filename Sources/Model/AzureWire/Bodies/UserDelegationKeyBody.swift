package import NIOCore
package import StorageModel

/// The bodies of Get User Delegation Key: `KeyInfo`{`Start`, `Expiry`, `DelegatedUserTid`} and `UserDelegationKey`.
package enum UserDelegationKeyBody {
    package struct KeyInfo: Sendable, Hashable {
        /// Without it the key begins now.
        package var start: Timestamp?
        package var expiry: Timestamp
        /// The tenant of the user whom signatures may be bound to.
        package var delegatedTenantID: String?
    }

    package static func parse(_ body: ByteBuffer) throws(AzureError) -> KeyInfo {
        let root = try XMLElement(reading: body)
        guard root.name == "KeyInfo" else { throw .invalidXML(reason: "the root element is not KeyInfo") }
        func time(_ name: String) throws(AzureError) -> Timestamp? {
            guard let text = root.child(name)?.text, !text.isEmpty else { return nil }
            guard let time = ISODate.parse(text) else { throw .invalidXMLNode(name, text) }
            return time
        }
        let start = try time("Start")
        guard let expiry = try time("Expiry") else { throw .missingXMLNode("Expiry") }
        let tenant = root.child("DelegatedUserTid")?.text
        return KeyInfo(start: start, expiry: expiry, delegatedTenantID: tenant?.isEmpty == true ? nil : tenant)
    }

    /// The key as the client needs it to sign. The terms are texts, because the signature covers them as they are.
    package struct Key: Sendable {
        package var objectID: String
        package var tenantID: String
        package var start: String
        package var expiry: String
        package var service: String
        package var version: String
        package var delegatedTenantID: String?
        package var value: [UInt8]

        package init(
            objectID: String, tenantID: String, start: String, expiry: String, service: String, version: String,
            delegatedTenantID: String?, value: [UInt8]
        ) {
            self.objectID = objectID
            self.tenantID = tenantID
            self.start = start
            self.expiry = expiry
            self.service = service
            self.version = version
            self.delegatedTenantID = delegatedTenantID
            self.value = value
        }
    }

    package static func xml(_ key: Key) -> ByteBuffer {
        var xml = XMLWriter()
        xml.open("UserDelegationKey")
        xml.element("SignedOid", key.objectID)
        xml.element("SignedTid", key.tenantID)
        xml.element("SignedStart", key.start)
        xml.element("SignedExpiry", key.expiry)
        xml.element("SignedService", key.service)
        xml.element("SignedVersion", key.version)
        if let tenant = key.delegatedTenantID { xml.element("SignedDelegatedUserTid", tenant) }
        xml.element("Value", Base64.encode(key.value))
        xml.close("UserDelegationKey")
        return xml.buffer
    }
}
