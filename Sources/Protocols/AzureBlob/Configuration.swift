package import StorageModel

extension AzureBlobService {
    /// What the assembly decides about the Blob endpoint.
    package struct Configuration: Sendable {
        /// `ACCOUNT.<suffix>` in the Host header means host style; any other host is path style. Lower case, no dot first.
        package var domainSuffixes: [String]
        /// Hosts (without port) under which this node is also known: a copy source there is a blob of this node.
        package var ownHosts: [String] = []
        /// Answered by Get Account Information.
        package var skuName = "Standard_LRS"
        package var accountKind = "StorageV2"
        package var world: World

        package init(domainSuffixes: [String] = ["blob.core.windows.net", "blob.localhost"], world: World = .system) {
            self.domainSuffixes = domainSuffixes.map { $0.lowercased() }
            self.world = world
        }
    }
}
