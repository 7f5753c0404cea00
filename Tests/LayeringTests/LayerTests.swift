import Testing

/// Imports point one way: Model <- Support <- Seams <- {Backends, Core} <- Protocols <- Edge <- Assembly <- Programs.
@Suite struct LayerTests {
    /// What the files of a layer may import of ours; its own modules only where it stands in its own list.
    static let allowed: [String: Set<String>] = [
        "Model": ["Model"],
        "Support": ["Model", "Support"],
        "Seams": ["Model", "Support"],
        // A backend knows its seam, and neither the core nor another backend.
        "Backends": ["Model", "Support", "Seams"],
        "Core": ["Model", "Support", "Seams", "Core"],
        // No seam, no backend, and no other protocol.
        "Protocols": ["Model", "Support", "Core"],
        "Edge": ["Model", "Support", "Core", "Protocols", "Edge"],
        // The only one that knows a backend.
        "Assembly": ["Model", "Support", "Seams", "Backends", "Core", "Protocols", "Edge", "Assembly"],
        "Programs": ["Model", "Support", "Core", "Protocols", "Edge", "Assembly"],
        "TestSupport": ["Model", "Support", "Seams", "Core"],
    ]

    /// Programs that check the product and are no part of it.
    static let testPrograms: Set<String> = ["simulate", "modelcheck"]

    static func violations(in files: [SourceFile], modules: [String: (layer: String, hasSwift: Bool)]) -> [String] {
        var found: [String] = []
        for file in files {
            guard var allowed = allowed[file.layer] else {
                found.append("\(file.path): the layer \(file.layer) is unknown")
                continue
            }
            if testPrograms.contains(file.module) { allowed.insert("TestSupport") }
            for name in file.imports {
                guard name != file.module, let module = modules[name] else { continue }
                // C code lies in the layer of the module that it belongs to.
                if module.layer == file.layer, !module.hasSwift { continue }
                if !allowed.contains(module.layer) {
                    found.append("\(file.path): \(file.layer) imports \(name) of \(module.layer)")
                }
            }
        }
        return found
    }

    @Test func importsPointOneWay() {
        #expect(Self.violations(in: SourceTree.files, modules: SourceTree.modules) == [])
    }

    @Test func theRuleBites() {
        let modules: [String: (layer: String, hasSwift: Bool)] = [
            "StorageModel": ("Model", true), "Metadata": ("Seams", true), "Extents": ("Seams", true),
            "MetadataRocks": ("Backends", true), "ExtentsLocal": ("Backends", true), "CRocksDB": ("Backends", false),
            "Namespace": ("Core", true), "AzureBlob": ("Protocols", true), "S3": ("Protocols", true),
            "FrontDoor": ("Edge", true), "Node": ("Assembly", true), "StorageTestKit": ("TestSupport", true),
        ]
        let rows: [(String, String, Bool)] = [
            ("Model/StorageModel", "Metadata", false), ("Seams/Metadata", "Extents", false),
            ("Seams/Metadata", "StorageModel", true), ("Backends/MetadataRocks", "Metadata", true),
            ("Backends/MetadataRocks", "CRocksDB", true), ("Backends/MetadataRocks", "ExtentsLocal", false),
            ("Backends/MetadataRocks", "Namespace", false), ("Core/Namespace", "Metadata", true),
            ("Core/Namespace", "MetadataRocks", false), ("Core/Namespace", "AzureBlob", false),
            ("Protocols/AzureBlob", "Namespace", true), ("Protocols/AzureBlob", "Metadata", false),
            ("Protocols/AzureBlob", "S3", false), ("Protocols/AzureBlob", "FrontDoor", false),
            ("Edge/FrontDoor", "ExtentsLocal", false), ("Edge/FrontDoor", "Metadata", false),
            ("Assembly/Node", "MetadataRocks", true), ("Programs/forebay", "MetadataRocks", false),
            ("Programs/simulate", "StorageTestKit", true), ("Programs/modelcheck", "StorageTestKit", true),
            ("Programs/forebay", "StorageTestKit", false),
            ("Programs/forebay", "Node", true), ("Assembly/Node", "StorageTestKit", false),
            ("Other/Thing", "Node", false),
        ]
        for (folder, name, isAllowed) in rows {
            let file = SourceFile(path: "Sources/\(folder)/File.swift", lines: [], code: ["import \(name)"])
            #expect(Self.violations(in: [file], modules: modules).isEmpty == isAllowed, "\(folder) imports \(name)")
        }
    }

    /// Every folder under a layer is a target of the package, in that layer.
    @Test func everyModuleIsATarget() throws {
        let package = try SourceTree.read("Package.swift")
        for (name, module) in SourceTree.modules {
            let isDeclared =
                package.contains("\"\(name)\", in: \"\(module.layer)\"")
                || package.contains("Sources/\(module.layer)/\(name)\"")
            #expect(isDeclared, "\(module.layer)/\(name) is no target of Package.swift")
        }
    }
}
