import Observability
import StorageModel

/// What `forebay status` and the admin port's `/status` show.
enum NodeStatus {
    static func write(
        to object: inout JSONWriter, state: NodeState, health: StoreHealth, configuration: NodeConfiguration,
        accounts: [AccountName], startedAt: Timestamp, now: Timestamp
    ) {
        object.member("version", NodeVersion.text)
        object.member("state", state.rawValue)
        object.member("takesWrites", health.takesWrites)
        if let cause = health.refusalCause { object.member("refusalCause", cause) }
        object.member("uptimeSeconds", now.seconds - startedAt.seconds)
        object.member("dataDirectory", configuration.dataDirectory)
        if let listen = configuration.listen { object.member("listen", "\(listen)") }
        if let tlsListen = configuration.network.tlsListen { object.member("tlsListen", "\(tlsListen)") }
        object.member("durability", configuration.durability.rawValue)
        object.array("accounts") { array in
            for name in accounts { array.element(name.value) }
        }
        object.member("residentBytes", ProcessMetrics.residentBytes())
    }
}

package enum NodeVersion {
    package static let text = "0.1.0"
    package static let server = "Forebay/" + text
}
