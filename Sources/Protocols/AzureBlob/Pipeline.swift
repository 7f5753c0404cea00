import Access
import AzureWire
import HTTPExchange
import NIOHTTP1
import Namespace
import StorageModel

extension AzureBlobService {
    /// The stops of a request, in the order in which the service judges: version, account, credential, permission, and only
    /// then what the request says in detail.
    func handle(
        _ request: HTTPRequest, _ headers: RequestHeaders, within batch: BatchScope?, trace: inout Trace
    ) async throws -> Answer {
        guard let url = RequestTarget(request.head.uri), let query = QueryString(url.rawQuery) else {
            throw AzureError(.invalidUri)
        }
        let givenVersion = try Self.version(headers, query)
        if let givenVersion { trace.version = givenVersion }
        let target = try addressing.target(host: url.authority ?? headers["Host"], rawPath: url.rawPath)
        trace.rawPath = target.rawPath
        let account = try account(of: target)
        trace.account = account
        try Authenticator.checkConnection(account, request.peer)
        if givenVersion == nil, batch == nil {
            trace.version = try await defaultVersion(of: account)
        }

        // A request that makes no sense still has to prove who sent it before it is told so.
        let routed = Result { try Self.operation(request, headers, target: target, query: query) }
        if case .success(let operation) = routed { trace.operation = operation }
        if case .success(.preflight) = routed { return try await preflight(headers, account: account) }
        let credential = try await authenticator.authenticate(
            AuthenticationRequest(
                request: request, headers: headers, target: target, query: query, account: account,
                version: trace.version, isVersionGiven: givenVersion != nil || batch != nil))
        trace.credential = credential
        if batch == nil {
            trace.ticket = try admit(credential, to: account)
        } else {
            try charge(credential, to: account)
        }
        let operation = try routed.get()
        guard let asked = operation.request(NeedHints(operation, headers, query)) else {
            throw try refusalOfUnsupported(operation, credential.principal, version: trace.version)
        }
        trace.asked = asked
        let grant = try await authorize(credential.principal, asked, account: account, version: trace.version)
        trace.grant = grant
        try batch?.check(operation, account: account)

        if target.isSecondary, operation.category != .read {
            throw AzureError(
                .insufficientAccountPermissions, message: "Write operations are not allowed on the secondary endpoint.")
        }
        try RefusedHeaders.check(headers)
        let call = Call(
            request: request, headers: headers, query: query, version: trace.version, target: target, account: account,
            grant: grant)
        var answer: Answer
        do { answer = try await perform(operation, call) } catch let failure as StorageFailure {
            // The condition that only a new blob may be written came with the signature, not with the request.
            guard grant.createsOnly, failure.code == .blobAlreadyExists else { throw failure }
            throw AzureError(.unauthorizedBlobOverwrite)
        }
        if !credential.responseHeaders.isEmpty {
            Self.replaceHeaders(of: &answer, with: credential.responseHeaders, operation)
        }
        return answer
    }

    private static let replaceableHeaders = [
        "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type",
    ]

    /// What a signature says about the headers of an answer counts for Get Blob and Get Blob Properties.
    private static func replaceHeaders(of answer: inout Answer, with values: [String?], _ operation: Operation) {
        guard case .blob(_, _, let kind) = operation, kind == .get || kind == .getProperties else { return }
        for (name, value) in zip(replaceableHeaders, values) {
            guard let value, !value.isEmpty else { continue }
            answer.headers.replaceOrAdd(name: name, value: value)
        }
    }

    /// The version of the request's header, or, where there is a signature, the one in its URL; `nil` without either.
    private static func version(_ headers: RequestHeaders, _ query: QueryString) throws(AzureError) -> ServiceVersion? {
        let text: String
        if let field = headers.values("x-ms-version").first {
            text = String(field.trimmingHTTPBlanks)
        } else if SharedAccessSignature.isPresent(in: query), let parameter = query["api-version"] ?? query["sv"] {
            text = parameter
        } else {
            return nil
        }
        guard let version = ServiceVersion(text), version >= oldestVersion else { throw .unsupportedVersion(text) }
        return version
    }

    private func defaultVersion(of account: Account) async throws(StorageFailure) -> ServiceVersion {
        let properties = try await namespace.serviceProperties(of: account.name)
        return properties.defaultServiceVersion.flatMap { ServiceVersion($0) } ?? Self.defaultVersion
    }

    private func account(of target: Target) throws(AzureError) -> Account {
        guard let text = target.account else { throw AzureError(.invalidUri) }
        guard let name = try? AccountName(validating: text), let account = accounts[name] else {
            throw AzureError(.resourceNotFound, message: "The specified account does not exist.")
        }
        return account
    }

    private static func operation(
        _ request: HTTPRequest, _ headers: RequestHeaders, target: Target, query: QueryString
    ) throws -> Operation {
        var hints = Router.Hints()
        if request.head.method == .PUT {
            hints.hasCopySource = headers.has("x-ms-copy-source")
            hints.requiresSync = headers["x-ms-requires-sync"]?.lowercased() == "true"
            hints.hasBlobType = headers.has("x-ms-blob-type")
        }
        return try Router.route(request.head.method, target.resource, query: query, hints: hints)
    }

    /// Anonymous callers cost one more read: whether the container is public.
    func authorize(
        _ principal: Principal, _ asked: AccessRequest, account: Account, version: ServiceVersion
    ) async throws -> Grant {
        var publicAccess: PublicAccess?
        if principal == .anonymous, account.switches.allowsPublicAccess, asked.publicLevel != nil {
            switch asked.resource {
            case .account: break
            case .container(let name), .blob(let name, _), .names(let name, _):
                publicAccess = try await self.publicAccess(
                    of: ContainerAddress(account: account.name, container: name))
            }
        }
        do throws(Access.Refusal) {
            return try Access.decide(principal, asked, account: account, publicAccess: publicAccess)
        } catch {
            throw authenticator.refusal(error, isReadable: asked.publicLevel != nil, version: version)
        }
    }

    /// Out of scope, which only those are told who have a credential.
    private func refusalOfUnsupported(
        _ operation: Operation, _ principal: Principal, version: ServiceVersion
    ) throws -> AzureError {
        if principal == .anonymous {
            return authenticator.refusal(.credentialRequired, isReadable: false, version: version)
        }
        guard case .unsupported(let feature) = operation else { return AzureError(.internalError) }
        return AzureError(feature)
    }

    /// Private when the container does not exist: strangers are not told.
    func publicAccess(of container: ContainerAddress) async throws(StorageFailure) -> PublicAccess? {
        do {
            return try await namespace.containerProperties(container, lease: nil).publicAccess
        } catch {
            guard error.code == .containerNotFound else { throw error }
            return nil
        }
    }
}

extension AzureError {
    /// What is out of scope. SDKs do not retry a 501.
    init(_ feature: UnsupportedFeature) {
        switch feature {
        case .hierarchicalNamespace: self.init(.hierarchicalNamespaceNotEnabled)
        case .snapshot: self = .notImplemented("Blob snapshots")
        case .undelete: self = .notImplemented("Soft delete")
        case .query: self = .notImplemented("Querying blob contents")
        case .expiry: self = .notImplemented("Blob expiry")
        case .immutability: self = .notImplemented("Immutability policies and legal holds")
        case .appendBlob: self = .notImplemented("Append blobs")
        case .pageBlob: self = .notImplemented("Page blobs")
        case .renameContainer: self = .notImplemented("Renaming a container")
        }
    }

    static func notImplemented(_ what: String) -> AzureError {
        AzureError(.notImplemented, message: "\(what): not supported by this endpoint.")
    }
}
