import ArgumentParser
import Observability

/// Switches and limits of an account; what is left out stays as it is.
struct SwitchOptions: ParsableArguments {
    enum OnOff: String, ExpressibleByArgument { case on, off }

    /// A number above 0, or `none`.
    enum Bound: ExpressibleByArgument {
        case none
        case at(Int64)

        init?(argument: String) {
            if argument == "none" {
                self = .none
            } else if let number = Int64(argument), number > 0 {
                self = .at(number)
            } else {
                return nil
            }
        }
    }

    @Option(name: .customLong("shared-key"), help: "on or off: requests signed with an account key.")
    var sharedKey: OnOff?
    @Option(help: "on or off: shared access signatures made with an account key.") var sas: OnOff?
    @Option(name: .customLong("public-access"), help: "on or off: containers may be readable by anybody.")
    var publicAccess: OnOff?
    @Option(name: .customLong("require-tls"), help: "on or off: requests without TLS are refused.")
    var requireTLS: OnOff?
    @Option(name: .customLong("minimum-tls"), help: "1.0, 1.1, 1.2 or 1.3.") var minimumTLS: String?

    @Option(name: .customLong("requests-per-second"), help: "Limit of the account, or none.")
    var requestsPerSecond: Bound?
    @Option(name: .customLong("bytes-per-second"), help: "Limit of the account, or none.") var bytesPerSecond: Bound?
    @Option(name: .customLong("concurrent-requests"), help: "Limit of the account, or none.")
    var concurrentRequests: Bound?
    @Option(name: .customLong("principal-requests-per-second"), help: "Limit of each principal, or none.")
    var principalRequestsPerSecond: Bound?
    @Option(name: .customLong("principal-bytes-per-second"), help: "Limit of each principal, or none.")
    var principalBytesPerSecond: Bound?
    @Option(name: .customLong("principal-concurrent-requests"), help: "Limit of each principal, or none.")
    var principalConcurrentRequests: Bound?

    /// As members of the admin API's document.
    func write(to json: inout JSONWriter) {
        for (name, value) in [
            ("allowSharedKey", sharedKey), ("allowSAS", sas), ("allowPublicAccess", publicAccess),
            ("requireTLS", requireTLS),
        ] {
            if let value { json.member(name, value == .on) }
        }
        if let minimumTLS { json.member("minimumTLS", minimumTLS) }
        json.object("limits") { limits in
            limits.object("account") { account in
                write(requestsPerSecond, "requestsPerSecond", to: &account)
                write(bytesPerSecond, "bytesPerSecond", to: &account)
                write(concurrentRequests, "concurrentRequests", to: &account)
            }
            limits.object("principal") { principal in
                write(principalRequestsPerSecond, "requestsPerSecond", to: &principal)
                write(principalBytesPerSecond, "bytesPerSecond", to: &principal)
                write(principalConcurrentRequests, "concurrentRequests", to: &principal)
            }
        }
    }

    private func write(_ bound: Bound?, _ name: String, to json: inout JSONWriter) {
        switch bound {
        case nil: break
        case .some(.none): json.null(name)
        case .at(let limit)?: json.member(name, limit)
        }
    }
}
