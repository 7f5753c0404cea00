package import Observability

extension NodeConfiguration {
    /// Where audit lines go, and what happens when they cannot.
    package struct AuditSettings: Sendable, Hashable {
        package var destination: AuditDestination
        package var overflow: AuditLog.Overflow
        package var rotation: AuditRotation

        private enum Overflow: String, CaseIterable { case drop, refuse }

        init(_ values: SettingValues) throws {
            destination =
                switch values.text(.audit) ?? "none" {
                case "none": .none
                case "stdout": .standardOutput
                case let path: .file(path: path)
                }
            guard destination != .none || values.text(.auditOverflow) == nil else {
                throw SettingError("audit-overflow needs an audit: give stdout or a file")
            }
            overflow = try values.choice(.auditOverflow, Overflow.self) == .refuse ? .refuse : .drop
            rotation = AuditRotation(
                bytes: try values.bytes(.auditRotateSize) ?? 256 << 20,
                kept: try values.number(.auditKeep, in: 1...1000) ?? 8)
        }
    }
}
