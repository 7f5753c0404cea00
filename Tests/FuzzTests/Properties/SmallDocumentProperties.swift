import NIOCore
import StorageModel

@testable import AzureWire

/// Service properties, access policies, tags, and documents as such: what is accepted reads the same when it is
/// written again.
enum SmallDocumentProperties {
    static func check(_ input: [UInt8]) throws {
        let body = ByteBuffer(bytes: input)
        let tree = Result<XMLElement, AzureError> { () throws(AzureError) in try XMLElement(reading: body) }
        switch tree {
        case .success(let root):
            try isBounded(root, depth: 16)
            var text = ""
            write(root, to: &text)
            try hold(try XMLElement(reading: ByteBuffer(string: text)) == root, "\(text) is another document")
        case .failure(let error):
            try hold(error.code == .invalidXmlDocument, "refused as \(error.code)")
        }
        try serviceProperties(body)
        try signedIdentifiers(body)
        try tags(body)
    }

    private static func isBounded(_ element: XMLElement, depth: Int) throws {
        try hold(depth > 0, "elements nest too deep")
        try hold(element.children.isEmpty || element.text.isEmpty, "text beside elements passed")
        try hold(!element.name.isEmpty && element.name.utf8.count <= 256, "the name \(element.name) passed")
        try hold(XMLText.isRepresentable(element.text), "a character that XML has not passed")
        for child in element.children { try isBounded(child, depth: depth - 1) }
    }

    private static func write(_ element: XMLElement, to text: inout String) {
        text += "<\(element.name)>"
        for scalar in element.text.unicodeScalars {
            switch scalar {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\r": text += "&#13;"
            default: text.unicodeScalars.append(scalar)
            }
        }
        for child in element.children { write(child, to: &text) }
        text += "</\(element.name)>"
    }

    private static func refusal(_ error: AzureError) throws {
        let codes: [AzureErrorCode] = [
            .invalidXmlDocument, .invalidXmlNodeValue, .missingRequiredXmlNode, .unsupportedXmlNode,
        ]
        try hold(codes.contains(error.code), "refused as \(error.code)")
        let isBounded = error.details.allSatisfy { $0.value.utf8.count <= 2_048 }
        try hold(isBounded, "the refusal echoes a text without a bound")
    }

    private static func serviceProperties(_ body: ByteBuffer) throws {
        let properties: ServiceProperties
        do throws(AzureError) {
            properties = try ServicePropertiesBody.parse(body)
        } catch { return try refusal(error) }
        let again = try ServicePropertiesBody.parse(ServicePropertiesBody.xml(properties))
        try hold(again == properties, "\(again) instead of \(properties)")
        for rule in properties.cors ?? [] {
            for (origin, method) in zip(rule.allowedOrigins, rule.allowedMethods) {
                let answer = try? CORS.preflight(origin: origin, method: method, requestHeaders: nil, rules: [rule])
                try hold(answer != nil, "a rule refuses its own origin \(origin) and method \(method)")
            }
        }
    }

    private static func signedIdentifiers(_ body: ByteBuffer) throws {
        let policies: [AccessPolicy]
        do throws(AzureError) {
            policies = try SignedIdentifiersBody.parse(body)
        } catch { return try refusal(error) }
        try hold(policies.count <= Limits.accessPolicies, "\(policies.count) policies passed")
        // Dates keep seven digits of a second: the text, not the first value, is what comes back.
        let xml = SignedIdentifiersBody.xml(policies)
        let read = try SignedIdentifiersBody.parse(xml)
        let isSame = read.elementsEqual(policies) {
            sameBytes($0.id, $1.id) && $0.permissions == $1.permissions
        }
        try hold(isSame, "\(read) instead of \(policies)")
        let again = SignedIdentifiersBody.xml(read)
        try hold(again == xml, "\(String(buffer: again)) instead of \(String(buffer: xml))")
    }

    private static func tags(_ body: ByteBuffer) throws {
        let pairs: [(String, String)]
        do throws(AzureError) {
            pairs = try TagsBody.parse(body)
        } catch { return try refusal(error) }
        let tags: Tags
        do throws(StorageFailure) { tags = try Tags(validating: pairs) } catch { return }
        try hold(tags.count <= Limits.tagsPerBlob, "\(tags.count) tags passed")
        let again = try Tags(validating: try TagsBody.parse(TagsBody.xml(tags)))
        try hold(again == tags, "\(again) instead of \(tags)")
        let header = TagsHeader.format(tags)
        let fromHeader = try Tags(validating: try must(TagsHeader.parse(header), "\(header) is not read"))
        try hold(fromHeader == tags, "\(header) instead of \(tags)")
    }
}
