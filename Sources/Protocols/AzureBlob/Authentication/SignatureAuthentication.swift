import Access
import AzureWire
import Crypto
import HTTPExchange
import Namespace
import StorageModel

// Shared access signatures. Sources: "Create an account SAS", "Create a service SAS", "SAS error codes".
extension Authenticator {
    /// How far a signature's start may lie ahead of our clock.
    private static let startSkewSeconds: Int64 = 15

    /// What a URL names, as far as a signature can be about it.
    struct SignedNames: Sendable {
        var container: String?
        var blob: String?

        init(_ target: Target, _ query: QueryString) {
            switch target.resource {
            case .service: break
            case .container(let name): container = name
            case .single(let name):
                if query["restype"]?.lowercased() == nil {
                    (container, blob) = (ContainerName.root.value, name)
                } else {
                    container = name
                }
            case .blob(let name, let blobName): (container, blob) = (name, blobName)
            }
        }
    }

    func authenticateSignature(_ asked: AuthenticationRequest) async throws -> Credential {
        let signature: SharedAccessSignature
        do { signature = try SharedAccessSignature(asked.query) } catch {
            throw AzureError.authenticationFailed(detail: error.detail)
        }
        let names = SignedNames(asked.target, asked.query)
        switch signature.form {
        case .account(let services, let resourceTypes):
            return try account(signature, services: services, resourceTypes: resourceTypes, asked)
        case .service(let resource):
            return try await service(signature, resource, names, asked)
        case .userDelegation(let resource, let fields):
            return try await userDelegation(signature, resource, fields, names, asked)
        }
    }

    // MARK: The three forms

    private func account(
        _ signature: SharedAccessSignature, services: String, resourceTypes: String, _ asked: AuthenticationRequest
    ) throws(AzureError) -> Credential {
        let key = try signingKey(of: signature, SignedTarget(account: asked.account.name.value), asked)
        guard services.utf8.allSatisfy({ "bqtf".utf8.contains($0) }) else {
            throw .authenticationFailed(detail: "ss has a letter that is no service: \(services)")
        }
        guard services.contains("b") else { throw AzureError(.authorizationServiceMismatch) }
        var types: Delegation.ResourceTypes = []
        for letter in resourceTypes {
            switch letter {
            case "s": types.insert(.service)
            case "c": types.insert(.container)
            case "o": types.insert(.object)
            default:
                throw .authenticationFailed(detail: "srt has a letter that is no resource type: \(resourceTypes)")
            }
        }
        guard signature.policyID == nil else {
            throw .authenticationFailed(detail: "si: an account SAS has no stored access policy")
        }
        let terms = try SignatureTerms(signature, policy: nil)
        try check(signature, terms, asked)
        return credential(
            signature, terms, signer: .accountKey(number: key.number), reach: .account(types), key: key.auditName, asked
        )
    }

    private func service(
        _ signature: SharedAccessSignature, _ resource: SharedAccessSignature.SignedResource, _ names: SignedNames,
        _ asked: AuthenticationRequest
    ) async throws -> Credential {
        let (target, reach) = try resolve(resource, names, asked)
        let key = try signingKey(of: signature, target, asked)
        var policy: AccessPolicy?
        if let id = signature.policyID { policy = try await storedPolicy(id, container: target.container, asked) }
        let terms = try SignatureTerms(signature, policy: policy)
        try check(signature, terms, asked)
        return credential(
            signature, terms, signer: .accountKey(number: key.number), reach: reach, key: key.auditName, asked)
    }

    // MARK: Parts

