package import StorageModel

/// What several clients did to one store at the same time.
package struct ModelHistory: Sendable {
    /// What an operation is about: histories are judged object by object.
    package enum Object: Hashable, Sendable, CustomStringConvertible {
        case container(ContainerName)
        case blob(ModelAddress)

        package var description: String {
            switch self {
            case .container(let name): "container \(name)"
            case .blob(let at): "blob \(at.line)"
            }
        }
    }

    /// An operation with its answer. `invoked` and `returned` come from one counter: what returned before another was invoked
    /// has the smaller number.
    package struct Event: Sendable {
        package var client: Int
        package var invoked: Int
        package var returned: Int
        package var operation: ModelOperation
        package var outcome: ModelOutcome
        package init(client: Int, invoked: Int, returned: Int, operation: ModelOperation, outcome: ModelOutcome) {
            self.client = client
            self.invoked = invoked
            self.returned = returned
            self.operation = operation
            self.outcome = outcome
        }

        package var line: String { "\(invoked)…\(returned) client \(client): \(operation.line) -> \(outcome.text)" }
    }

    package var events: [Event] = []
    package init() {}

    /// The events of each object in the order of their invocation. Time passing is an event of every object; listings of many
    /// blobs are an event of none.
    package func byObject() -> [Object: [Event]] {
        var histories: [Object: [Event]] = [:]
        var passing: [Event] = []
        for event in events {
            if case .advance = event.operation {
                passing.append(event)
            } else if let object = event.operation.object {
                histories[object, default: []].append(event)
            }
        }
        return histories.mapValues { ($0 + passing).sorted { $0.invoked < $1.invoked } }
    }
}

extension ModelOperation {
    /// The one object that this operation is about. What it reads besides (the source of a copy) does not change meanwhile.
    package var object: ModelHistory.Object? {
        switch self {
        case .createContainer(let name, _), .deleteContainer(let name, _), .setContainerMetadata(let name, _, _),
            .leaseContainer(let name, _, _), .read(.container(let name, _)):
            .container(name)
        case .putBlob(let at, _, _, _), .putBlock(let at, _, _, _), .commit(let at, _, _, _),
            .setProperties(let at, _, _), .setMetadata(let at, _, _), .setTags(let at, _, _), .setTier(let at, _, _),
            .delete(let at, _), .leaseBlob(let at, _, _), .copy(let at, _, _), .slice(let at, _, _, _, _),
            .read(.get(let at, _, _)), .read(.head(let at, _)), .read(.tags(let at, _)), .read(.blocks(let at, _, _)):
            .blob(at)
        case .read(.list), .read(.containers), .read(.find), .batch, .advance, .reap, .expire: nil
        }
    }
}
