import Namespace
package import StorageModel

/// A store under the model check: takes operations in the words of the core and answers in the words of the model.
///
/// One subject is one client: calls come one after another. Several clients of one store are several subjects.
package protocol ModelSubject: AnyObject, Sendable {
    /// The operation as this subject can say it: a protocol has no words for some conditions and adds defaults of its own.
    /// What comes back is performed and given to the model.
    func expressed(_ operation: ModelOperation) -> ModelOperation

    /// How the request is refused for its own shape, whatever is stored; `nil` when it is not.
    func refusal(ofShape operation: ModelOperation) -> ModelRefusal?

    /// How this subject says a refusal of the core.
    func refusal(_ code: StorageFailure.Code, of operation: ModelOperation) -> ModelRefusal

    /// - Throws: `ModelMismatch` for an answer that cannot be read at all.
    func perform(_ operation: ModelOperation) async throws -> ModelOutcome
}

/// Store and model do not agree.
package struct ModelMismatch: Error, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

extension ModelSubject {
    /// Holds an answer against what the model says. `nil` when they agree.
    package func difference(
        _ operation: ModelOperation, found: ModelOutcome, expected: ModelAnswer
    ) -> String? {
        if let shape = refusal(ofShape: operation) {
            return found == .refused(shape) ? nil : "\(found.text), expected \(shape)"
        }
        switch (expected, found) {
        case (.refused(let code), _):
            let wanted = refusal(code, of: operation)
            return found == .refused(wanted) ? nil : "\(found.text), expected \(wanted)"
        case (.done(let wanted), .done(var receipt)):
            receipt.token = wanted.token
            return receipt == wanted ? nil : "\(receipt.text), expected \(wanted.text)"
        case (.parts(let wanted), .done(let receipt)):
            guard case .batch(let parts) = operation, parts.count == receipt.parts.count else {
                return "\(receipt.parts.count) parts, expected \(wanted.count)"
            }
            for (index, part) in parts.enumerated() {
                if let found = difference(part, found: receipt.parts[index], expected: wanted[index]) {
                    return "part \(index): \(found)"
                }
            }
            return nil
        case (_, .refused(let refusal)): return "\(refusal), expected success"
        }
    }

    /// What the model says to an operation. A request that is refused for its shape changes nothing.
    package func answer(
        _ operation: ModelOperation, found: ModelOutcome, _ model: inout ModelStore
    ) -> ModelAnswer {
        if refusal(ofShape: operation) != nil { return .done(ModelReceipt()) }
        return model.answer(operation, found.receipt)
    }

    /// Performs an operation on the store and on the model.
    /// - Throws: `ModelMismatch` when the answers differ.
    package func step(_ operation: ModelOperation, _ model: inout ModelStore) async throws -> ModelOutcome {
        let found = try await perform(operation)
        let expected = answer(operation, found: found, &model)
        if let difference = difference(operation, found: found, expected: expected) {
            throw ModelMismatch("\(operation.line): \(difference)")
        }
        return found
    }
}

extension ModelOutcome {
    package var text: String {
        switch self {
        case .done(let receipt): receipt.text
        case .refused(let refusal): refusal.text
        }
    }
}

extension ModelReceipt {
    /// What is there, in one line.
    package var text: String {
        var words = ["success"]
        if let version { words.append("etag \(version)") }
        if let modified { words.append("modified \(modified)") }
        if let lease { words.append("lease \(lease)") }
        if let remaining { words.append("\(remaining) s left") }
        if let isPending { words.append(isPending ? "pending" : "not pending") }
        if let seen { words.append("sees \(seen)") }
        if !parts.isEmpty { words.append("parts [\(parts.map(\.text).joined(separator: "; "))]") }
        return words.joined(separator: ", ")
    }
}

extension ModelOperation {
    /// In one line: bytes as their number.
    package var line: String {
        switch self {
        case .putBlob(let at, let bytes, let attributes, let held):
            "put \(at.line) \(bytes.count) bytes, \(attributes), \(held)"
        case .putBlock(let at, let id, let bytes, let lease):
            "put block \(at.line) \(id) \(bytes.count) bytes, lease \(lease.map { "\($0)" } ?? "none")"
        default: "\(self)"
        }
    }
}

extension ModelAddress {
    package var line: String { "\(container)/\(blob)" }
}
