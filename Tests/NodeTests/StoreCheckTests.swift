import Foundation
import Metadata
import Namespace
import StorageModel
import Testing

@testable import Node

@Suite("The check of a node's stores") struct StoreCheckTests {
    @Test("names records of accounts, roles and delegators that do not read") func accessRecords() async throws {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "check-\(ProcessInfo.processInfo.globallyUniqueString)")
        defer { _ = Result { try FileManager.default.removeItem(at: url) } }
        let settings = try SettingValues(flags: [.data: [url.path]], environment: [:], file: nil)
        let stores = try NodeStores.open(try NodeConfiguration(settings), world: .system)
        #expect(try await stores.check(verifiesBytes: false, progress: { _, _ in }).findings.isEmpty)
        for letter in ["p", "r", "o"] {
            _ = try await stores.metadata.transact { transaction throws(StorageFailure) in
                transaction.set(Array("\(letter)harbor\0x".utf8), [99])
            }
        }
        let found = try await stores.check(verifiesBytes: false, progress: { _, _ in }).findings
        #expect(found.map(\.kind) == [.damagedRecord, .damagedRecord, .damagedRecord])
        #expect(found.allSatisfy { $0.subject.contains("harbor/x") })
        await stores.close()
    }
}
