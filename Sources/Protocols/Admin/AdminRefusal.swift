import Access
import NIOHTTP1
import StorageModel

/// An answer that is an error: a status, a code that a program can act on, and a sentence for people.
struct AdminRefusal: Error, Sendable, Equatable {
    var status: HTTPResponseStatus
    var code: String
    var message: String
    /// For the log alone.
    var cause: String?
    var headers: HTTPHeaders = [:]

    static let unauthenticated = AdminRefusal(
        status: .unauthorized, code: "Unauthenticated",
        message: "No valid admin token was sent. It goes into the header Authorization: Bearer TOKEN.",
        headers: ["WWW-Authenticate": "Bearer realm=\"forebay admin\""])
    static let starting = AdminRefusal(
        status: .serviceUnavailable, code: "NotReady", message: "The node is starting.", headers: ["Retry-After": "1"])

    static func invalid(_ message: String) -> AdminRefusal {
        AdminRefusal(status: .badRequest, code: "InvalidInput", message: message)
    }

    init(
        status: HTTPResponseStatus, code: String, message: String, cause: String? = nil, headers: HTTPHeaders = [:]
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.cause = cause
        self.headers = headers
    }

    init(_ unroutable: AdminOperation.Unroutable) {
        switch unroutable {
        case .notFound: self.init(status: .notFound, code: "NotFound", message: "There is nothing here.")
        case .methodNotAllowed(let allowed):
            let methods = allowed.map(\.rawValue).joined(separator: ", ")
            self.init(
                status: .methodNotAllowed, code: "MethodNotAllowed", message: "Only \(methods).",
                headers: ["Allow": methods])
        }
    }

    init(_ failure: AccessFailure) {
        switch failure {
        case .refused(let refusal): self.init(refusal)
        case .store(let failure): self.init(failure)
        }
    }

    private init(_ refusal: AccessRefusal) {
        switch refusal {
        case .noSuchAccount:
            self.init(status: .notFound, code: "AccountNotFound", message: "There is no account of this name.")
        case .accountExists:
            self.init(
                status: .conflict, code: "AccountAlreadyExists", message: "There is an account of this name already.")
        case .accountNotEmpty:
            self.init(status: .conflict, code: "AccountNotEmpty", message: "The account still has containers.")
        case .accountIsConfigured:
            self.init(
                status: .conflict, code: "AccountIsConfigured",
                message: "The account and its keys come with the node's configuration: they are changed there.")
        case .noSuchKey: self.init(status: .notFound, code: "KeyNotFound", message: "An account has key 1 and key 2.")
        case .noSuchAssignment:
            self.init(
                status: .notFound, code: "RoleAssignmentNotFound", message: "There is no role assignment with this id.")
        case .assignmentExists(let id):
            self.init(
                status: .conflict, code: "RoleAssignmentExists", message: "This role is assigned already, as \(id).")
        case .tooManyAccounts:
            self.init(
                status: .conflict, code: "TooManyAccounts",
                message: "A node has at most \(AccessStore.maximumAccounts) accounts.")
        case .tooManyAssignments:
            self.init(
                status: .conflict, code: "TooManyRoleAssignments",
                message: "An account has at most \(AccessStore.maximumAssignments) role assignments.")
        }
    }

    private init(_ failure: StorageFailure) {
        let wait: (Int) -> HTTPHeaders = { ["Retry-After": String($0)] }
        switch failure.code {
        case .busy(let seconds):
            self.init(status: .serviceUnavailable, code: "Busy", message: "Try again.", headers: wait(seconds))
        case .readOnly, .outOfSpace:
            self.init(
                status: .serviceUnavailable, code: "NotWritable", message: "The node takes no writes at present.",
                headers: wait(5))
        case .unavailable:
            self.init(
                status: .serviceUnavailable, code: "OutcomeUnknown",
                message: "It is not known whether this took effect. Send it again.", headers: wait(5))
        default:
            self.init(
                status: .internalServerError, code: "InternalError", message: "The node's log has the cause.")
        }
        cause = failure.description
    }
}
