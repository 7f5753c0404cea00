import Access
import Admin
import Foundation
import StorageModel
import Testing

@testable import Node

@Suite("The node's secrets") struct SecretsTests {
    private static let key = Data((0..<32).map { UInt8($0) }).base64EncodedString()
    private static let otherKey = Data((0..<32).map { UInt8($0 + 1) }).base64EncodedString()
    private static let token = "secret-token-0123456789"

    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "secrets-\(ProcessInfo.processInfo.globallyUniqueString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        defer { _ = Result { try FileManager.default.removeItem(at: url) } }
        try await body(url.path)
    }

    private func secrets(_ environment: [String: String]) throws -> NodeSecrets {
        var environment = environment
        environment["FOREBAY_DATA"] = "d"
        return try NodeConfiguration(SettingValues(flags: [:], environment: environment, file: nil)).secrets
    }

    private func message(_ body: () throws -> some Any) -> String {
        do {
            _ = try body()
            return "no error"
        } catch { return "\(error)" }
    }

    /// What a node key derives tells which one it is.
    private func sight(_ key: NodeKey?) throws -> [UInt8]? {
        key?.userDelegationKey(
            tenant: "t", objectID: "o", application: "", account: try AccountName(validating: "harbor"),
            start: Timestamp(seconds: 1),
            expiry: Timestamp(seconds: 2), service: "b", version: "v", epoch: 0)
    }

    @Test("come from the environment or from files") func sources() async throws {
        try await withDirectory { directory in
            let (keyFile, tokenFile) = (directory + "/k", directory + "/t")
            try Data("\(Self.key)\n".utf8).write(to: URL(filePath: keyFile))
            try Data("\(Self.token)\r\n".utf8).write(to: URL(filePath: tokenFile))
            let direct = try secrets(["FOREBAY_NODE_KEY": Self.key, "FOREBAY_ADMIN_TOKEN": Self.token])
            let files = try secrets(["FOREBAY_NODE_KEY_FILE": keyFile, "FOREBAY_ADMIN_TOKEN_FILE": tokenFile])
            let expected = try sight(NodeSecrets.nodeKey(Self.key))
            #expect(expected != nil)
            for secrets in [direct, files] {
                #expect(try sight(secrets.nodeKey) == expected)
                #expect(secrets.adminToken != nil)
                #expect(!secrets.opensMetrics)
            }
            #expect(try secrets(["FOREBAY_METRICS_OPEN": "true"]).opensMetrics)
            let none = try secrets([:])
            #expect(none.nodeKey == nil && none.adminToken == nil)
            #expect(!"\(direct) \(files)".contains(Self.token))
        }
    }

    @Test("that cannot be used are named and never repeated") func wrong() {
        let rows: [([String: String], String)] = [
            (["FOREBAY_NODE_KEY": "c2VjcmV0!"], "FOREBAY_NODE_KEY"), (["FOREBAY_NODE_KEY": "c2VjcmV0"], "32 bytes"),
            (["FOREBAY_ADMIN_TOKEN": "c2VjcmV0"], "FOREBAY_ADMIN_TOKEN"),
            (["FOREBAY_NODE_KEY": Self.key, "FOREBAY_NODE_KEY_FILE": "/c2VjcmV0"], "not both"),
            (["FOREBAY_ADMIN_TOKEN": Self.token, "FOREBAY_ADMIN_TOKEN_FILE": "/f"], "not both"),
            (["FOREBAY_NODE_KEY_FILE": "/nowhere/at/all"], "node-key-file"),
            (["FOREBAY_ADMIN_TOKEN_FILE": "/nowhere/at/all"], "admin-token-file"),
        ]
        for (environment, expected) in rows {
            let text = message { try secrets(environment) }
            #expect(text.contains(expected), "\(text)")
            #expect(!text.contains("c2VjcmV0") && !text.contains(Self.key) && !text.contains(Self.token))
        }
    }

    @Test("have no flags") func noFlags() {
        for setting in [Setting.accounts, .nodeKey, .adminToken] { #expect(setting.isSecret) }
        for setting in [Setting.nodeKeyFile, .adminTokenFile, .metricsOpen] { #expect(!setting.isSecret) }
    }

    @Test("are made once, for the node's user alone, and stay") func made() async throws {
        try await withDirectory { directory in
            let data = directory + "/data"
            let none = try secrets([:])
            _ = try await none.readAdminToken(in: data, .system)
            let key = try sight(try await none.readNodeKey(in: data, isNeeded: false, .system))
            let files = ["node.key", "admin.token"]
            let texts = try files.map { try String(contentsOfFile: data + "/" + $0, encoding: .utf8) }
            for file in files {
                let mode = try FileManager.default.attributesOfItem(atPath: data + "/" + file)[.posixPermissions]
                #expect(mode as? Int == 0o600)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: data).sorted() == files.sorted())
            _ = try await none.readAdminToken(in: data, .system)
            #expect(try sight(try await none.readNodeKey(in: data, isNeeded: true, .system)) == key)
            #expect(try files.map { try String(contentsOfFile: data + "/" + $0, encoding: .utf8) } == texts)
            #expect(texts[0] != texts[1])
            // Whoever comes second takes what is there.
            let file = SecretFile.nodeKey(in: data)
            #expect(try file.make(Self.otherKey, .system) + "\n" == texts[0])
            // Configured ones stand before them.
            let given = try secrets(["FOREBAY_NODE_KEY": Self.otherKey])
            #expect(try sight(try await given.readNodeKey(in: data, isNeeded: true, .system)) != key)
        }
    }

    @Test("that are lost or damaged are not made anew where they are needed") func lost() async throws {
        try await withDirectory { data in
            let none = try secrets([:])
            let lost = await #expect(throws: StorageFailure.self) {
                _ = try await none.readNodeKey(in: data, isNeeded: true, .system)
            }
            #expect(lost?.detail?.contains("node key") == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: data).isEmpty)
            for text in ["", "short", Self.key + "AAAA", String(repeating: "A", count: 5_000)] {
                try Data(text.utf8).write(to: URL(filePath: data + "/node.key"))
                try Data("blank in it and long enough".utf8).write(to: URL(filePath: data + "/admin.token"))
                for isNeeded in [false, true] {
                    await #expect(throws: StorageFailure.self, "\(text.prefix(10))") {
                        _ = try await none.readNodeKey(in: data, isNeeded: isNeeded, .system)
                    }
                }
                await #expect(throws: StorageFailure.self) { _ = try await none.readAdminToken(in: data, .system) }
                #expect(try String(contentsOfFile: data + "/node.key", encoding: .utf8) == text, "never overwritten")
            }
        }
    }
}
