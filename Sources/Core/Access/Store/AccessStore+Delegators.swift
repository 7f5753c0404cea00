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
    /// while roles may be given to its groups and to the application that it comes through. The groups are those of the
    /// last token of the same application.
    /// - Parameters:
    ///   - identity: of somebody who is about to get a user delegation key.
    ///   - until: when that key ends.
    /// - Throws: `.busy` when too many principals have keys.
    package func noteDelegator(_ identity: Identity, until: Timestamp) async throws(StorageFailure) {
        let id = DelegatorID(identity)
        let now = world.now()
        let plan = state.withLock { state -> Plan in
            let known = state.delegators[id]
            if let known, known.until >= until, known.identity == identity, known.identity.kind == identity.kind {
                return .known
            }
            let expired = Array(state.delegators.expired(at: now).filter { $0 != id }.prefix(Self.expiredPerNote))
            let room = Self.maximumDelegators + expired.count
            guard known != nil || state.delegators.count < room else { return .full }
            return .write(expired: expired)
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
            var others: [(id: DelegatorID, until: Timestamp)] = []
            let cursor = try transaction.cursor(in: KeyRange(prefix: AccessKeys.delegators(like: id)))
            while let entry = try cursor.next() {
                let found = try AccessKeys.delegator(entry.key)
                let stored = try DelegatorRecord.decode(entry.value).until
                if found == id {
                    record.until = max(record.until, stored)
                } else {
                    others.append((found, Timestamp(nanoseconds: stored)))
                }
            }
            var removed = KnownDelegators.surplus(others)
            for old in expired where !removed.contains(old) {
                // It may have been given another key meanwhile.
                guard let value = try transaction.get(AccessKeys.delegator(old)),
                    try DelegatorRecord.decode(value).until <= now.nanoseconds
                else { continue }
                removed.append(old)
            }
            for old in removed { transaction.delete(AccessKeys.delegator(old)) }
            transaction.set(AccessKeys.delegator(id), try record.encode())
            return (record, removed)
        }
        let (record, removed) = committed.result
        let known = KnownDelegator(id, record, version: committed.version)
        state.withLock { state in
            for old in removed {
                // One that was noted again behind this commit stays.
                if let shown = state.delegators[old]?.version, let version = known.version, shown > version { continue }
                state.delegators.remove(old)
            }
            if let shown = state.delegators[id]?.version, let version = known.version, shown > version { return }
            state.delegators.set(known, for: id)
        }
    }

    /// The principal as it was noted, once for each application through which it has a key that is still valid: with
    /// the groups of the last token of that application. At most `KnownDelegators.maximumPerPrincipal`.
    package func delegators(tenant: String, objectID: String) -> [Identity] {
        let now = world.now()
        return state.withLock { state in
            state.delegators.of(tenant: tenant, objectID: objectID).filter { $0.until > now }.map(\.identity)
        }
    }
}
