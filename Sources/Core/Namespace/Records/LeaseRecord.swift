import StorageModel

/// A lease as stored. What it is worth at a moment is `LeaseRules`' business.
struct LeaseRecord: Hashable, Sendable {
    enum Phase: Hashable, Sendable {
        /// Until the time; for ever when absent.
        case leased(until: Timestamp?)
        case breaking(until: Timestamp)
        case broken
    }
    var id: LeaseID
    /// `nil` is infinite.
    var durationSeconds: Int?
    var phase: Phase

    func write(to writer: inout RecordWriter) {
        writer.text(id.value)
        writer.optional(durationSeconds) { $0.unsigned(UInt64($1)) }
        switch phase {
        case .leased(let until):
            writer.byte(1)
            writer.optional(until) { $0.time($1) }
        case .breaking(let until):
            writer.byte(2)
            writer.time(until)
        case .broken:
            writer.byte(3)
        }
    }

    init(id: LeaseID, durationSeconds: Int?, phase: Phase) {
        self.id = id
        self.durationSeconds = durationSeconds
        self.phase = phase
    }

    init(from reader: inout RecordReader) throws(StorageFailure) {
        id = LeaseID(stored: try reader.text())
        durationSeconds = try reader.optional { reader throws(StorageFailure) in try reader.length() }
        switch try reader.byte() {
        case 1: phase = .leased(until: try reader.optional { reader throws(StorageFailure) in try reader.time() })
        case 2: phase = .breaking(until: try reader.time())
        case 3: phase = .broken
        default: throw StorageFailure(.damaged, cause: "lease phase")
        }
    }
}
