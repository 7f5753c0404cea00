import AzureWire
import NIOHTTP1
import StorageModel
import Testing

@testable import AzureBlob

/// Method, resource and query to an operation, row by row.
@Suite struct RouterTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var method: HTTPMethod
        var resource: Target.Resource
        var query: String
        var hints = Router.Hints()
        /// The name of the operation's case, or the code of the refusal.
        var expected: String
        var testDescription: String { "\(method) \(resource)?\(query)" }
    }

    private static let box = Target.Resource.single("box")
    private static let blob = Target.Resource.blob(container: "box", name: "dir/a")
    private static let copying = Router.Hints(hasCopySource: true)

    static let rows: [Row] = [
        Row(method: .GET, resource: .service, query: "comp=list", expected: "service listContainers"),
        Row(method: .GET, resource: .service, query: "COMP=List", expected: "service listContainers"),
        Row(method: .GET, resource: .service, query: "comp=blobs&where=x", expected: "service findBlobsByTags"),
        Row(method: .POST, resource: .service, query: "comp=batch", expected: "service submitBatch"),
        Row(method: .GET, resource: .service, query: "comp=batch", expected: "UnsupportedHttpVerb"),
        Row(method: .GET, resource: .service, query: "", expected: "InvalidQueryParameterValue"),
        Row(
            method: .GET, resource: .service, query: "restype=service&comp=properties",
            expected: "service getProperties"),
        Row(
            method: .PUT, resource: .service, query: "restype=service&comp=properties",
            expected: "service setProperties"),
        Row(method: .GET, resource: .service, query: "restype=service&comp=stats", expected: "service getStats"),
        Row(
            method: .POST, resource: .service, query: "restype=service&comp=userdelegationkey",
            expected: "service getUserDelegationKey"),
        Row(
            method: .DELETE, resource: .service, query: "restype=service&comp=properties",
            expected: "UnsupportedHttpVerb"),
        Row(
            method: .GET, resource: .service, query: "restype=service&comp=nothing",
            expected: "InvalidQueryParameterValue"),
        Row(
            method: .GET, resource: .service, query: "restype=account&comp=properties",
            expected: "service getAccountInformation"),
        Row(
            method: .HEAD, resource: box, query: "restype=account&comp=properties",
            expected: "container getAccountInformation"),
        Row(
            method: .GET, resource: blob, query: "restype=account&comp=properties",
            expected: "blob getAccountInformation"),
        Row(
            method: .PUT, resource: .service, query: "restype=account&comp=properties", expected: "UnsupportedHttpVerb"),

        Row(method: .PUT, resource: box, query: "restype=container", expected: "container create"),
        Row(method: .PUT, resource: .container("box"), query: "restype=container", expected: "container create"),
        Row(method: .DELETE, resource: box, query: "restype=container", expected: "container delete"),
        Row(method: .GET, resource: box, query: "restype=container", expected: "container getProperties"),
        Row(method: .HEAD, resource: box, query: "restype=container", expected: "container getProperties"),
        Row(method: .GET, resource: box, query: "restype=container&comp=metadata", expected: "container getMetadata"),
        Row(method: .HEAD, resource: box, query: "restype=container&comp=metadata", expected: "container getMetadata"),
        Row(method: .PUT, resource: box, query: "restype=container&comp=metadata", expected: "container setMetadata"),
        Row(method: .GET, resource: box, query: "restype=container&comp=acl", expected: "container getACL"),
        Row(method: .HEAD, resource: box, query: "restype=container&comp=acl", expected: "container getACL"),
        Row(method: .PUT, resource: box, query: "restype=container&comp=acl", expected: "container setACL"),
        Row(method: .PUT, resource: box, query: "restype=container&comp=lease", expected: "container lease"),
        Row(method: .GET, resource: box, query: "restype=container&comp=list", expected: "container listBlobs"),
        Row(method: .GET, resource: box, query: "restype=container&comp=blobs", expected: "container findBlobsByTags"),
        Row(method: .POST, resource: box, query: "restype=container&comp=batch", expected: "container submitBatch"),
        Row(method: .PUT, resource: box, query: "restype=container&comp=undelete", expected: "unsupported undelete"),
        Row(
            method: .PUT, resource: box, query: "restype=container&comp=rename", expected: "unsupported renameContainer"
        ),
        Row(method: .POST, resource: box, query: "restype=container", expected: "UnsupportedHttpVerb"),
        Row(method: .GET, resource: box, query: "restype=container&comp=what", expected: "InvalidQueryParameterValue"),
        Row(method: .GET, resource: .service, query: "restype=container&comp=list", expected: "InvalidUri"),
        Row(method: .GET, resource: blob, query: "restype=container", expected: "InvalidUri"),
        Row(method: .GET, resource: box, query: "restype=directory", expected: "InvalidQueryParameterValue"),
        Row(method: .PUT, resource: .single("$root"), query: "restype=container", expected: "container create"),
        Row(method: .PUT, resource: .single("Upper"), query: "restype=container", expected: "invalidName"),

        Row(method: .GET, resource: blob, query: "", expected: "blob get"),
        Row(method: .GET, resource: blob, query: "timeout=5&unknown=x", expected: "blob get"),
        Row(method: .HEAD, resource: blob, query: "", expected: "blob getProperties"),
        Row(method: .PUT, resource: blob, query: "", expected: "blob put"),
        Row(method: .PUT, resource: blob, query: "", hints: copying, expected: "blob copy"),
        Row(
            method: .PUT, resource: blob, query: "", hints: .init(hasCopySource: true, requiresSync: true),
            expected: "blob copyFromURL"),
        Row(
            method: .PUT, resource: blob, query: "", hints: .init(hasCopySource: true, hasBlobType: true),
            expected: "blob putFromURL"),
        Row(method: .DELETE, resource: blob, query: "", expected: "blob delete"),
        Row(method: .POST, resource: blob, query: "", expected: "UnsupportedHttpVerb"),
        Row(method: .GET, resource: blob, query: "comp=metadata", expected: "blob getMetadata"),
        Row(method: .HEAD, resource: blob, query: "comp=metadata", expected: "blob getMetadata"),
        Row(method: .PUT, resource: blob, query: "comp=metadata", expected: "blob setMetadata"),
        Row(method: .PUT, resource: blob, query: "comp=properties", expected: "blob setProperties"),
        Row(method: .GET, resource: blob, query: "comp=tags", expected: "blob getTags"),
        Row(method: .PUT, resource: blob, query: "comp=tags", expected: "blob setTags"),
        Row(method: .PUT, resource: blob, query: "comp=tier", expected: "blob setTier"),
        Row(method: .PUT, resource: blob, query: "comp=block&blockid=AA==", expected: "blob putBlock"),
        Row(
            method: .PUT, resource: blob, query: "comp=block&blockid=AA==", hints: copying,
            expected: "blob putBlockFromURL"),
        Row(method: .PUT, resource: blob, query: "comp=blocklist", expected: "blob putBlockList"),
        Row(method: .GET, resource: blob, query: "comp=blocklist", expected: "blob getBlockList"),
        Row(method: .PUT, resource: blob, query: "comp=lease", expected: "blob lease"),
        Row(method: .PUT, resource: blob, query: "comp=copy&copyid=x", expected: "blob abortCopy"),
        Row(method: .DELETE, resource: blob, query: "comp=metadata", expected: "UnsupportedHttpVerb"),
        Row(method: .GET, resource: blob, query: "comp=what", expected: "InvalidQueryParameterValue"),
        Row(method: .PUT, resource: blob, query: "comp=snapshot", expected: "unsupported snapshot"),
        Row(method: .PUT, resource: blob, query: "comp=undelete", expected: "unsupported undelete"),
        Row(method: .POST, resource: blob, query: "comp=query", expected: "unsupported query"),
        Row(method: .PUT, resource: blob, query: "comp=expiry", expected: "unsupported expiry"),
        Row(method: .PUT, resource: blob, query: "comp=immutabilityPolicies", expected: "unsupported immutability"),
        Row(method: .DELETE, resource: blob, query: "comp=immutabilityPolicies", expected: "unsupported immutability"),
        Row(method: .PUT, resource: blob, query: "comp=legalhold", expected: "unsupported immutability"),
        Row(method: .PUT, resource: blob, query: "comp=appendblock", expected: "unsupported appendBlob"),
        Row(method: .PUT, resource: blob, query: "comp=page", expected: "unsupported pageBlob"),
        Row(method: .GET, resource: blob, query: "comp=pagelist", expected: "unsupported pageBlob"),
        Row(
            method: .HEAD, resource: .container("box"), query: "action=getAccessControl",
            expected: "unsupported hierarchicalNamespace"),
        Row(method: .PUT, resource: box, query: "resource=filesystem", expected: "unsupported hierarchicalNamespace"),

        Row(method: .GET, resource: .single("name"), query: "", expected: "root get"),
        Row(method: .PUT, resource: .single("name"), query: "comp=block", expected: "root putBlock"),
        Row(method: .GET, resource: .blob(container: "$root", name: "name"), query: "", expected: "root get"),
        Row(method: .GET, resource: .blob(container: "$root", name: "a/b"), query: "", expected: "InvalidResourceName"),
        Row(method: .GET, resource: .single("$root"), query: "", expected: "InvalidQueryParameterValue"),
        Row(method: .GET, resource: .container("box"), query: "", expected: "InvalidUri"),
        Row(method: .GET, resource: .blob(container: "box", name: "a//b"), query: "", expected: "invalidName"),
        Row(method: .OPTIONS, resource: blob, query: "anything", expected: "preflight"),
        Row(method: .PATCH, resource: blob, query: "", expected: "UnsupportedHttpVerb"),
        Row(method: .RAW(value: "FETCH"), resource: blob, query: "", expected: "InvalidHttpVerb"),
    ]

    @Test(arguments: rows) func route(_ row: Row) throws {
        let query = try #require(QueryString(row.query))
        var outcome: String
        do {
            switch try Router.route(row.method, row.resource, query: query, hints: row.hints) {
            case .preflight: outcome = "preflight"
            case .service(let operation): outcome = "service \(operation)"
            case .container(_, let operation): outcome = "container \(operation)"
            case .blob(let container, _, let operation):
                outcome = "\(container == .root ? "root" : "blob") \(operation)"
            case .unsupported(let feature): outcome = "unsupported \(feature)"
            }
        } catch let error as AzureError {
            outcome = error.code.name
        } catch let failure as StorageFailure {
            if case .invalidName = failure.code { outcome = "invalidName" } else { outcome = "\(failure.code)" }
        }
        #expect(outcome == row.expected)
    }

    @Test func everyOperationIsReachable() {
        let reached = Set(Self.rows.map(\.expected))
        for operation in ServiceOperation.allCases { #expect(reached.contains("service \(operation)")) }
        for operation in ContainerOperation.allCases { #expect(reached.contains("container \(operation)")) }
        for operation in BlobOperation.allCases { #expect(reached.contains("blob \(operation)")) }
        for feature in UnsupportedFeature.allCases { #expect(reached.contains("unsupported \(feature)")) }
    }
}

/// Host and path to account, container and blob.
@Suite struct AddressingTests {
    private let addressing = Addressing(domainSuffixes: ["blob.test", "blob.core.windows.net"])

    @Test(arguments: [
        ("acct.blob.test", "/", "acct", AddressingStyle.host, Target.Resource.service),
        ("acct.blob.test:10000", "/box", "acct", .host, .single("box")),
        ("ACCT.Blob.Test", "/box/a%2Fb%20c+d", "acct", .host, .blob(container: "box", name: "a/b c+d")),
        ("acct.blob.core.windows.net", "/box/", "acct", .host, .container("box")),
        ("127.0.0.1:10000", "/acct", "acct", .path, .service),
        ("127.0.0.1:10000", "/acct/", "acct", .path, .service),
        ("[::1]:10000", "/acct/box", "acct", .path, .single("box")),
        ("localhost", "/acct/box/a/b", "acct", .path, .blob(container: "box", name: "a/b")),
        ("localhost", "/acct/box%2Fa", "acct", .path, .blob(container: "box", name: "a")),
        ("localhost", "/acct/%24root/x", "acct", .path, .blob(container: "$root", name: "x")),
        ("a.b.blob.test", "/acct/box", "acct", .path, .single("box")),
        ("blob.test", "/acct/box", "acct", .path, .single("box")),
    ])
    func find(
        host: String, path: String, account: String, style: AddressingStyle, resource: Target.Resource
    ) throws {
        let target = try addressing.target(host: host, rawPath: path)
        #expect(target.account == account)
        #expect(target.style == style)
        #expect(target.resource == resource)
        #expect(target.rawPath == path)
        #expect(!target.isSecondary)
    }

    @Test(arguments: [("acct-secondary.blob.test", "/box"), ("localhost", "/acct-secondary/box")])
    func secondary(host: String, path: String) throws {
        let target = try addressing.target(host: host, rawPath: path)
        #expect(target.account == "acct")
        #expect(target.isSecondary)
    }

    @Test(arguments: ["/acct//a", "/acct/box%2F", "/acct/%2Fa", "/acct/%zz", "/acct/box/%ff"])
    func refused(path: String) {
        #expect(throws: AzureError.self) { try addressing.target(host: "localhost", rawPath: path) }
    }
}
