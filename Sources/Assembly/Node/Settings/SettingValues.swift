import FoundationEssentials

/// The texts of all settings that were given, by precedence.
package struct SettingValues: Sendable {
    private var values: [Setting: [String]] = [:]

    /// - Parameter flags: from the command line; a setting may stand several times.
    /// - Throws: `SettingError` for a file that cannot be read and for unknown settings in it.
    package init(flags: [Setting: [String]], environment: [String: String], file: String?) throws {
        if let file { values = try Self.read(file: file) }
        for setting in Setting.allCases {
            if let text = environment[setting.environmentName] { values[setting] = Self.list(text, of: setting) }
        }
        for name in environment.keys.sorted() where name.hasPrefix("FOREBAY_") {
            guard Setting.allCases.contains(where: { $0.environmentName == name }) || Self.otherVariables.contains(name)
            else { throw SettingError("unknown setting \(name) in the environment") }
        }
        for (setting, texts) in flags where !texts.isEmpty { values[setting] = texts }
    }

    /// Variables with our prefix that other commands and the test scripts use.
    private static let otherVariables: Set<String> = ["FOREBAY_CONFIG", "FOREBAY_BIN"]

    private static func list(_ text: String, of setting: Setting) -> [String] {
        setting.isList ? text.split(separator: ",").map(String.init) : [text]
    }

    private static func read(file: String) throws -> [Setting: [String]] {
        let data: Data
        do { data = try Data(contentsOf: URL(filePath: file)) } catch {
            throw SettingError("cannot read the configuration file \(file): \(error)")
        }
        let content: [String: FileValue]
        do { content = try JSONDecoder().decode([String: FileValue].self, from: data) } catch {
            throw SettingError("\(file) is not a JSON object of texts, numbers, booleans and lists of texts: \(error)")
        }
        var values: [Setting: [String]] = [:]
        for (name, value) in content {
            guard let setting = Setting(rawValue: name) else {
                throw SettingError("unknown setting \"\(name)\" in \(file)")
            }
            values[setting] = value.texts
        }
        return values
    }

    package func text(_ setting: Setting) -> String? { values[setting]?.last }
    package func texts(_ setting: Setting) -> [String] { values[setting] ?? [] }

    package func flag(_ setting: Setting) throws(SettingError) -> Bool { try Self.flag(text(setting), setting) }

    package static func flag(_ text: String?, _ setting: Setting) throws(SettingError) -> Bool {
        switch text?.lowercased() {
        case nil, "false", "0", "no", "off": return false
        case "true", "1", "yes", "on": return true
        case let other?: throw SettingError("\(setting.rawValue) is true or false, not \"\(other)\"")
        }
    }

    package func number(_ setting: Setting, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = text(setting) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw SettingError(
                "\(setting.rawValue) is a number from \(range.lowerBound) to \(range.upperBound), not \"\(text)\"")
        }
        return value
    }

    /// Bytes, with an optional suffix K, M, G or T (powers of 1,024), `iB` allowed behind it.
    package func bytes(_ setting: Setting) throws -> Int64? {
        guard let text = text(setting) else { return nil }
        var digits = text.uppercased()[...]
        if digits.hasSuffix("IB") { digits = digits.dropLast(2) }
        var shift: Int64 = 0
        if let suffix = digits.last, let power = ["K": 10, "M": 20, "G": 30, "T": 40][String(suffix)] {
            shift = Int64(power)
            digits = digits.dropLast()
        }
        guard let value = Int64(digits), value >= 0, value <= Int64.max >> shift else {
            throw SettingError("\(setting.rawValue) is a number of bytes such as 500G, not \"\(text)\"")
        }
        return value << shift
    }

    package func choice<Value: RawRepresentable & CaseIterable>(
        _ setting: Setting, _ type: Value.Type
    ) throws -> Value? where Value.RawValue == String {
        guard let text = text(setting) else { return nil }
        guard let value = Value(rawValue: text) else {
            let choices = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw SettingError("\(setting.rawValue) is one of \(choices), not \"\(text)\"")
        }
        return value
    }
}

/// A value in the configuration file, as the texts that a flag would have.
private enum FileValue: Decodable {
    case one(String)
    case many([String])

    var texts: [String] {
        switch self {
        case .one(let text): [text]
        case .many(let texts): texts
        }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .one(value ? "true" : "false")
        } else if let value = try? container.decode(Int64.self) {
            self = .one(String(value))
        } else if let value = try? container.decode(String.self) {
            self = .one(value)
        } else {
            self = .many(try container.decode([String].self))
        }
    }
}
