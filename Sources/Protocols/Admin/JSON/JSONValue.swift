import FoundationEssentials

/// A JSON document as it stands in a request.
enum JSONValue: Decodable, Sendable, Hashable {
    case null
    case bool(Bool)
    case number(Int64)
    case text(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        // Each attempt fails on another shape; the last one throws what is none of them, such as a fraction.
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }
}

/// A document that cannot be used, said so that its sender can mend it. Never repeats what was sent.
struct InvalidDocument: Error, Equatable {
    var message: String
    init(_ message: String) { self.message = message }
}

/// The members of an object, taken one after another; at the end none may be left.
struct JSONMembers {
    private var members: [String: JSONValue]

    /// - Parameter bytes: a JSON object.
    init(_ bytes: [UInt8]) throws(InvalidDocument) {
        let value: JSONValue
        do { value = try JSONDecoder().decode(JSONValue.self, from: Data(bytes)) } catch {
            throw InvalidDocument("The body is not a JSON document of objects, texts, whole numbers and booleans.")
        }
        guard case .object(let members) = value else { throw InvalidDocument("The body is not a JSON object.") }
        self.members = members
    }

    private init(_ members: [String: JSONValue]) { self.members = members }

    mutating func text(_ name: String) throws(InvalidDocument) -> String? {
        switch members.removeValue(forKey: name) {
        case nil: return nil
        case .text(let value)?: return value
        default: throw InvalidDocument("\(name) is a text.")
        }
    }

    mutating func bool(_ name: String) throws(InvalidDocument) -> Bool? {
        switch members.removeValue(forKey: name) {
        case nil: return nil
        case .bool(let value)?: return value
        default: throw InvalidDocument("\(name) is true or false.")
        }
    }

    mutating func texts(_ name: String) throws(InvalidDocument) -> [String]? {
        guard let value = members.removeValue(forKey: name) else { return nil }
        guard case .array(let elements) = value else { throw InvalidDocument("\(name) is a list of texts.") }
        var texts: [String] = []
        for element in elements {
            guard case .text(let text) = element else { throw InvalidDocument("\(name) is a list of texts.") }
            texts.append(text)
        }
        return texts
    }

    /// `.some(nil)` for null.
    mutating func positive(_ name: String) throws(InvalidDocument) -> Int64?? {
        switch members.removeValue(forKey: name) {
        case nil: return nil
        case .null?: return .some(nil)
        case .number(let value)? where value > 0: return value
        default: throw InvalidDocument("\(name) is a whole number above 0, or null.")
        }
    }

    /// Hands the members of an object to `read`, which has to take all of them.
    mutating func object(
        _ name: String, _ read: (inout JSONMembers) throws(InvalidDocument) -> Void
    ) throws(InvalidDocument) {
        switch members.removeValue(forKey: name) {
        case nil: return
        case .object(let members)?:
            var inner = JSONMembers(members)
            try read(&inner)
            try inner.finish()
        default: throw InvalidDocument("\(name) is an object.")
        }
    }

    /// - Throws: when something is left that nobody has taken.
    func finish() throws(InvalidDocument) {
        guard let name = members.keys.min() else { return }
        throw InvalidDocument("Unknown member \"\(name.prefix(40))\".")
    }
}
