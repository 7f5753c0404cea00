import Foundation
import Logging
import StorageModel
import Testing
import Tokens

@testable import Node

@Suite("Settings for bearer tokens")
struct EntraSettingsTests {
    private static let tenant = "11111111-2222-3333-4444-5555555555aa"
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func configuration(
        _ flags: [Setting: [String]], _ environment: [String: String] = [:]
    ) throws -> NodeConfiguration {
        var flags = flags
        flags[.data] = ["d"]
        var environment = environment
        environment["FOREBAY_ACCOUNTS"] = "one:MDEyMzQ1Njc4OWFiY2RlZg=="
        return try NodeConfiguration(SettingValues(flags: flags, environment: environment, file: nil))
    }

    private func refusal(_ flags: [Setting: [String]]) -> String {
        do {
            _ = try configuration(flags)
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func defaults() throws {
        let entra = try configuration([:]).entra
        #expect(entra.tenants == [])
        #expect(entra.authority == "https://login.microsoftonline.com")
        #expect(!entra.allowsPlainLoopback)
        #expect(try NodeTokens.make(configuration([:]), world: .system, logger: Self.quiet) == nil)
    }

    @Test func lists() throws {
        let other = "99999999-2222-3333-4444-5555555555BB"
        let entra = try configuration(
            [.entraAudience: ["api://a", "b"], .entraAuthority: ["https://login.example.net:8443/x/"]],
            ["FOREBAY_ENTRA_TENANT": "\(Self.tenant),\(other)"]
        ).entra
        #expect(entra.tenants == [Self.tenant, other.lowercased()])
        #expect(entra.audiences == ["api://a", "b"])
        #expect(entra.authority == "https://login.example.net:8443/x")
    }

    @Test(arguments: [
        (Setting.entraTenant, "contoso"), (.entraTenant, ""), (.entraTenant, "{11111111-2222-3333-4444-5555555555aa}"),
        (.entraTenant, "11111111222233334444555555555555"), (.entraAuthority, "http://login.example.net"),
        (.entraAuthority, "login.example.net"), (.entraAuthority, "https://"), (.entraAuthority, "https://u@host"),
        (.entraAuthority, "https://host/?x"), (.entraAuthority, "https://ho st"), (.entraAudience, ""),
        (.entraAudience, "a b"),
    ])
    func wrong(setting: Setting, text: String) {
        var flags: [Setting: [String]] = [.entraTenant: [Self.tenant]]
        flags[setting] = [text]
        #expect(refusal(flags).contains(setting.rawValue))
    }

    @Test(arguments: [Setting.entraAuthority, .entraAudience, .entraKeysFile, .entraCAFile])
    func nothingWithoutATenant(setting: Setting) {
        #expect(refusal([setting: ["https://x"]]).contains("needs an entra-tenant"))
    }

    @Test func plainTextForDevelopmentAlone() throws {
        let flags: [Setting: [String]] = [.entraTenant: [Self.tenant], .entraAuthority: ["http://127.0.0.1:9"]]
        #expect(refusal(flags).contains("entra-authority"))
        let entra = try configuration(flags.merging([.dev: ["true"]]) { $1 }).entra
        #expect(entra.allowsPlainLoopback)
        #expect(entra.authority == "http://127.0.0.1:9")
    }

    private static func jwks(_ id: String) -> String {
        // The modulus is no secret and no product of primes: it verifies nothing.
        let modulus = "x" + String(repeating: "d", count: 340) + "w"
        return #"{"keys":[{"kty":"RSA","kid":"\#(id)","n":"\#(modulus)","e":"AQAB"}]}"#
    }

    @Test func keysFromAFile() throws {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "keys-\(ProcessInfo.processInfo.globallyUniqueString).json")
        defer { try? FileManager.default.removeItem(at: url) }
        let configuration = try configuration([.entraTenant: [Self.tenant], .entraKeysFile: [url.path]])
        #expect(throws: SettingError.self) {
            try NodeTokens.make(configuration, world: .system, logger: Self.quiet)
        }
        try Data(Self.jwks("one").utf8).write(to: url)
        let tokens = try #require(try NodeTokens.make(configuration, world: .system, logger: Self.quiet))
        #expect(
            tokens.verifier.authorizationURL
                == "https://login.microsoftonline.com/\(Self.tenant)/oauth2/authorize")
        try tokens.reload()
        try Data("{}".utf8).write(to: url)
        #expect(throws: SettingError.self) { try tokens.reload() }
        try Data(Self.jwks("two").utf8).write(to: url)
        try tokens.reload()
    }

    @Test func authoritiesFromAFile() throws {
        let configuration = try configuration([.entraTenant: [Self.tenant], .entraCAFile: ["/dev/null"]])
        #expect(throws: SettingError.self) {
            try NodeTokens.make(configuration, world: .system, logger: Self.quiet)
        }
    }
}
