import StorageModel

/// The `Cors` part of the service properties. Limits: "Cross-Origin Resource Sharing (CORS) support for Azure Storage".
enum CORSRulesBody {
    private static let maximumRules = 5
    private static let maximumBytes = 2_048
    private static let maximumValues = 64
    private static let maximumValueCharacters = 256
    private static let maximumPrefixes = 2
    private static let methods: Set<String> = ["DELETE", "GET", "HEAD", "MERGE", "POST", "OPTIONS", "PUT", "PATCH"]

    static func parse(_ part: XMLElement) throws(AzureError) -> [ServiceProperties.CORSRule] {
        guard part.children.count <= maximumRules else {
            throw .invalidXML(reason: "more than \(maximumRules) CORS rules")
        }
        var rules: [ServiceProperties.CORSRule] = []
        var bytes = 0
        for child in part.children {
            guard child.name == "CorsRule" else { throw .unsupportedXMLNode(child.name) }
            bytes += child.children.reduce(0) { $0 + $1.text.utf8.count }
            guard bytes <= maximumBytes else { throw .invalidXML(reason: "the CORS rules are larger than 2 KiB") }
            rules.append(try rule(child))
        }
        return rules
    }

    private static func rule(_ element: XMLElement) throws(AzureError) -> ServiceProperties.CORSRule {
        let origins = try values(element, "AllowedOrigins", isRequired: true)
        let methods = try values(element, "AllowedMethods", isRequired: true)
        for method in methods where !Self.methods.contains(method) { throw .invalidXMLNode("AllowedMethods", method) }
        let age = try element.required("MaxAgeInSeconds").trimmedText
        guard let seconds = Int32(age), seconds >= 0 else { throw .invalidXMLNode("MaxAgeInSeconds", age) }
        return try .init(
            allowedOrigins: origins, allowedMethods: methods, allowedHeaders: headers(element, "AllowedHeaders"),
            exposedHeaders: headers(element, "ExposedHeaders"), maxAgeSeconds: Int(seconds))
    }

    private static func headers(_ element: XMLElement, _ name: String) throws(AzureError) -> [String] {
        let values = try values(element, name, isRequired: false)
        let prefixes = values.count { $0 != "*" && $0.utf8.last == UInt8(ascii: "*") }
        guard prefixes <= maximumPrefixes else { throw .invalidXMLNode(name, values.joined(separator: ",")) }
        return values
    }

    private static func values(_ element: XMLElement, _ name: String, isRequired: Bool) throws(AzureError) -> [String] {
        let text = isRequired ? try element.required(name).text : element.child(name)?.text ?? ""
        let values = text.split(separator: ",").map { String(XMLElement.trim(String($0))) }.filter { !$0.isEmpty }
        guard values.count <= maximumValues, !isRequired || !values.isEmpty,
            values.allSatisfy({ $0.utf8.count <= maximumValueCharacters })
        else { throw .invalidXMLNode(name, text) }
        return values
    }
}
