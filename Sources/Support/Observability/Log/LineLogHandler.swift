package import Logging
package import StorageModel

#if canImport(Glibc)
    import Glibc
#endif

/// Writes each log event as one line of text or JSON. Messages are constant; what varies is in the fields.
package struct LineLogHandler: LogHandler {
    package enum Format: String, Sendable, CaseIterable { case text, json }

    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let format: Format
    private let sink: LineSink
    private let world: World

    package init(
        label: String, format: Format = .text, level: Logger.Level = .info, sink: LineSink = .standardError,
        world: World = .system
    ) {
        self.label = label
        self.format = format
        self.sink = sink
        self.world = world
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let given = event.metadata { fields.merge(given) { $1 } }
        if let error = event.error { fields[LogKey.error] = "\(error)" }
        let sorted = fields.sorted { $0.key < $1.key }
        let time = CivilTime(world.now()).rfc3339(fractionDigits: 6)
        switch format {
        case .text: sink.write(text(event, time, sorted))
        case .json: sink.write(json(event, time, sorted))
        }
    }

    private func text(_ event: LogEvent, _ time: String, _ fields: [(key: String, value: Logger.MetadataValue)])
        -> [UInt8]
    {
        var line = "\(time) \(paint(event.level)) \(label): \(oneLine("\(event.message)"))"
        for (key, value) in fields { line += " \(oneWord(key))=\(oneWord("\(value)"))" }
        return Array((line + "\n").utf8)
    }

    private func json(_ event: LogEvent, _ time: String, _ fields: [(key: String, value: Logger.MetadataValue)])
        -> [UInt8]
    {
        var json = JSONWriter()
        json.object { json in
            json.member("time", time)
            json.member("level", event.level.rawValue)
            json.member("logger", label)
            json.member("message", "\(event.message)")
            for (key, value) in fields { Self.write(value, as: key, into: &json) }
        }
        json.newline()
        return json.bytes
    }

    private static func write(_ value: Logger.MetadataValue, as key: String, into json: inout JSONWriter) {
        switch value {
        case .string(let text): json.member(key, text)
        case .stringConvertible(let some): json.member(key, some.description)
        case .array(let values): json.array(key) { json in for value in values { json.element("\(value)") } }
        case .dictionary(let members):
            json.object(key) { json in
                for (name, value) in members.sorted(by: { $0.key < $1.key }) { write(value, as: name, into: &json) }
            }
        }
    }

    private func paint(_ level: Logger.Level) -> String {
        let name = level.rawValue
        let padded = name + String(repeating: " ", count: max(0, 8 - name.count))
        guard sink.isTerminal else { return padded }
        return switch level {
        case .warning: "\u{1B}[33m\(padded)\u{1B}[0m"
        case .error, .critical: "\u{1B}[31m\(padded)\u{1B}[0m"
        default: padded
        }
    }
}

/// Text that cannot break out of its line: control characters are escaped.
private func oneLine(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
    var escaped = ""
    for scalar in text.unicodeScalars {
        if scalar.properties.generalCategory == .control {
            escaped += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            escaped.unicodeScalars.append(scalar)
        }
    }
    return escaped
}

/// Text as one word: quoted when it holds what would end a word.
private func oneWord(_ text: String) -> String {
    let escaped = oneLine(text)
    guard escaped.isEmpty || escaped.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else { return escaped }
    return "\"" + escaped.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"") + "\""
}

/// The end of a log: one `write` per line, so that lines of several threads never mix.
package final class LineSink: Sendable {
    package static let standardError = LineSink(descriptor: STDERR_FILENO)

    package let isTerminal: Bool
    private let emit: @Sendable ([UInt8]) -> Void

    package init(descriptor: CInt) {
        isTerminal = isatty(descriptor) == 1
        let order = Locked(())
        // A log that cannot be written has nowhere to be reported.
        emit = { bytes in order.withLock { _ in _ = writeAll(bytes, to: descriptor) } }
    }

    /// Collects lines: for tests.
    package init(isTerminal: Bool = false, emit: @escaping @Sendable ([UInt8]) -> Void) {
        self.isTerminal = isTerminal
        self.emit = emit
    }

    package func write(_ line: [UInt8]) { emit(line) }
}
