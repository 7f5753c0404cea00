import Metadata
package import StorageModel

/// A principal with a user delegation key, as memory holds it.
struct KnownDelegator: Sendable {
    var identity: Identity
    /// When its last key ends.
    var until: Timestamp
    /// The commit that wrote it; `nil` for one from an earlier run.
    var version: Version?

    init(_ id: DelegatorID, _ record: DelegatorRecord, version: Version? = nil) {
        identity = record.identity(id)
        until = Timestamp(nanoseconds: record.until)
        self.version = version
    }
}

extension AccessStore {
    /// So many delegators are known at once: each may have some hundred groups.
    static let maximumDelegators = 10_000
    /// So many expired ones go with each new one: more than come.
    static let expiredPerNote = 16

    /// Remembers what a role decision about a signature needs: a signature names its principal by tenant and object alone,
    /// while roles may be given to its groups and its application. The last token counts.
    /// - Parameters:
    ///   - identity: of somebody who is about to get a user delegation key.
    ///   - until: when that key ends.
    /// - Throws: `.busy` when too many principals have keys.
    package func noteDelegator(_ identity: Identity, until: Timestamp) async throws(StorageFailure) {
        let id = DelegatorID(tenant: identity.tenantID, object: identity.objectID)
        let now = world.now()
        let plan = state.withLock { state -> Plan in
            if let known = state.delegators[id], known.until >= until, known.identity == identity,
                known.identity.kind == identity.kind
            {
                return .known
            }
            let expired = state.delegators.lazy.filter { $0.value.until <= now && $0.key != id }
                .prefix(Self.expiredPerNote).map(\.key)
            let room = Self.maximumDelegators + expired.count
            guard state.delegators[id] != nil || state.delegators.count < room else { return .full }
            return .write(expired: Array(expired))
        }
        switch plan {
        case .known: return
        case .full:
            throw StorageFailure(.busy(retryAfterSeconds: 60), detail: "Too many user delegation keys are valid.")
        case .write(let expired): try await write(identity, id, until: until, expired: expired, now: now)
        }
    }

    private enum Plan: Sendable {
        case known
        case full
        case write(expired: [DelegatorID])
    }

    private func write(
        _ identity: Identity, _ id: DelegatorID, until: Timestamp, expired: [DelegatorID], now: Timestamp
    ) async throws(StorageFailure) {
        let committed = try await metadata.transact { transaction throws(StorageFailure) in
            var record = DelegatorRecord(identity, until: until)
            if let value = try transaction.get(AccessKeys.delegator(id)) {
                record.until = max(record.until, try DelegatorRecord.decode(value).until)
            }
            var removed: [DelegatorID] = []
            for old in expired {
                // It may have been given another key meanwhile.
                guard let value = try transaction.get(AccessKeys.delegator(old)),
                    try DelegatorRecord.decode(value).until <= now.nanoseconds
                else { continue }
                transaction.delete(AccessKeys.delegator(old))
                removed.append(old)
            }
            transaction.set(AccessKeys.delegator(id), try record.encode())
            return (record, removed)
        }
        let (record, removed) = committed.result
        let known = KnownDelegator(id, record, version: committed.version)
        state.withLock { state in
            for old in removed where state.delegators[old].map({ $0.until <= now }) == true {
                state.delegators[old] = nil
            }
            if let shown = state.delegators[id]?.version, let version = known.version, shown > version { return }
            state.delegators[id] = known
        }
    }

    /// The principal that was noted, with the groups and the application of its last token; `nil` when it has no key that
    /// is still valid.
    package func delegator(tenant: String, objectID: String) -> Identity? {
        let now = world.now()
        return state.withLock { state in
            guard let known = state.delegators[DelegatorID(tenant: tenant, object: objectID)], known.until > now else {
                return nil
            }
            return known.identity
        }
    }
}
