import Access
import Foundation
import Observability
import StorageModel
import Testing

@testable import Node

@Suite("Settings")
struct SettingsTests {
    private func configuration(
        _ flags: [Setting: String], _ environment: [String: String] = [:], file: String? = nil
    ) throws -> NodeConfiguration {
        try NodeConfiguration(
            SettingValues(flags: flags.mapValues { [$0] }, environment: environment, file: file))
    }

    private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "settings-\(ProcessInfo.processInfo.globallyUniqueString).json")
        try Data(text.utf8).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        return try body(url.path)
    }

    private func message(_ body: () throws -> some Any) -> String {
        do {
            _ = try body()
            return "no error"
        } catch { return "\(error)" }
    }

    @Test("a flag beats the environment, the environment beats the file")
    func precedence() throws {
        try withFile(#"{"data": "/file", "listen": "127.0.0.1:1", "drain-seconds": 7, "dev": true}"#) { file in
            let all = try configuration(
                [.data: "/flag"], ["FOREBAY_DATA": "/env", "FOREBAY_LISTEN": "127.0.0.1:2"], file: file)
            #expect(all.dataDirectory == "/flag")
            #expect(all.listen?.port == 2)
            #expect(all.drainSeconds == 7)
            #expect(all.isDevelopment)
        }
    }

    @Test("the development account listens on loopback alone", arguments: ["0.0.0.0:10000", "10.0.0.1:80", "[::]:1"])
    func developmentIsLoopback(listen: String) {
        #expect(message { try configuration([.data: "d", .dev: "true", .listen: listen]) }.contains("loopback"))
    }

    @Test("the development account is the emulator's")
    func developmentAccount() throws {
        let account = try #require(try configuration([.data: "d", .dev: "true", .listen: "[::1]:0"]).accounts.first)
        #expect(account.name.value == "devstoreaccount1")
        // SHA-256 of the key as Azure's documentation prints it.
        #expect(account.keys.map(\.auditName).map { $0.hasPrefix("key1(") } == [true])
    }

    @Test("accounts come with one or two keys")
    func accounts() throws {
        let key = "MDEyMzQ1Njc4OWFiY2RlZg=="
        let accounts = try configuration([.data: "d"], ["FOREBAY_ACCOUNTS": "one:\(key),two2:\(key):\(key)"]).accounts
        #expect(accounts.map(\.name.value) == ["one", "two2"])
        #expect(accounts.map(\.keys.count) == [1, 2])
    }

    @Test(
        "a wrong setting is named and never repeated when it is secret",
        arguments: [
            ("FOREBAY_ACCOUNTS", "one:secret!!", "one"),
            ("FOREBAY_ACCOUNTS", "Bad_Name:MDEyMzQ1Njc4OWFiY2RlZg==", "Bad_Name"),
            ("FOREBAY_ACCOUNTS", "onlyname", "name:key1"), ("FOREBAY_LISTEN", "nowhere", "listen"),
            ("FOREBAY_CAPACITY", "12X", "capacity"), ("FOREBAY_MAX_REQUESTS", "0", "max-requests"),
            ("FOREBAY_DURABILITY", "maybe", "durability"), ("FOREBAY_DEV", "perhaps", "dev"),
            ("FOREBAY_TYPO", "1", "FOREBAY_TYPO"), ("FOREBAY_LOG_LEVEL", "loud", "log-level"),
        ])
    func wrong(name: String, value: String, expected: String) {
        var environment = ["FOREBAY_ACCOUNTS": "one:MDEyMzQ1Njc4OWFiY2RlZg=="]
        environment[name] = value
        let text = message { try configuration([.data: "d"], environment) }
        #expect(text.contains(expected))
        #expect(!text.contains("secret!!"))
    }

    @Test("an account twice, no data directory, an unknown name in the file: refused")
    func refused() throws {
        let key = "MDEyMzQ1Njc4OWFiY2RlZg=="
        #expect(
            message { try configuration([.data: "d"], ["FOREBAY_ACCOUNTS": "one:\(key),one:\(key)"]) }.contains("twice")
        )
        #expect(try configuration([.data: "d"]).accounts.isEmpty, "accounts may be made later")
        #expect(message { try configuration([.dev: "true"]) }.contains("--data"))
        try withFile(#"{"dat": "x"}"#) { file in
            #expect(message { try configuration([.data: "d", .dev: "true"], file: file) }.contains("\"dat\""))
        }
    }

    @Test(
        "sizes", arguments: [("0", 0), ("512", 512), ("1K", 1024), ("3m", 3 << 20), ("2GiB", 2 << 30), ("1T", 1 << 40)])
    func sizes(text: String, bytes: Int64) throws {
        #expect(try configuration([.data: "d", .dev: "true", .capacity: text]).capacityBytes == bytes)
    }

    @Test("audit lines: where to, how long and what when they cannot be written")
    func audit() throws {
        let plain = try configuration([.data: "d", .dev: "true"]).audit
        #expect(plain.destination == .none && plain.overflow == .drop)
        #expect(plain.rotation == AuditRotation(bytes: 256 << 20, kept: 8))
        let all = try configuration([
            .data: "d", .dev: "true", .audit: "/a/b", .auditOverflow: "refuse", .auditRotateSize: "3M",
            .auditKeep: "20",
        ]).audit
        #expect(all.destination == .file(path: "/a/b") && all.overflow == .refuse)
        #expect(all.rotation == AuditRotation(bytes: 3 << 20, kept: 20))
        let never = try configuration([.data: "d", .dev: "true", .audit: "stdout", .auditRotateSize: "0"]).audit
        #expect(never.destination == .standardOutput && never.rotation.bytes == 0)
        // A promise about lines that nobody writes.
        #expect(
            message { try configuration([.data: "d", .dev: "true", .auditOverflow: "refuse"]) }
                .contains("audit-overflow needs an audit"))
        for (setting, text) in [(Setting.auditKeep, "0"), (.auditRotateSize, "-1"), (.auditOverflow, "wait")] {
            let told = message { try configuration([.data: "d", .dev: "true", setting: text]) }
            #expect(told.contains(setting.rawValue), "\(told)")
        }
    }

    @Test("every setting has a name of its own in the environment")
    func names() {
        #expect(Set(Setting.allCases.map(\.environmentName)).count == Setting.allCases.count)
        #expect(Setting.allowPublicAccess.environmentName == "FOREBAY_ALLOW_PUBLIC_ACCESS")
    }
}
