import AzureWire
import Crypto
import Foundation
import Namespace
import StorageModel
import StorageTestKit

/// The Blob protocol over a socket under the model check: each operation is a signed request, each answer is read back into
/// the model's words. One subject is one connection.
final class HTTPSubject: ModelSubject {
    struct Account: Sendable {
        var name: AccountName
        var key: AccountKey
    }

    let account: Account
    let clock: TestWorld
    private let namespace: Namespace
    let host: String
    private let connection: HTTPConnection

    /// - Parameter namespace: what stands behind the port: takes the operations that no client can ask for.
    init(port: Int, account: Account, namespace: Namespace, clock: TestWorld) throws {
        self.account = account
        self.namespace = namespace
        self.clock = clock
        host = "127.0.0.1:\(port)"
        connection = try HTTPConnection(port: port)
    }

    /// The same connection as another account.
    init(_ other: HTTPSubject, as account: Account) {
        self.account = account
        namespace = other.namespace
        clock = other.clock
        host = other.host
        connection = other.connection
    }

    func perform(_ operation: ModelOperation) async throws -> ModelOutcome {
        switch operation {
        case .advance(let seconds): clock.advance(seconds: seconds)
        case .reap: try await namespace.reapTrash()
        case .expire: try await namespace.expireStagedBlocks()
        case .batch(let parts): return try perform(batch: parts)
        case .read(.find(let container, let filter, let limit)): return try find(container, filter, limit)
        default: return try answer(to: operation, try send(request(operation)))
        }
        return .done(ModelReceipt())
    }

    func send(_ request: BlobRequest) throws -> HTTPConnection.Reply {
        let bytes = request.bytes(account: account.name.value, key: account.key, now: clock.now, host: host)
        return try connection.exchange(bytes, isHead: request.method == "HEAD")
    }

    // MARK: - What the protocol can say

    func expressed(_ operation: ModelOperation) -> ModelOperation {
        switch operation {
        case .deleteContainer(let name, let held): .deleteContainer(name, held.settled)
        case .setContainerMetadata(let name, let metadata, let held):
            .setContainerMetadata(name, metadata, held.settled)
        case .putBlob(let at, let bytes, let attributes, let held):
            // The node stores the MD5 of what it got, whether the client sends it or not.
            .putBlob(at, bytes, attributes.with(md5: Array(Insecure.MD5.hash(data: bytes))), held.settled)
        case .commit(let at, let list, let attributes, let held): .commit(at, list, attributes, held.settled)
        case .setProperties(let at, let headers, let held): .setProperties(at, headers, held.settled)
        case .setMetadata(let at, let metadata, let held): .setMetadata(at, metadata, held.settled)
        case .setTags(let at, let tags, let held): .setTags(at, tags, held.settled)
        case .setTier(let at, let tier, let held): .setTier(at, tier, held.tagsOnly)
        case .delete(let at, let held): .delete(at, held.settled)
        case .leaseBlob(let at, let action, let conditions): .leaseBlob(at, action, conditions.settled)
        case .leaseContainer(let name, let action, let conditions): .leaseContainer(name, action, conditions.settled)
        case .copy(let at, let request, let held): .copy(at, expressed(request), held.settled)
        case .batch(let parts): .batch(parts.map { expressed($0) })
        case .read(.tags(let at, let held)): .read(.tags(at, held.settled))
        case .read(.blocks(let at, let kind, let held)): .read(.blocks(at, kind, held.tagsOnly))
        default: operation
        }
    }

    private func expressed(_ request: CopyRequest) -> CopyRequest {
        var request = request
        request.source.container.account = account.name
        request.sourceConditions = request.sourceConditions.settled
        request.headers = nil
        // Copy Blob takes the source's metadata when none is given, Put Blob From URL takes what is given and nothing else.
        if request.recordsCopy {
            if request.metadata?.isEmpty == true { request.metadata = nil }
        } else if request.metadata == nil {
            request.metadata = .empty
        }
        return request
    }

    /// Copies ask for Copy Blob or Copy Blob From URL, which answer some refusals differently.
    static func isSynchronous(_ at: ModelAddress) -> Bool { at.blob.value.utf8.count % 2 == 0 }
}

extension Conditions {
    /// Of an ETag and the date that it makes meaningless a write keeps the ETag.
    var settled: Conditions {
        var settled = self
        if ifMatch != nil { settled.ifUnmodifiedSince = nil }
        if ifNoneMatch != nil { settled.ifModifiedSince = nil }
        return settled
    }
}

extension Guard {
    var settled: Guard { Guard(conditions: conditions.settled, lease: lease) }
    var tagsOnly: Guard { Guard(conditions: Conditions(ifTags: conditions.ifTags), lease: lease) }
}

extension BlobAttributes {
    fileprivate func with(md5: [UInt8]) -> BlobAttributes {
        var attributes = self
        attributes.headers.contentMD5 = md5
        return attributes
    }
}
