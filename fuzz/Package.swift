// swift-tools-version: 6.2

import PackageDescription

// The parsers and their properties, built for libFuzzer. A package of its own, so that the node's build knows nothing of
// it; under the same name, because the parsers are visible within their package only. Sources and Properties are links.

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
    static let crypto: Self = .product(name: "Crypto", package: "swift-crypto")
    static let cryptoExtras: Self = .product(name: "CryptoExtras", package: "swift-crypto")
    static let nioSSL: Self = .product(name: "NIOSSL", package: "swift-nio-ssl")
    static let nioTLS: Self = .product(name: "NIOTLS", package: "swift-nio")
    static let logging: Self = .product(name: "Logging", package: "swift-log")
}

func module(_ name: String, in layer: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(layer)/\(name)", swiftSettings: strict)
}

let package = Package(
    name: "forebay",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        module("StorageModel", in: "Model", [.nioCore, .crypto]),
        module("AzureWire", in: "Model", ["StorageModel", .nioCore, .crypto]),
        .target(name: "CFileSystem", path: "Sources/Support/CFileSystem"),
        .target(name: "CChecksums", path: "Sources/Support/CChecksums"),
        module("Checksums", in: "Support", ["CChecksums"]),
        module("Observability", in: "Support", ["StorageModel", .logging]),
        module("HTTPExchange", in: "Support", ["StorageModel", "Observability", .nioCore, .nioHTTP1]),
        module("Metadata", in: "Seams", ["StorageModel"]),
        module("Extents", in: "Seams", ["StorageModel", .nioCore]),
        module("WebDocuments", in: "Seams", ["StorageModel"]),
        module("Access", in: "Core", ["StorageModel", "Metadata", "Observability", .crypto]),
        module(
            "Tokens", in: "Core",
            ["StorageModel", "Observability", "WebDocuments", "Access", .crypto, .cryptoExtras, .logging]),
        module("Admission", in: "Core", ["StorageModel", "HTTPExchange", "Observability"]),
        module(
            "Namespace", in: "Core",
            ["StorageModel", "Metadata", "Extents", "Checksums", "Observability", .nioCore, .crypto, .logging]),
        module(
            "AzureBlob", in: "Protocols",
            [
                "StorageModel", "AzureWire", "HTTPExchange", "Access", "Tokens", "Admission", "Namespace", "Checksums",
                "Observability", .nioCore, .nioHTTP1, .crypto, .logging,
            ]),
        module(
            "FrontDoor", in: "Edge",
            [
                "StorageModel", "HTTPExchange", "Observability", "CFileSystem", .nioCore, .nioPosix, .nioHTTP1, .nioSSL,
                .nioTLS, .logging,
            ]),
        .target(
            name: "Properties",
            dependencies: [
                "FrontDoor", "AzureBlob", "AzureWire", "HTTPExchange", "Namespace", "Checksums", "Observability",
                "StorageModel", "Access", "Tokens", .nioCore, .nioHTTP1,
            ],
            path: "Properties", swiftSettings: strict),
        // libFuzzer brings the program's beginning.
        .executableTarget(
            name: "fuzz", dependencies: ["Properties"], path: "Program",
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]),
    ]
)
