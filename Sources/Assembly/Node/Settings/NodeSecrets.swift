package import Access
package import Admin
import AzureWire
import FoundationEssentials
import StorageModel

/// The node's own secrets, as far as the configuration gives them. What it does not give lies in the data directory.
package struct NodeSecrets: Sendable {
    /// `nil` for DATA/node.key.
    package var nodeKey: NodeKey?
    /// `nil` for DATA/admin.token.
    package var adminToken: AdminToken?
    /// Metrics and status are for everybody who reaches the admin endpoint.
    package var opensMetrics: Bool

    /// - Throws: `SettingError`, which never repeats a secret.
    init(_ values: SettingValues) throws {
        nodeKey = try Self.secret(values, .nodeKey, .nodeKeyFile).map { text in
            guard let key = Self.nodeKey(text) else {
                throw SettingError("\(Setting.nodeKey.environmentName) is \(NodeKey.byteCount) bytes in Base64")
            }
            return key
        }
        adminToken = try Self.secret(values, .adminToken, .adminTokenFile).map { text in
            guard let token = AdminToken(text) else {
                let lengths = AdminToken.lengths
                throw SettingError(
                    """
                    \(Setting.adminToken.environmentName) has \(lengths.lowerBound) to \(lengths.upperBound) visible \
                    ASCII characters
                    """)
            }
            return token
        }
        opensMetrics = try values.flag(.metricsOpen)
    }

    static func nodeKey(_ text: String) -> NodeKey? { Base64.decode(text).flatMap { NodeKey(bytes: $0) } }

    /// The text of a secret that stands in the environment or in a file, without the line's end.
    private static func secret(_ values: SettingValues, _ direct: Setting, _ inFile: Setting) throws -> String? {
        switch (values.text(direct), values.text(inFile)) {
        case (nil, nil): return nil
        case (let text?, nil): return text.withoutBlanksAround
        case (nil, let path?):
            let bytes: Data
            do { bytes = try Data(contentsOf: URL(filePath: path)) } catch {
                throw SettingError("cannot read \(inFile.rawValue) \(path): \(error)")
            }
            return String(decoding: bytes, as: UTF8.self).withoutBlanksAround
        case (.some, .some):
            throw SettingError("give \(direct.environmentName) or \(inFile.environmentName), not both")
        }
    }
}

extension String {
    var withoutBlanksAround: String {
        var view = self[...]
        while view.first?.isWhitespace == true { view.removeFirst() }
        while view.last?.isWhitespace == true { view.removeLast() }
        return String(view)
    }
}
