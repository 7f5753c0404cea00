// swift-tools-version: 6.2

import PackageDescription

/// One strict set of settings for every Swift target: warnings are errors, imports are internal unless said otherwise.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

extension Target.Dependency {
    static let nioCore: Self = .product(name: "NIOCore", package: "swift-nio")
    static let nioPosix: Self = .product(name: "NIOPosix", package: "swift-nio")
    static let nioHTTP1: Self = .product(name: "NIOHTTP1", package: "swift-nio")
    static let nioEmbedded: Self = .product(name: "NIOEmbedded", package: "swift-nio")
    static let crypto: Self = .product(name: "Crypto", package: "swift-crypto")
    static let cryptoExtras: Self = .product(name: "CryptoExtras", package: "swift-crypto")
    static let logging: Self = .product(name: "Logging", package: "swift-log")
    static let arguments: Self = .product(name: "ArgumentParser", package: "swift-argument-parser")
    static let lifecycle: Self = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let nioSSL: Self = .product(name: "NIOSSL", package: "swift-nio-ssl")
    static let nioTLS: Self = .product(name: "NIOTLS", package: "swift-nio")
    static let jwt: Self = .product(name: "JWTKit", package: "jwt-kit")
    static let x509: Self = .product(name: "X509", package: "swift-certificates")
    static let asn1: Self = .product(name: "SwiftASN1", package: "swift-asn1")
    static let httpClient: Self = .product(name: "AsyncHTTPClient", package: "async-http-client")
    static let unixSignals: Self = .product(name: "UnixSignals", package: "swift-service-lifecycle")
}

