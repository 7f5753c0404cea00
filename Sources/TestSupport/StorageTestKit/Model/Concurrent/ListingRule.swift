package import StorageModel

/// What a listing must and must not show while others write: a weaker rule than linearizability, because a page is read
/// name by name in the eyes of the protocol and no operation changes two names.
///
/// - A blob whose last write had returned before the listing began is listed, unless a deletion that succeeded may have
///   come after that write.
/// - A blob is not listed when no write of it had begun, or when its deletion had returned and no write began afterwards.
/// - A listed blob carries the ETag of a write that had begun before the listing returned.
/// - Names come once each, in the order of their bytes.
package struct ListingRule: Sendable {
    private struct Change {
        var invoked: Int
        var returned: Int
        var version: Version?
        var isDelete: Bool
    }

    private var changes: [[UInt8]: [Change]] = [:]

    /// - Parameters:
    ///   - events: of all blobs of one container.
    ///   - standing: blobs that were there before, with their versions.
    package init(_ events: [ModelHistory.Event], standing: [BlobName: Version]) {
        for (name, version) in standing {
            changes[Array(name.value.utf8)] = [Change(invoked: -2, returned: -1, version: version, isDelete: false)]
        }
        for event in events {
            guard case .done(let receipt) = event.outcome, case .blob(let at)? = event.operation.object else {
                continue
            }
            var isDelete = false
            if case .delete = event.operation { isDelete = true }
            // Only writes that answer a new version make a blob; lease answers repeat a version.
            if !isDelete {
                guard receipt.version != nil, event.operation.writesVersion else { continue }
            }
            changes[Array(at.blob.value.utf8), default: []].append(
                Change(
                    invoked: event.invoked, returned: event.returned, version: receipt.version, isDelete: isDelete))
        }
    }

    /// What is wrong with the page that this event saw; `nil` when nothing is.
    package func problem(_ event: ModelHistory.Event) -> String? {
        guard case .page(let entries, let hasMore)? = event.outcome.receipt.seen else {
            return "the listing was refused: \(event.outcome.text)"
        }
        guard !hasMore else { return "the listing was cut" }
        var listed: [[UInt8]: Version] = [:]
        var last: [UInt8]?
        for entry in entries {
            guard case .blob(let name, let sight) = entry else { continue }
            if let last, !last.lexicographicallyPrecedes(name) {
                return "\(String(decoding: name, as: UTF8.self)) stands after \(String(decoding: last, as: UTF8.self))"
            }
            last = name
            listed[name] = sight.version
        }
        for name in Set(changes.keys).union(listed.keys) {
            if let problem = problem(name, listed[name], event) {
                return "\(String(decoding: name, as: UTF8.self)): \(problem)"
            }
        }
        return nil
    }

    private func problem(_ name: [UInt8], _ version: Version?, _ event: ModelHistory.Event) -> String? {
        let begun = (changes[name] ?? []).filter { $0.invoked < event.returned }
        let ended = begun.filter { $0.returned < event.invoked }
        let writes = begun.filter { !$0.isDelete }
        if let version {
            guard writes.contains(where: { $0.version == version }) else {
                return "is listed with \(version), which nobody has written"
            }
            let buried = ended.contains { deletion in
                deletion.isDelete && writes.allSatisfy { $0.returned < deletion.invoked }
            }
            return buried ? "is listed after its deletion" : nil
        }
        let stands = ended.contains { write in
            !write.isDelete && begun.allSatisfy { !$0.isDelete || $0.returned < write.invoked }
        }
        return stands ? "is missing" : nil
    }
}

extension ModelOperation {
    var writesVersion: Bool {
        switch self {
        case .putBlob, .commit, .copy, .setProperties, .setMetadata: true
        default: false
        }
    }
}
