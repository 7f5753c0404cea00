import Access
import Admission
import AzureWire
import HTTPExchange
import Logging
import NIOCore
import NIOHTTP1
import Namespace
import StorageModel
import StorageTestKit
import Testing
import Tokens

@testable import AzureBlob

/// The service over in-memory stores, and a client that signs requests as the SDKs do.
final class Fixture: Sendable {
    static let account = "devaccount"
    static let publicAccount = "openaccount"
    static let key = Array("0123456789abcdef0123456789abcdef".utf8)
    static let secondKey = Array("fedcba9876543210fedcba9876543210".utf8)

    static let plainPeer = Peer(address: "10.0.0.1:5000", ip: IPAddress("10.0.0.1"))
    static let tlsPeer = Peer(address: "10.0.0.1:5000", ip: IPAddress("10.0.0.1"), tls: .tls13)

    let core: NamespaceFixture
    let accounts: AccountDirectory
    let access: AccessStore
    let service: AzureBlobService
    var world: TestWorld { core.world }

    init() async throws {
        var options = NamespaceFixture.Options()
        options.maximumExtentLength = 4096
        options.configure = { $0.allowsPublicAccess = { $0.value == Fixture.publicAccount } }
        core = NamespaceFixture(options)
        let configured = [
            Account(name: try AccountName(validating: Self.account), keys: [Self.key, Self.secondKey]),
            Account(
                name: try AccountName(validating: Self.publicAccount), keys: [Self.key],
                switches: AccountSwitches(allowsPublicAccess: true)),
            Account(
                name: try AccountName(validating: "keyless"), keys: [Self.key],
                switches: AccountSwitches(allowsSharedKey: false)),
        ]
        accounts = AccountDirectory([])
        access = try await AccessStore.open(
            metadata: InMemoryMetadataStore(), directory: accounts, configured: configured,
            defaults: AccountSwitches(), world: core.world.world,
            nodeKey: { _ throws(StorageFailure) in
                guard let key = NodeKey(bytes: Fixture.key) else { throw StorageFailure(.internal) }
                return key
            }, removal: { _, _ throws(StorageFailure) in true })
        let tokens = try TokenVerifier(
            TokenPolicy(tenants: [TestToken.tenant], domainSuffixes: ["blob.test"]),
            keys: .document(TestToken.keys()), world: core.world.world,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var configuration = AzureBlobService.Configuration(
            domainSuffixes: ["blob.test"], world: core.world.world)
        configuration.ownHosts = ["node.test"]
        service = AzureBlobService(
            namespace: core.namespace, accounts: accounts, tokens: tokens, access: access,
            admission: AdmissionControl(capacity: 16, world: core.world.world), configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// A fixture in which the container `box` exists.
    static func withContainer() async throws -> Fixture {
        let fixture = try await Fixture()
        #expect(await fixture.send(.PUT, "/box?restype=container").status == 201)
        return fixture
    }

    enum Signing { case sharedKey, lite, secondKey, none, wrongKey }

    /// How a request reaches the service.
    struct Route {
        var account = Fixture.account
        var host = "127.0.0.1:10000"
        /// What stands before the path in path style; `nil` in host style.
        var prefix: String? = "/" + Fixture.account

        static let path = Route()
        static let host = Route(host: "devaccount.blob.test", prefix: nil)
        static let open = Route(account: Fixture.publicAccount, prefix: "/" + Fixture.publicAccount)
        static let secondary = Route(prefix: "/devaccount-secondary")
    }

    @discardableResult
    func send(
        _ method: HTTPMethod, _ pathAndQuery: String, _ headers: [(String, String)] = [], body: [UInt8]? = nil,
        version: String? = "2023-11-03", signing: Signing = .sharedKey, via route: Route = .path,
        chunked: Bool = false, declaring length: Int64? = nil, from peer: Peer = Fixture.plainPeer
    ) async -> Reply {
        let request = self.request(
            method, pathAndQuery, headers, body: body, version: version, signing: signing, via: route,
            chunked: chunked, declaring: length, from: peer)
        return await Reply(service.respond(to: request))
    }

    func request(
        _ method: HTTPMethod, _ pathAndQuery: String, _ headers: [(String, String)] = [], body: [UInt8]? = nil,
        version: String? = "2023-11-03", signing: Signing = .sharedKey, via route: Route = .path,
        chunked: Bool = false, declaring length: Int64? = nil, from peer: Peer = Fixture.plainPeer
    ) -> HTTPRequest {
        let uri = (route.prefix ?? "") + pathAndQuery
        var fields = HTTPHeaders()
        if let version { fields.add(name: "x-ms-version", value: version) }
        if !headers.contains(where: { $0.0 == "x-ms-date" }) {
            fields.add(name: "x-ms-date", value: HTTPDate.format(world.now))
        }
        for header in headers { fields.add(name: header.0, value: header.1) }
        let source: TestBody
        if chunked {
            fields.add(name: "Transfer-Encoding", value: "chunked")
            source = TestBody(body ?? [], declaredLength: nil, isFramed: true)
        } else if method == .PUT || method == .POST || body != nil {
            let declared = length ?? Int64(body?.count ?? 0)
            fields.add(name: "Content-Length", value: "\(declared)")
            source = TestBody(body ?? [], declaredLength: declared, isFramed: true)
        } else {
            source = TestBody([], declaredLength: 0, isFramed: false)
        }
        sign(&fields, method, uri, version: version, signing, account: route.account, isPathStyle: route.prefix != nil)
        fields.add(name: "Host", value: route.host)
        let head = HTTPRequestHead(version: .http1_1, method: method, uri: uri, headers: fields)
        return HTTPRequest(
            id: "11111111-2222-4333-8444-555555555555", head: head, receivedAt: world.now,
            peer: peer, body: source)
    }

    func sign(
        _ fields: inout HTTPHeaders, _ method: HTTPMethod, _ uri: String, version: String?, _ signing: Signing,
        account: String, isPathStyle: Bool
    ) {
        let key: [UInt8]
        switch signing {
        case .none: return
        case .sharedKey, .lite: key = Self.key
        case .secondKey: key = Self.secondKey
        case .wrongKey: key = [1, 2, 3]
        }
        guard let target = RequestTarget(uri), let query = QueryString(target.rawQuery) else { return }
        let signed = SharedKeyRequest(
            method: method.rawValue, rawPath: target.rawPath, account: account, style: isPathStyle ? .path : .host,
            query: query, headers: SignableHeaders(fields.map { (name: $0.name, value: $0.value) }),
            version: version.flatMap { ServiceVersion($0) } ?? .sharedKeyLayout)
        let scheme: SharedKeyScheme = signing == .lite ? .lite : .full
        let signature = SharedKey.signature(signed, scheme: scheme, key: AccountKey(bytes: key))
        let name = signing == .lite ? "SharedKeyLite" : "SharedKey"
        fields.add(name: "Authorization", value: "\(name) \(account):\(signature)")
    }

    @discardableResult
    func put(_ name: String, _ text: String, _ headers: [(String, String)] = []) async -> Reply {
        await send(.PUT, "/box/\(name)", [("x-ms-blob-type", "BlockBlob")] + headers, body: Array(text.utf8))
    }

    /// A date that the clock of the test has, plus seconds.
    func date(_ seconds: Int64 = 0) -> String { HTTPDate.format(world.now.adding(seconds: seconds)) }
}

/// An answer with its body read to the end.
struct Reply {
    var status: Int
    var headers: HTTPHeaders
    var body: [UInt8] = []
    /// The Content-Length of an answer to HEAD.
    var headLength: Int64?
    var audit: AuditFacts
    var parts: [PartRecord]
    var closesConnection: Bool

    init(_ response: HTTPResponse) async {
        status = Int(response.status.code)
        headers = response.headers
        audit = response.audit
        parts = response.parts
        closesConnection = response.closesConnection
        switch response.body {
        case .empty: break
        case .bytes(let buffer): body = Array(buffer.readableBytesView)
        case .headOnly(let length): headLength = length
        case .stream(let length, let producer):
            do {
                body = try await NamespaceFixture.pull(producer)
                #expect(Int64(body.count) == length)
            } catch { Issue.record("the body broke off: \(error)") }
        }
    }

    subscript(name: String) -> String? { headers.first(name: name) }
    var text: String { String(decoding: body, as: UTF8.self) }
    var error: String? { self["x-ms-error-code"] }
    var etag: String { self["ETag"] ?? "" }

    /// The text of every element of this name.
    func elements(_ name: String) -> [String] {
        var found: [String] = []
        var rest = Substring(text)
        while let open = rest.firstRange(of: "<\(name)") {
            rest = rest[open.upperBound...]
            guard let next = rest.first, next == ">" || next == " " || next == "/" else { continue }
            guard let close = rest.firstIndex(of: ">") else { break }
            if rest[..<close].last == "/" {
                found.append("")
                rest = rest[close...]
                continue
            }
            guard let end = rest.firstRange(of: "</\(name)>") else { break }
            found.append(String(rest[rest.index(after: close)..<end.lowerBound]))
            rest = rest[end.upperBound...]
        }
        return found
    }
}

/// A request's body in pieces of a few bytes.
final class TestBody: RequestBody {
    let declaredLength: Int64?
    let isFramed: Bool
    private let rest: Locked<[UInt8]>
    private let pulled = Locked(false)
    private static let pieceLength = 1000

    init(_ bytes: [UInt8], declaredLength: Int64?, isFramed: Bool) {
        rest = Locked(bytes)
        self.declaredLength = declaredLength
        self.isFramed = isFramed
    }

    var wasPulled: Bool { pulled.withLock { $0 } }

    func next() async throws(StorageFailure) -> ByteBuffer? {
        pulled.withLock { $0 = true }
        return rest.withLock { bytes in
            guard !bytes.isEmpty else { return nil }
            defer { bytes.removeFirst(min(Self.pieceLength, bytes.count)) }
            return ByteBuffer(bytes: bytes.prefix(Self.pieceLength))
        }
    }
}