func module(_ name: String, in layer: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(layer)/\(name)", swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let package = Package(
    name: "forebay",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "forebay", targets: ["forebay"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Model: words and pure codecs. Imports nothing of ours below it.
        module("StorageModel", in: "Model", [.nioCore, .crypto]),
        module("AzureWire", in: "Model", ["StorageModel", .nioCore, .crypto]),

        // Support: what every layer above may lean on.
        .target(
            name: "CChecksums", path: "Sources/Support/CChecksums",
            cSettings: [.unsafeFlags(["-O3"])]),
        module("Checksums", in: "Support", ["CChecksums"]),
        .target(name: "CFileSystem", path: "Sources/Support/CFileSystem"),
        module("Observability", in: "Support", ["StorageModel", .logging]),
        module("HTTPExchange", in: "Support", ["StorageModel", "Observability", .nioCore, .nioHTTP1]),

        module("Certificates", in: "Support", ["StorageModel", .x509, .asn1, .crypto]),

        // Seams: what the core asks of a backend.
        module("Metadata", in: "Seams", ["StorageModel"]),
        module("Extents", in: "Seams", ["StorageModel", .nioCore]),
        module("WebDocuments", in: "Seams", ["StorageModel"]),

        // Backends: one implementation of one seam each.
        .systemLibrary(name: "CRocksDB", path: "Sources/Backends/CRocksDB"),
        module("MetadataRocks", in: "Backends", ["CRocksDB", "Metadata", "StorageModel"]),
        module("ExtentsLocal", in: "Backends", ["CFileSystem", "Extents", "Checksums", "StorageModel", .nioCore]),

        module(
            "WebDocumentsHTTP", in: "Backends",
            ["WebDocuments", "StorageModel", .httpClient, .nioCore, .nioPosix, .nioHTTP1, .nioSSL]),

        // Core: every rule, once.
        module("Access", in: "Core", ["StorageModel", "Metadata", "Observability", .crypto]),
        module(
            "Tokens", in: "Core",
            ["StorageModel", "Observability", "WebDocuments", "Access", .crypto, .cryptoExtras, .logging]),
        module("Admission", in: "Core", ["StorageModel", "HTTPExchange", "Observability"]),
        module(
            "Namespace", in: "Core",
            ["StorageModel", "Metadata", "Extents", "Checksums", "Observability", .nioCore, .crypto, .logging]),

        // Protocols: parse, authorize, one core call, render.
        module(
            "AzureBlob", in: "Protocols",
            [
                "StorageModel", "AzureWire", "HTTPExchange", "Access", "Tokens", "Admission", "Namespace", "Checksums",
                "Observability", .nioCore, .nioHTTP1, .crypto, .logging,
            ]),
        module(
            "Admin", in: "Protocols",
            ["StorageModel", "AzureWire", "HTTPExchange", "Observability", "Access", .nioCore, .nioHTTP1, .logging]),

        // Edge: sockets.
        module(
            "FrontDoor", in: "Edge",
            [
                "StorageModel", "HTTPExchange", "Observability", "CFileSystem", .nioCore, .nioPosix, .nioHTTP1,
                .nioSSL, .nioTLS, .logging,
            ]),

        // Assembly: configuration to a running node. The only place that knows a backend.
        module(
            "Node", in: "Assembly",
            [
                "StorageModel", "AzureWire", "HTTPExchange", "Observability", "Metadata", "Extents", "MetadataRocks",
                "ExtentsLocal", "Access", "Tokens", "Admission", "WebDocuments", "WebDocumentsHTTP", "Certificates",
                "Namespace", "AzureBlob", "Admin", "FrontDoor", .nioCore, .nioPosix, .nioHTTP1, .nioSSL, .logging,
                .lifecycle,
            ]),
        .executableTarget(
            name: "forebay",
            dependencies: [
                "Node", "Namespace", "StorageModel", "Observability", "Certificates", .arguments, .logging, .lifecycle,
                .unixSignals,
            ],
            path: "Sources/Programs/forebay", swiftSettings: strict),

        .executableTarget(
            name: "simulate", dependencies: ["StorageTestKit", "StorageModel", .arguments],
            path: "Sources/Programs/simulate", swiftSettings: strict),

        // The model check: a program of its own, because it runs for minutes.
        .executableTarget(
            name: "modelcheck",
            dependencies: [
                "Node", "FrontDoor", "AzureBlob", "AzureWire", "Access", "Namespace", "Observability", "StorageModel",
                "StorageTestKit", .nioCore, .crypto, .arguments, .logging,
            ],
            path: "Sources/Programs/modelcheck", swiftSettings: strict),

        // Test support: contract suites, in-memory twins, fault wrappers.
        module(
            "StorageTestKit", in: "TestSupport",
            ["StorageModel", "Metadata", "Extents", "WebDocuments", "Checksums", "Namespace", .nioCore, .logging]),

        tests("StorageModelTests", ["StorageModel"]),
        tests("AzureWireTests", ["AzureWire", "StorageModel", "Checksums", .nioCore, .crypto]),
        tests("ChecksumsTests", ["Checksums"]),
        tests("ObservabilityTests", ["Observability", "StorageModel", .logging]),
        tests(
            "ContractTests",
            [
                "Metadata", "Extents", "MetadataRocks", "ExtentsLocal", "StorageModel", "StorageTestKit", .nioCore,
            ]),
        tests("MetadataRocksTests", ["MetadataRocks", "Metadata", "StorageModel", "StorageTestKit"]),
        tests(
            "ExtentsLocalTests",
            [
                "ExtentsLocal", "Extents", "Checksums", "StorageModel", "StorageTestKit", .nioCore,
            ]),
        tests("AccessTests", ["Access", "Metadata", "StorageModel", "StorageTestKit"]),
        tests("AdmissionTests", ["Admission", "HTTPExchange", "Observability", "StorageModel"]),
        tests(
            "TokensTests",
            [
                "Tokens", "Access", "WebDocuments", "StorageModel", "StorageTestKit", .crypto, .cryptoExtras, .jwt,
                .logging,
            ]),
        tests(
            "WebDocumentsHTTPTests",
            [
                "WebDocumentsHTTP", "WebDocuments", "StorageModel", "StorageTestKit", .nioCore, .nioPosix, .nioHTTP1,
                .nioSSL, .x509, .asn1, .crypto,
            ]),
        tests(
            "NamespaceTests",
            [
                "Namespace", "Metadata", "Extents", "StorageModel", "StorageTestKit", "Checksums", .nioCore, .crypto,
                .logging,
            ],
            exclude: ["Seeds"]),
        tests(
            "AzureBlobTests",
            [
                "AzureBlob", "AzureWire", "HTTPExchange", "Observability", "Access", "Tokens", "Admission", "Namespace",
                "Checksums", "StorageModel", "StorageTestKit", .nioCore, .nioHTTP1, .crypto, .cryptoExtras, .logging,
            ]),
        tests(
            "AdminTests",
            [
                "Admin", "Access", "AzureWire", "HTTPExchange", "Observability", "StorageModel", "StorageTestKit",
                .nioCore, .nioHTTP1, .logging,
            ]),
        tests(
            "FrontDoorTests",
            [
                "FrontDoor", "HTTPExchange", "Observability", "StorageModel", "Certificates", .nioCore, .nioPosix,
                .nioHTTP1, .nioEmbedded, .nioSSL, .logging,
            ]),
        tests("CertificatesTests", ["Certificates", "StorageModel", .x509, .asn1, .crypto]),
        tests(
            "NodeTests",
            [
                "Node", "Access", "Admin", "FrontDoor", "Metadata", "Namespace", "Observability", "StorageModel",
                "StorageTestKit", "Tokens",
                .logging,
            ]),
        tests("ModelCheckTests", ["modelcheck", "Namespace", "StorageModel", "StorageTestKit"]),
        tests(
            "FuzzTests",
            [
                "FrontDoor", "AzureBlob", "AzureWire", "HTTPExchange", "Namespace", "Checksums", "Observability",
                "StorageModel", "Access", "Tokens", .nioCore, .nioHTTP1,
            ]),
        tests("LayeringTests", []),
    ]
)
