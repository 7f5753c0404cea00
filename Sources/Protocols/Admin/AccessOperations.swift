import Access
import HTTPExchange
import NIOCore
import NIOHTTP1
import Observability
import StorageModel

/// The operations on accounts and roles: read the document, one call to the store, write the answer.
struct AccessOperations {
    /// Bounds a request's document.
    static let maximumBody = 64 << 10

    struct Outcome {
        var status: HTTPResponseStatus
        /// `nil` for an answer without a body.
        var document: JSONWriter?
        /// The account in question where the path does not name it.
        var account: AccountName?
    }

    let store: AccessStore

    func perform(_ operation: AdminOperation, body: any RequestBody) async throws(AdminRefusal) -> Outcome {
        switch operation {
        case .live, .ready, .metrics, .status: preconditionFailure("no operation on accounts")
        case .listAccounts: return listAccounts()
        case .createAccount:
            let new = try await read(body) { bytes throws(InvalidDocument) in try NewAccount(bytes) }
            let account = try await done { () throws(AccessFailure) in
                try await store.createAccount(new.name, keys: new.keys, new.settings)
            }
            return outcome(.created, account: new.name) { $0.members(of: account) }
        case .showAccount(let name):
            let account = try find(name)
            return outcome { $0.members(of: account) }
        case .changeAccount(let name):
            let change = try await read(body) { bytes throws(InvalidDocument) in try AccountChange(bytes) }
            let account = try await done { () throws(AccessFailure) in try await store.changeAccount(name, change) }
            return outcome { $0.members(of: account) }
        case .deleteAccount(let name):
            try await done { () throws(AccessFailure) in try await store.deleteAccount(name) }
            return Outcome(status: .noContent)
        case .showKeys(let name):
            let keys = try await done { () throws(AccessFailure) in try await store.revealKeys(of: name) }
            return outcome { json in
                json.array("keys") { array in for key in keys { array.object { $0.members(of: key) } } }
            }
        case .rotateKey(let name, let number):
            let key = try await done { () throws(AccessFailure) in try await store.rotateKey(number, of: name) }
            return outcome { $0.members(of: key) }
        case .revokeDelegationKeys(let name):
            let account = try await done { () throws(AccessFailure) in try await store.revokeDelegationKeys(name) }
            return outcome { $0.members(of: account) }
        case .listRoles(let name):
            let assignments = try find(name).roles.assignments
            return outcome { json in
                json.array("roles") { array in
                    for assignment in assignments { array.object { $0.members(of: assignment) } }
                }
            }
        case .assignRole(let name):
            let new = try await read(body) { bytes throws(InvalidDocument) in try NewAssignment(bytes) }
            let assignment = try await done { () throws(AccessFailure) in
                try await store.assignRole(new.role, to: new.assignee, tenant: new.tenant, scope: new.scope, in: name)
            }
            return outcome(.created) { $0.members(of: assignment) }
        case .removeRole(let name, let id):
            try await done { () throws(AccessFailure) in try await store.removeRole(id, in: name) }
            return Outcome(status: .noContent)
        }
    }

    private func listAccounts() -> Outcome {
        let accounts = store.names.compactMap { store[$0] }
        return outcome { json in
            json.array("accounts") { array in
                for account in accounts { array.object { $0.members(of: account) } }
            }
        }
    }

    private func find(_ name: AccountName) throws(AdminRefusal) -> Account {
        guard let account = store[name] else { throw AdminRefusal(AccessFailure.refused(.noSuchAccount)) }
        return account
    }

    private func outcome(
        _ status: HTTPResponseStatus = .ok, account: AccountName? = nil, _ members: (inout JSONWriter) -> Void
    ) -> Outcome {
        var json = JSONWriter(reservingCapacity: 1024)
        json.object { members(&$0) }
        return Outcome(status: status, document: json, account: account)
    }

    private func done<Value>(
        _ call: () async throws(AccessFailure) -> Value
    ) async throws(AdminRefusal) -> Value {
        do { return try await call() } catch { throw AdminRefusal(error) }
    }

    private func read<Document>(
        _ body: any RequestBody, _ parse: ([UInt8]) throws(InvalidDocument) -> Document
    ) async throws(AdminRefusal) -> Document {
        let bytes: ByteBuffer
        do { bytes = try await body.collect(limit: Self.maximumBody) } catch {
            guard case .bodyTooLarge = error.code else {
                throw AdminRefusal(
                    status: .badRequest, code: "InvalidInput", message: "The body did not arrive.",
                    cause: error.description)
            }
            throw AdminRefusal(
                status: .payloadTooLarge, code: "BodyTooLarge",
                message: "A body has at most \(Self.maximumBody) bytes.")
        }
        do { return try parse(Array(bytes.readableBytesView)) } catch { throw .invalid(error.message) }
    }
}