    /// What the signature must be about, given what the URL names.
    func resolve(
        _ resource: SharedAccessSignature.SignedResource, _ names: SignedNames, _ asked: AuthenticationRequest
    ) throws(AzureError) -> (SignedTarget, Delegation.Reach) {
        let account = asked.account.name.value
        switch resource {
        case .directory:
            throw .authenticationFailed(
                detail: "sr=d: directory signatures need a hierarchical namespace, which this account does not have")
        case .container:
            guard let name = names.container else {
                throw .authenticationFailed(detail: "sr=c covers a container; the request is about the account")
            }
            // A name that is none is refused when the signature has been found to be right.
            let reach = (try? ContainerName(validating: name)).map { Delegation.Reach.container($0) }
            return (SignedTarget(account: account, container: name), reach ?? .account([]))
        case .blob, .snapshot, .version:
            guard let name = names.container, let blob = names.blob else {
                throw .authenticationFailed(
                    detail: "sr=\(resource.rawValue) covers a blob; the request is not about one")
            }
            var reach = Delegation.Reach.account([])
            if let container = try? ContainerName(validating: name), let blob = try? BlobName(validating: blob) {
                reach = .blob(container, blob)
            }
            return (SignedTarget(account: account, container: name, blob: blob), reach)
        }
    }

    private func signingKey(
        of signature: SharedAccessSignature, _ target: SignedTarget, _ asked: AuthenticationRequest
    ) throws(AzureError) -> SigningKey {
        guard asked.account.switches.allowsSharedAccessSignatures else {
            throw AzureError(.keyBasedAuthenticationNotPermitted)
        }
        let text = signature.stringToSign(target)
        let bytes = Array(text.utf8)
        guard let key = asked.account.keys.first(where: { $0.mac.verifies(signature.signature, of: bytes) }) else {
            throw .authenticationFailed(detail: Self.mismatch(text))
        }
        return key
    }

    static func mismatch(_ text: String) -> String { "Signature did not match. String to sign used was \(text)" }

    private func storedPolicy(
        _ id: String, container: String?, _ asked: AuthenticationRequest
    ) async throws -> AccessPolicy {
        let missing = AzureError.authenticationFailed(detail: "si: the stored access policy does not exist: \(id)")
        guard let name = container.flatMap({ try? ContainerName(validating: $0) }) else { throw missing }
        let address = ContainerAddress(account: asked.account.name, container: name)
        let properties: ContainerProperties
        do { properties = try await namespace.containerProperties(address, lease: nil) } catch {
            throw error.code == .containerNotFound ? missing as any Error : error
        }
        guard let policy = properties.policies.first(where: { $0.id.utf8.elementsEqual(id.utf8) }) else {
            throw missing
        }
        return policy
    }

    /// Time, address and protocol.
    func check(
        _ signature: SharedAccessSignature, _ terms: SignatureTerms, _ asked: AuthenticationRequest
    ) throws(AzureError) {
        let now = world.now()
        let hasStarted = terms.start.map { $0.seconds <= now.seconds + Self.startSkewSeconds } ?? true
        guard hasStarted, now < terms.expiry else {
            throw .authenticationFailed(
                detail:
                    "Signature not valid in the specified time frame: Start [\(terms.start.map(HTTPDate.format) ?? "")]"
                    + " - Expiry [\(HTTPDate.format(terms.expiry))] - Current [\(HTTPDate.format(now))]")
        }
        guard signature.encryptionScope == nil else {
            throw .authenticationFailed(detail: "ses: encryption scopes are not supported by this endpoint")
        }
        if let text = signature.addresses {
            guard let range = Self.addressRange(text) else {
                throw .authenticationFailed(detail: "sip is no IPv4 address or range: \(text)")
            }
            guard let address = asked.request.peer.ip, range.contains(address) else {
                throw AzureError(.authorizationSourceIPMismatch)
            }
        }
        switch signature.protocols?.lowercased() {
        case nil, "https,http", "http,https": break
        case "https": if !asked.request.peer.isTLS { throw AzureError(.authorizationProtocolMismatch) }
        case let other?: throw .authenticationFailed(detail: "spr is not https or https,http: \(other)")
        }
    }

