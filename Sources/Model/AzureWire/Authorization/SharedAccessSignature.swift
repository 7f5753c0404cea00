/// A shared access signature as the query of a URL carries it: taken apart and well formed, not verified.
/// Texts stay as they came, because the signature covers them so.
/// Sources: "Create an account SAS", "Create a service SAS", "Create a user delegation SAS".
package struct SharedAccessSignature: Sendable {
    package enum Form: Sendable, Hashable {
        /// The letters of `ss` and `srt`.
        case account(services: String, resourceTypes: String)
        case service(SignedResource)
        case userDelegation(SignedResource, DelegationFields)
    }

    package enum SignedResource: String, Sendable, Hashable, CaseIterable {
        case container = "c"
        case blob = "b"
        case snapshot = "bs"
        case version = "bv"
        /// Needs a hierarchical namespace.
        case directory = "d"
    }

    /// What names the user delegation key, and whom the signature speaks for.
    package struct DelegationFields: Sendable, Hashable {
        package var objectID: String
        package var tenantID: String
        package var keyStart: String
        package var keyExpiry: String
        package var keyService: String
        package var keyVersion: String
        package var authorizedObjectID: String?
        package var unauthorizedObjectID: String?
        package var correlationID: String?
        package var delegatedTenantID: String?
        package var delegatedObjectID: String?
        /// `srh` and `srq`: names of headers and parameters that the signature covers as well, in this order and this
        /// spelling.
        package var signedHeaders: [String]
        package var signedParameters: [String]
    }

    /// What is wrong with a signature that cannot even be checked: the words of AuthenticationErrorDetail.
    package struct Malformed: Error, Sendable, Equatable {
        package var detail: String
    }

    package var form: Form
    package var version: ServiceVersion
    package var versionText: String
    package var permissions: String?
    package var start: String?
    package var expiry: String?
    package var addresses: String?
    package var protocols: String?
    package var policyID: String?
    package var encryptionScope: String?
    /// The time of a snapshot or the id of a version, from the URL: part of the signature with `bs` and `bv`.
    package var snapshot: String?
    /// `rscc`, `rscd`, `rsce`, `rscl`, `rsct`: headers of the answer, in this order; none in an account SAS, whose
    /// signature does not cover them.
    package var responseHeaders: [String?]
    package var signature: [UInt8]

    /// Whether a query tries to carry one.
    package static func isPresent(in query: QueryString) -> Bool { query["sig"] != nil }

    private static let fields: Set<String> = [
        "sv", "ss", "srt", "sr", "sp", "st", "se", "sip", "spr", "si", "ses", "sig", "rscc", "rscd", "rsce", "rscl",
        "rsct", "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "skdutid", "sduoid", "srh",
        "srq",
    ]

    package init(_ query: QueryString) throws(Malformed) {
        var seen: Set<String> = []
        for parameter in query.parameters where Self.fields.contains(parameter.name) {
            guard seen.insert(parameter.name).inserted else {
                throw Malformed(detail: "\(parameter.name) is given more than once")
            }
            // The signed text has one line a field: no field may bring lines of its own.
            guard parameter.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw Malformed(detail: "\(parameter.name) has a control character")
            }
        }
        func optional(_ name: String) -> String? { query[name].flatMap { $0.isEmpty ? nil : $0 } }
        func mandatory(_ name: String) throws(Malformed) -> String {
            guard let value = optional(name) else { throw Malformed(detail: "\(name) is mandatory. Cannot be empty") }
            return value
        }
        versionText = try mandatory("sv")
        guard let version = ServiceVersion(versionText), version >= .oldestSignature else {
            throw Malformed(detail: "sv is not a supported version: \(AzureError.bounded(versionText))")
        }
        self.version = version
        // Base64 has no blanks: a plus sign that was not escaped came through as one.
        let text = String(decoding: try mandatory("sig").utf8.map { $0 == 0x20 ? 0x2B : $0 }, as: UTF8.self)
        guard let signature = Base64.decode(text), signature.count == 32 else {
            throw Malformed(detail: "Signature is not a valid base64 string of 32 bytes")
        }
        self.signature = signature
        permissions = optional("sp")
        start = optional("st")
        expiry = optional("se")
        addresses = optional("sip")
        protocols = optional("spr")
        policyID = optional("si")
        encryptionScope = optional("ses")
        responseHeaders = ["rscc", "rscd", "rsce", "rscl", "rsct"].map { query[$0] }
        snapshot = nil

        if let resource = optional("sr") {
            guard let resource = SignedResource(rawValue: resource) else {
                throw Malformed(
                    detail: "sr is not a signed resource of the Blob service: \(AzureError.bounded(resource))")
            }
            switch resource {
            case .snapshot: snapshot = optional("snapshot")
            case .version: snapshot = optional("versionid")
            case .container, .blob, .directory: break
            }
            if optional("skoid") == nil {
                form = .service(resource)
            } else {
                // What they bring into the signed text stands on lines of its own, so it may not hold lines itself.
                func names(_ name: String) throws(Malformed) -> [String] {
                    let names = optional(name)?.split(separator: ",").map(String.init) ?? []
                    guard names.allSatisfy({ $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") } })
                    else { throw Malformed(detail: "\(name) is not a list of names") }
                    return names
                }
                let signedParameters = try names("srq")
                for parameter in query.parameters
                where signedParameters.contains(where: { $0.asciiLowercased == parameter.name }) {
                    guard parameter.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                        throw Malformed(detail: "\(parameter.name) has a control character")
                    }
                }
                form = .userDelegation(
                    resource,
                    DelegationFields(
                        objectID: try mandatory("skoid"), tenantID: try mandatory("sktid"),
                        keyStart: try mandatory("skt"), keyExpiry: try mandatory("ske"),
                        keyService: try mandatory("sks"), keyVersion: try mandatory("skv"),
                        authorizedObjectID: optional("saoid"), unauthorizedObjectID: optional("suoid"),
                        correlationID: optional("scid"), delegatedTenantID: optional("skdutid"),
                        delegatedObjectID: optional("sduoid"), signedHeaders: try names("srh"),
                        signedParameters: signedParameters))
            }
        } else if optional("ss") != nil || optional("srt") != nil {
            form = .account(services: try mandatory("ss"), resourceTypes: try mandatory("srt"))
            responseHeaders = []
        } else {
            throw Malformed(detail: "sr is mandatory. Cannot be empty")
        }
    }
}

extension ServiceVersion {
    /// Older layouts are not in the current documentation any more.
    static let oldestSignature = Self(signature: "2013-08-15")
    static let prefixedResource = Self(signature: "2015-02-21")
    static let signedAddresses = Self(signature: "2015-04-05")
    package static let userDelegation = Self(signature: "2018-11-09")
    static let signedAgents = Self(signature: "2020-02-10")
    static let signedEncryptionScope = Self(signature: "2020-12-06")
    static let signedDelegatedUser = Self(signature: "2025-07-05")
    static let signedRequestParts = Self(signature: "2026-04-06")

    private init(signature text: StaticString) {
        guard let version = ServiceVersion("\(text)") else { preconditionFailure("a constant that is a version") }
        self = version
    }
}
