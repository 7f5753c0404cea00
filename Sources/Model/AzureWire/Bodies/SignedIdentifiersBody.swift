package import NIOCore
package import StorageModel

/// The body of Get and Set Container ACL: `SignedIdentifiers`/`SignedIdentifier`*{`Id`, `AccessPolicy`}.
package enum SignedIdentifiersBody {
    /// The letters that a policy may grant, in the order in which the service answers them.
    private static let permissionLetters = Array("racwdxyltfmeopi".utf8)
    private static let maximumIDCharacters = 64

    /// An empty body is an empty list.
    package static func parse(_ body: ByteBuffer) throws(AzureError) -> [AccessPolicy] {
        guard body.readableBytes > 0 else { return [] }
        let root = try XMLElement(reading: body)
        guard root.name == "SignedIdentifiers" else {
            throw .invalidXML(reason: "the root element is not SignedIdentifiers")
        }
        guard root.children.count <= Limits.accessPolicies else {
            throw .invalidXML(reason: "more than \(Limits.accessPolicies) signed identifiers")
        }
        var policies: [AccessPolicy] = []
        for child in root.children {
            guard child.name == "SignedIdentifier" else { throw .unsupportedXMLNode(child.name) }
            let policy = try policy(child)
            guard !policies.contains(where: { $0.id == policy.id }) else {
                throw .invalidXML(reason: "an identifier stands twice")
            }
            policies.append(policy)
        }
        return policies
    }

    private static func policy(_ element: XMLElement) throws(AzureError) -> AccessPolicy {
        guard let id = element.child("Id") else { throw .missingXMLNode("Id") }
        guard (1...maximumIDCharacters).contains(id.text.utf16.count) else { throw .invalidXMLNode("Id", id.text) }
        var policy = AccessPolicy(id: id.text, start: nil, expiry: nil, permissions: nil)
        guard let access = element.child("AccessPolicy") else { return policy }
        policy.start = try date(access, "Start")
        policy.expiry = try date(access, "Expiry")
        if let permission = access.child("Permission")?.trimmedText, !permission.isEmpty {
            guard permission.utf8.allSatisfy({ permissionLetters.contains($0) }) else {
                throw .invalidXMLNode("Permission", permission)
            }
            let given = Set(permission.utf8)
            policy.permissions = String(decoding: permissionLetters.filter { given.contains($0) }, as: UTF8.self)
        }
        return policy
    }

    private static func date(_ access: XMLElement, _ name: String) throws(AzureError) -> Timestamp? {
        guard let text = access.child(name)?.trimmedText, !text.isEmpty else { return nil }
        guard let date = ISODate.parse(text) else { throw .invalidXMLNode(name, text) }
        return date
    }

    /// A policy that grants nothing and bounds nothing is answered without its `AccessPolicy`.
    package static func xml(_ policies: [AccessPolicy]) -> ByteBuffer {
        var xml = XMLWriter()
        guard !policies.isEmpty else {
            xml.empty("SignedIdentifiers")
            return xml.buffer
        }
        xml.open("SignedIdentifiers")
        for policy in policies {
            xml.open("SignedIdentifier")
            xml.element("Id", policy.id)
            if policy.start != nil || policy.expiry != nil || policy.permissions != nil {
                xml.open("AccessPolicy")
                if let start = policy.start { xml.element("Start", ISODate.format(start)) }
                if let expiry = policy.expiry { xml.element("Expiry", ISODate.format(expiry)) }
                if let permissions = policy.permissions { xml.element("Permission", permissions) }
                xml.close("AccessPolicy")
            }
            xml.close("SignedIdentifier")
        }
        xml.close("SignedIdentifiers")
        return xml.buffer
    }
}
