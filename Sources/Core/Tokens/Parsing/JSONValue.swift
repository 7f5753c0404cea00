/// A JSON value as it was written: numbers keep their digits, texts are compared by their bytes.
enum JSONValue: Sendable, Equatable {
    case object(JSONObject)
    case array([JSONValue])
    case text(String)
    /// The digits as they stand, sign, fraction and exponent included.
    case number(String)
    case bool(Bool)
    case null

    var object: JSONObject? { if case .object(let object) = self { object } else { nil } }
    var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
    var text: String? { if case .text(let text) = self { text } else { nil } }

    /// A number without fraction and exponent that fits.
    var integer: Int64? { if case .number(let digits) = self { Int64(digits) } else { nil } }

    /// A text of printable ASCII. What is compared has to be one: Swift calls texts equal that Unicode calls
    /// equivalent (U+212A is a "K"), the issuer of a token does not.
    var plainText: String? {
        guard case .text(let text) = self, text.utf8.allSatisfy({ 0x20...0x7E ~= $0 }) else { return nil }
        return text
    }
}

/// The members of an object. No name stands twice: two readers could choose different ones.
struct JSONObject: Sendable, Equatable {
    private var members: [[UInt8]: JSONValue] = [:]

    subscript(name: String) -> JSONValue? { members[Array(name.utf8)] }
    var names: [String] { members.keys.map { String(decoding: $0, as: UTF8.self) } }
    var count: Int { members.count }

    /// Whether the name was new.
    mutating func add(_ name: String, _ value: JSONValue) -> Bool {
        members.updateValue(value, forKey: Array(name.utf8)) == nil
    }
}

enum JSONProblem: Error, Hashable, Sendable {
    case malformed
    case duplicateMember
    case tooDeep
}
