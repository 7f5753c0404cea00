import AzureBlob
import AzureWire
import NIOHTTP1
import StorageModel

/// Every method, host and target leads to one operation or a typed refusal, and the operation's own names, written as
/// a URL, lead to it again.
enum RoutingProperties {
    private static let addressing = Addressing(domainSuffixes: ["blob.localhost", "blob.core.windows.net"])

    /// A line: the method, the target, the host and, as letters, the hints.
    static func check(_ input: [UInt8]) throws {
        let words = String(decoding: input.prefix { $0 != 0x0A }, as: UTF8.self).utf8
            .split(separator: 0x20, omittingEmptySubsequences: false).map { String(Substring($0)) }
        guard words.count >= 2, let target = RequestTarget(words[1]), let query = QueryString(target.rawQuery) else {
            return
        }
        let method = HTTPMethod(rawValue: words[0])
        let letters = words.count > 3 ? words[3] : ""
        let hints = Router.Hints(
            hasCopySource: letters.contains("c"), requiresSync: letters.contains("s"),
            hasBlobType: letters.contains("b"))
        let host = words.count > 2 ? words[2] : nil
        guard let resource = try refusing({ try addressing.target(host: host, rawPath: target.rawPath) }),
            let operation = try refusing({ try Router.route(method, resource.resource, query: query, hints: hints) })
        else { return }
        try names(operation)
        guard let path = path(of: operation) else { return }
        let again = try addressing.target(host: nil, rawPath: path)
        try hold(again.account == "acc" && again.style == .path, "\(path) leads to \(again)")
        let sameOperation = try Router.route(method, again.resource, query: query, hints: hints)
        try hold(sameOperation == operation, "\(path) leads to \(sameOperation) instead of \(operation)")
    }

    /// Names that the rules below the protocol would not take never get there.
    private static func names(_ operation: Operation) throws {
        switch operation {
        case .preflight, .service, .unsupported: break
        case .container(let container, _): _ = try ContainerName(validating: container.value)
        case .blob(let container, let blob, _):
            _ = try ContainerName(validating: container.value)
            _ = try BlobName(validating: blob.value)
        }
    }

    /// In path style, with every name escaped.
    private static func path(of operation: Operation) -> String? {
        switch operation {
        case .preflight, .unsupported: nil
        case .service: "/acc"
        case .container(let container, _): "/acc/\(PercentCoding.encode(container.value))"
        case .blob(let container, let blob, .getAccountInformation) where container == .root:
            "/acc/$root/\(PercentCoding.encode(blob.value))"
        // A blob of the root container is named without it; one whose name has a slash cannot be.
        case .blob(let container, let blob, _):
            "/acc/\(PercentCoding.encode(container.value))/\(PercentCoding.encode(blob.value))"
        }
    }

    private static func refusing<Value>(_ body: () throws -> Value) throws -> Value? {
        do { return try body() } catch {
            try hold(error is AzureError || error is StorageFailure, "refused by \(error)")
            return nil
        }
    }
}
