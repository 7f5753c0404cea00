import StorageModel

/// One `name="value"` pair.
package struct MetricLabel: Hashable, Sendable {
    package var name: String
    package var value: String
    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// Every instrument of the process, and its Prometheus text form.
///
/// Instruments are looked up when a component is built, or cached by it: the registry is not on the path of a request.
package final class MetricRegistry: Sendable {
    private enum Instrument: Sendable {
        case counter(Counter)
        case gauge(@Sendable () -> Double)
        case histogram(Histogram)
    }

    private struct Family: Sendable {
        var name: MetricName
        /// Keyed by the rendered labels, without braces.
        var instruments: [String: Instrument] = [:]
    }

    private let families = Locked<[String: Family]>([:])

    package init() {}

    /// The counter of that name and labels; made at the first call.
    package func counter(_ name: MetricName, _ labels: [MetricLabel] = []) -> Counter {
        precondition(name.kind == .counter, "\(name.text) is no counter")
        return families.withLock { families in
            let key = Self.render(labels)
            if case .counter(let existing)? = families[name.text]?.instruments[key] { return existing }
            let made = Counter()
            families[name.text, default: Family(name: name)].instruments[key] = .counter(made)
            return made
        }
    }

    /// The histogram of that name and labels; made at the first call.
    package func histogram(
        _ name: MetricName, _ labels: [MetricLabel] = [], buckets: HistogramBuckets = .durations
    ) -> Histogram {
        precondition(name.kind == .histogram, "\(name.text) is no histogram")
        return families.withLock { families in
            let key = Self.render(labels)
            if case .histogram(let existing)? = families[name.text]?.instruments[key] { return existing }
            let made = Histogram(buckets)
            families[name.text, default: Family(name: name)].instruments[key] = .histogram(made)
            return made
        }
    }

    /// A value that is read whenever the metrics are. A later call with the same labels takes its place.
    package func gauge(_ name: MetricName, _ labels: [MetricLabel] = [], read: @escaping @Sendable () -> Double) {
        precondition(name.kind != .histogram, "a reading is one number")
        families.withLock { families in
            families[name.text, default: Family(name: name)].instruments[Self.render(labels)] = .gauge(read)
        }
    }

    /// The Prometheus text format, version 0.0.4: families by name, series by labels.
    package func render() -> String {
        // Gauges are read outside the lock: they may ask components that are about to register something.
        let snapshot = families.withLock { $0.values.sorted { $0.name.text < $1.name.text } }
        var text = ""
        for family in snapshot {
            text += "# HELP \(family.name.text) \(family.name.help)\n"
            text += "# TYPE \(family.name.text) \(family.name.kind.rawValue)\n"
            for (labels, instrument) in family.instruments.sorted(by: { $0.key < $1.key }) {
                Self.render(instrument, family.name.text, labels, into: &text)
            }
        }
        return text
    }

    private static func render(_ instrument: Instrument, _ name: String, _ labels: String, into text: inout String) {
        let braced = labels.isEmpty ? "" : "{\(labels)}"
        switch instrument {
        case .counter(let counter):
            text += "\(name)\(braced) \(counter.value)\n"
        case .gauge(let read):
            text += "\(name)\(braced) \(number(read()))\n"
        case .histogram(let histogram):
            let snapshot = histogram.snapshot()
            let scale = Double(histogram.buckets.unitsPerExposed)
            let prefix = labels.isEmpty ? "" : labels + ","
            var cumulative: Int64 = 0
            for (bound, count) in zip(histogram.buckets.bounds, snapshot.counts) {
                cumulative += count
                text += "\(name)_bucket{\(prefix)le=\"\(number(Double(bound) / scale))\"} \(cumulative)\n"
            }
            text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(snapshot.total)\n"
            text += "\(name)_sum\(braced) \(number(Double(snapshot.sum) / scale))\n"
            text += "\(name)_count\(braced) \(snapshot.total)\n"
        }
    }

    /// Whole numbers without a fraction, everything else in Swift's shortest form that reads back the same.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return "\(value)"
    }

    private static func render(_ labels: [MetricLabel]) -> String {
        labels.sorted { $0.name < $1.name }
            .map { label in "\(label.name)=\"\(escape(label.value))\"" }
            .joined(separator: ",")
    }

    private static func escape(_ value: String) -> String {
        var escaped = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
