import Access
import Admin
import AzureWire
import NIOPosix
import StorageModel

extension NodeSecrets {
    /// The configured token, else that in the data directory, which is made at the first start.
    func readAdminToken(in directory: String, _ world: World) async throws -> AdminToken {
        if let adminToken { return adminToken }
        let file = SecretFile.adminToken(in: directory)
        let text = try await Self.onBlockingThread {
            try DataDirectory.make(directory)
            return try file.read() ?? file.make(AdminToken.draw(world), world)
        }
        guard let token = AdminToken(text) else {
            throw StorageFailure(.unavailable, detail: "\(file.path) holds no token. Remove it to have a new one made.")
        }
        return token
    }

    /// The configured key, else that in the data directory, which is made at the first start.
    /// - Parameter isNeeded: the store holds keys that were sealed under it: a new one would not open them.
    func readNodeKey(in directory: String, isNeeded: Bool, _ world: World) async throws(StorageFailure) -> NodeKey {
        if let nodeKey { return nodeKey }
        let file = SecretFile.nodeKey(in: directory)
        let text: String
        do {
            text = try await Self.onBlockingThread {
                if let known = try file.read() { return known }
                guard !isNeeded else {
                    throw StorageFailure(
                        .unavailable,
                        detail: """
                            The store holds account keys that are sealed under a node key, and there is none: neither \
                            \(file.path) nor \(Setting.nodeKey.environmentName). Bring the node key back.
                            """)
                }
                return try file.make(Base64.encode(world.randomBytes(NodeKey.byteCount)), world)
            }
        } catch let failure as StorageFailure { throw failure } catch {
            throw StorageFailure(.unavailable, detail: "The node key cannot be read.", cause: "\(error)")
        }
        guard let key = Self.nodeKey(text) else {
            throw StorageFailure(
                .unavailable,
                detail: "\(file.path) is not \(NodeKey.byteCount) bytes in Base64. Bring the node key back.")
        }
        return key
    }

    private static func onBlockingThread(_ body: @escaping @Sendable () throws -> String) async throws -> String {
        try await NIOThreadPool.singleton.runIfActive(body)
    }
}