    private static func addressRange(_ text: String) -> IPRange? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { IPAddress(String($0)) }
        guard (1...2).contains(parts.count), let lower = parts[0], lower.isIPv4, let upper = parts[parts.count - 1],
            upper.isIPv4
        else { return nil }
        return IPRange(from: lower, to: upper)
    }

    private static func hexText(_ digest: SHA256.Digest) -> String {
        String(unsafeUninitializedCapacity: 64) { text in
            let digits: StaticString = "0123456789abcdef"
            for (index, byte) in digest.enumerated() {
                text[2 * index] = digits.utf8Start[Int(byte >> 4)]
                text[2 * index + 1] = digits.utf8Start[Int(byte & 15)]
            }
            return 64
        }
    }

    func credential(
        _ signature: SharedAccessSignature, _ terms: SignatureTerms, signer: Delegation.Signer,
        reach: Delegation.Reach, key: String?, _ asked: AuthenticationRequest
    ) -> Credential {
        let delegation = Delegation(
            account: asked.account.name, signer: signer, permissions: terms.permissions, reach: reach)
        let hash = Self.hexText(SHA256.hash(data: signature.signature))
        let prefix = key.map { $0 + "," } ?? ""
        return Credential(
            principal: .delegated(delegation), auditHash: "\(prefix)SasSignature(\(hash))",
            responseHeaders: signature.responseHeaders)
    }
}

/// When and for what a signature is good, from its own fields and those of its stored policy.
struct SignatureTerms: Sendable {
    var permissions: DelegatedPermissions
    var start: Timestamp?
    var expiry: Timestamp

    /// Each term comes from exactly one place.
    init(_ signature: SharedAccessSignature, policy: AccessPolicy?) throws(AzureError) {
        func conflict(_ field: String) -> AzureError {
            .authenticationFailed(detail: "\(field) stands in the signature and in its stored access policy")
        }
        func time(_ field: String, _ text: String) throws(AzureError) -> Timestamp {
            guard let time = ISODate.parse(text) else {
                throw .authenticationFailed(detail: "\(field) is not a valid time: \(text)")
            }
            return time
        }
        let letters: String
        switch (signature.permissions, policy?.permissions) {
        case (let own?, nil), (nil, let own?): letters = own
        case (nil, nil): throw .authenticationFailed(detail: "sp is mandatory. Cannot be empty")
        case (.some, .some): throw conflict("sp")
        }
        switch (signature.start, policy?.start) {
        case (let own?, nil): start = try time("st", own)
        case (nil, let stored): start = stored
        case (.some, .some): throw conflict("st")
        }
        switch (signature.expiry, policy?.expiry) {
        case (let own?, nil): expiry = try time("se", own)
        case (nil, let stored?): expiry = stored
        case (nil, nil): throw .authenticationFailed(detail: "se is mandatory. Cannot be empty")
        case (.some, .some): throw conflict("se")
        }
        permissions = []
        for letter in letters.utf8 {
            guard let permission = Self.letters[letter] else {
                throw .authenticationFailed(detail: "sp has a letter that is no permission: \(letters)")
            }
            permissions.insert(permission)
        }
    }

    private static let letters: [UInt8: DelegatedPermissions] = [
        UInt8(ascii: "r"): .read, UInt8(ascii: "a"): .add, UInt8(ascii: "c"): .create, UInt8(ascii: "w"): .write,
        UInt8(ascii: "d"): .delete, UInt8(ascii: "x"): .deleteVersion, UInt8(ascii: "y"): .permanentDelete,
        UInt8(ascii: "l"): .list, UInt8(ascii: "t"): .tags, UInt8(ascii: "f"): .filter, UInt8(ascii: "m"): .move,
        UInt8(ascii: "e"): .execute, UInt8(ascii: "o"): .ownership, UInt8(ascii: "p"): .permissions,
        UInt8(ascii: "i"): .immutability, UInt8(ascii: "u"): .update,
    ]
}
